//! Tests every rule with a topology that violates it, and the exact sentence of the mistake.

// Tests and their helpers fail by panicking.
#![allow(clippy::expect_used, clippy::panic)]

mod events;
mod grants;
mod names;
mod shape;
mod storage;
mod websocket;

use topology::Topology;

/// A topology without mistakes, small enough to break in one place at a time.
const SOUND: &str = include_str!("../sound.yaml");

fn mistakes_of(source: &str) -> Vec<String> {
    match Topology::parse(source) {
        Ok(topology) => panic!("no mistake was found in {topology:?}"),
        Err(mistakes) => {
            mistakes.as_slice().iter().map(|mistake| format!("{}: {}", mistake.path, mistake.message)).collect()
        }
    }
}

/// Checks that the sound topology with `old` replaced by `new` violates exactly the expected rules.
fn broken(old: &str, new: &str, expected: &[&str]) {
    assert_eq!(SOUND.matches(old).count(), 1, "`{old}` must occur once in the sound topology");
    assert_eq!(mistakes_of(&SOUND.replace(old, new)), expected, "after replacing `{old}` by `{new}`");
}

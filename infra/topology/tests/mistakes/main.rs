//! Every rule has a topology that breaks it, and the exact sentence that says so.

// Tests fail by panicking, helpers of tests too.
#![allow(clippy::expect_used, clippy::panic)]

mod events;
mod grants;
mod names;
mod shape;
mod storage;
mod websocket;

use topology::Topology;

/// A topology without a mistake, small enough to break in one place at a time.
const SOUND: &str = include_str!("../sound.yaml");

fn mistakes_of(source: &str) -> Vec<String> {
    match Topology::parse(source) {
        Ok(topology) => panic!("no mistake was found in {topology:?}"),
        Err(mistakes) => {
            mistakes.as_slice().iter().map(|mistake| format!("{}: {}", mistake.path, mistake.message)).collect()
        }
    }
}

/// The sound topology with `old` replaced by `new` breaks exactly the given rules.
fn broken(old: &str, new: &str, expected: &[&str]) {
    assert_eq!(SOUND.matches(old).count(), 1, "`{old}` must occur once in the sound topology");
    assert_eq!(mistakes_of(&SOUND.replace(old, new)), expected, "after replacing `{old}` by `{new}`");
}

//! Writes the inputs and outputs of the client rules as JSON lines. A client in another language
//! replays the inputs, and must produce the same outputs. `shared/protocol/vectors/README.md`
//! describes the format.
//!
//! ```sh
//! cargo run -p roomcast-client --example traces -- --seeds 0..1000 > traces.jsonl
//! ```
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "the model of the tests fails by panicking")]

#[path = "../tests/rules/model.rs"]
mod model;
#[path = "../tests/rules/recorded.rs"]
mod recorded;
#[allow(dead_code, reason = "the tests read more of it")]
#[path = "../tests/rules/world.rs"]
mod world;

use std::io::{self, BufWriter, Write};
use std::ops::Range;
use std::process::ExitCode;

use roomcast_client::rules::{Draw, Seeded, times};
use serde_json::{Value, json};

use crate::world::{Faults, Happening, Step, World, rooms};

const CHAOS_MS: u64 = 180_000;
const PEACE_MS: u64 = 300_000;
/// One seed in this many runs until its connection has been exchanged.
const EXCHANGED_EVERY: u64 = 8;

fn main() -> ExitCode {
    let Some(seeds) = seeds(std::env::args().skip(1)) else {
        eprintln!("usage: traces --seeds FROM..TO");
        return ExitCode::from(2);
    };
    let mut out = BufWriter::new(io::stdout().lock());
    for seed in seeds {
        // The reader closed the pipe, so it needs no more traces.
        if trace(seed).iter().try_for_each(|line| writeln!(out, "{line}")).is_err() {
            break;
        }
    }
    ExitCode::SUCCESS
}

fn seeds(mut arguments: impl Iterator<Item = String>) -> Option<Range<u64>> {
    let (name, range) = (arguments.next()?, arguments.next()?);
    let (from, to) = range.split_once("..")?;
    (name == "--seeds").then_some(from.parse().ok()?..to.parse().ok()?)
}

/// The lines of one seed: a head, then the steps.
fn trace(seed: u64) -> Vec<Value> {
    let mut dice = Seeded::new(seed ^ 0x7ace);
    let mut world = World::new(seed, faults(&mut dice));
    world.client.steps = Some(Vec::new());
    for room in 0..rooms().len() {
        world.at(0, Happening::Do(Step::Join(room)));
    }
    let exchanged = seed.is_multiple_of(EXCHANGED_EVERY);
    let calm_ms = if exchanged { times::ROTATE_MS - times::ROTATE_JITTER_MS } else { 0 };
    for _ in 0..10 + dice.up_to(50) {
        let (at_ms, step) = (dice.up_to(CHAOS_MS), step(&mut dice));
        world.at(at_ms, Happening::Do(step));
    }
    // Steps while two connections are open.
    for _ in 0..if exchanged { 60 } else { 0 } {
        let (at_ms, step) = (calm_ms + dice.up_to(2 * times::ROTATE_JITTER_MS), step(&mut dice));
        world.at(at_ms, Happening::Do(step));
    }
    world.run_until(CHAOS_MS);
    if exchanged {
        world.run_until(calm_ms + 2 * times::ROTATE_JITTER_MS);
    }
    world.faults = Faults::default();
    world.run_until(world.now_ms + PEACE_MS);
    let head = json!({"seed": seed, "renews": true});
    std::iter::once(head).chain(world.client.steps.take().unwrap_or_default()).collect()
}

fn faults(dice: &mut Seeded) -> Faults {
    Faults {
        lost: dice.up_to(30),
        twice: dice.up_to(30),
        delay_ms: dice.up_to(5_000),
        unanswered: dice.up_to(15),
        unserved: dice.up_to(15),
        reply_delay_ms: [0, 500, 3_000, 25_000][dice.up_to(3) as usize],
        unopened: dice.up_to(40),
        lag_ms: [0, 4_000][dice.up_to(1) as usize],
    }
}

fn step(dice: &mut Seeded) -> Step {
    let room = dice.up_to(2) as usize;
    match dice.up_to(39) {
        0..3 => Step::Join(room),
        3..5 => Step::Leave(room),
        5..12 => Step::Publish(room),
        12..22 => Step::Others(room, 1 + dice.up_to(5) as usize),
        22..24 => Step::Cut,
        24 => Step::Freeze,
        25 => Step::Forget,
        26..28 => Step::History(room),
        28 => Step::Restart(room),
        29 => Step::Expire(room),
        _ => {
            let text = frame(dice, rooms()[room].as_str());
            if dice.up_to(1) == 0 { Step::Frame(text) } else { Step::FrameOnTheOldest(text) }
        }
    }
}

/// An unsolicited frame of the server, valid or not.
fn frame(dice: &mut Seeded, room: &str) -> String {
    let seq = 1 + dice.up_to(9);
    let message = json!({"id": "x", "by": "bob", "at": 1_764_000_000_000_u64, "data": seq});
    match dice.up_to(13) {
        0 => json!({"b": [{"room": room, "e": [{"by": "bob", "key": "typing", "data": true}]}]}),
        1 => json!({"b": [{"room": room, "p": {"members": 3, "users": 2, "in": ["bob"], "out": ["eve"]}}]}),
        2 => json!({"b": [{"room": room, "p": {"members": 300}}]}),
        3 | 4 => json!({"b": [{"room": room, "ep": "late", "seq": seq, "m": [message]}]}),
        5 | 6 => json!({"sys": "joined", "room": "team:9", "ep": "e", "seq": seq}),
        7 => json!({"sys": "joined", "room": room, "ep": "e", "seq": seq}),
        8 => json!({"sys": "left", "room": room, "code": "removed"}),
        9 => json!({"sys": "bye", "code": "not_connected", "retry": "now"}),
        10 => json!({"sys": "bye", "code": "busy", "retry": "later"}),
        11 => json!({"sys": "moved", "to": "elsewhere"}),
        12 => json!({"b": [{"room": room, "poll": {"options": 2}}]}),
        _ => return "no JSON".to_owned(),
    }
    .to_string()
}

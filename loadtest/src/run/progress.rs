//! The progress of a run: one line in place on a terminal, several plain lines elsewhere.

use std::io::{IsTerminal, Write};
use std::sync::Arc;
use std::time::Duration;

use tokio::time::interval;

use super::world::{Stage, World, read};
use crate::ledger::SECOND;

/// Seconds between plain lines.
const PLAIN_EVERY: u32 = 5;

/// Prints the progress until the run is over: each second on a terminal, otherwise every few
/// seconds and at each change of stage.
pub async fn tell(world: Arc<World>, may_redraw: bool) {
    let in_place = is_in_place(may_redraw);
    let mut stage = world.stage();
    let mut ticks = interval(Duration::from_secs(1));
    let (mut seen, mut seconds) = (0, 0);
    loop {
        ticks.tick().await;
        let goes_on = stage.has_changed().is_ok_and(|changed| changed);
        let now = *stage.borrow_and_update();
        let delivered = read(&world.counts.delivered);
        let connected = read(&world.counts.connected);
        world.recorder().connected(world.clock.now(), connected);
        let line = line(&world, now, delivered - seen);
        seen = delivered;
        if now == Stage::Over {
            return clear(in_place);
        }
        if in_place {
            eprint!("\r\x1b[2K{line}");
            // If standard error is closed, the line is lost.
            let _ = std::io::stderr().flush();
        } else if goes_on || seconds % PLAIN_EVERY == 0 {
            eprintln!("{line}");
        }
        seconds += 1;
    }
}

/// Clears the line for the next output.
pub fn end(may_redraw: bool) {
    clear(is_in_place(may_redraw));
}

/// Returns true if lines overwrite each other: on a terminal, unless escape codes are unwanted.
fn is_in_place(may_redraw: bool) -> bool {
    may_redraw && std::io::stderr().is_terminal()
}

fn clear(in_place: bool) {
    if in_place {
        eprint!("\r\x1b[2K");
    }
}

fn line(world: &World, stage: Stage, per_second: u64) -> String {
    let counts = &world.counts;
    let name = match stage {
        Stage::Ramp => "connecting",
        Stage::Phases(_) => "publishing",
        Stage::Drain => "draining",
        Stage::Over => "over",
    };
    let (p50, p99) = {
        let recorder = world.recorder();
        (recorder.each.at(0.5), recorder.each.at(0.99))
    };
    let ms = |time: Option<f64>| time.map_or_else(|| "-".to_owned(), |ms| format!("{ms:.0}"));
    let owed: usize = (0..world.room_count())
        .map(|room| {
            let room = world.room(room);
            let heard: usize = room.publications().iter().map(crate::ledger::Publication::heard).sum();
            (room.publications().len() * room.present()).saturating_sub(heard)
        })
        .sum();
    format!(
        "{:>5} s  {name}: {}/{} members, {} published, {} delivered ({per_second}/s), {owed} on the way, p50 {} p99 {} ms, {} throttled, {} lost connections",
        world.clock.now() / SECOND,
        read(&counts.joined),
        world.scenario.members(),
        read(&counts.published),
        read(&counts.delivered),
        ms(p50),
        ms(p99),
        read(&counts.throttled),
        read(&counts.lost),
    )
}

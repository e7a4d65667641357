//! A run: members connect, publishers publish, deliveries drain, members disconnect.

pub mod census;
pub mod counts;
pub mod descriptors;
pub mod progress;
pub mod world;

use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::{sleep, sleep_until};

use crate::hostile;
use crate::ledger::{Micros, SECOND};
use crate::member::npm;
use crate::member::task::{Seat, live};
use crate::publish::{self, Publishers};
use crate::scenario::schedule::{attacks, connects_at, length};
use census::Census;
use world::{Stage, World, read};

/// Time that a ramp may take beyond its plan. Members that have not joined by then are not waited
/// for.
const RAMP_PATIENCE: Micros = 60 * SECOND;
/// Interval of the checks for completion.
const LOOK: Duration = Duration::from_millis(100);
/// Time for all members to disconnect.
const GOING_HOME: Duration = Duration::from_secs(3);

/// The outcome of a run, besides the state of its world.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ended {
    /// The start and the end of the phases.
    pub phases: (Micros, Micros),
    /// The time at which everything had arrived, or the drain timed out.
    pub drained: Micros,
    /// True if the run was stopped before its end.
    pub interrupted: bool,
    /// The server's count of members, compared with the actual number.
    pub census: Census,
}

/// Runs a world to its end.
///
/// # Errors
/// When a door cannot be opened. No request has been sent then.
pub async fn run(world: &Arc<World>) -> Result<Ended, publish::Error> {
    let (mut members, mut publishers) = (JoinSet::new(), JoinSet::new());
    for (room, rooms) in world.scenario.each_room().enumerate() {
        Publishers::open(room, room, rooms)?.start(world, &mut publishers);
    }
    let watching = Arc::clone(world);
    let watch = tokio::spawn(async move { watching.generator.watch(&watching.clock).await });
    seat_all(world, &mut members);
    if attacks(&world.scenario.phases).next().is_some() {
        members.spawn(hostile::attack(Arc::clone(world)));
    }
    ramp(world).await;
    let begin = world.clock.now() + SECOND / 5;
    world.enter(Stage::Phases(begin));
    phases(world, begin).await;
    let ended = world.clock.now();
    drain(world, &mut publishers).await;
    let drained = world.clock.now();
    let census = census::take(world).await;
    world.enter(Stage::Over);
    let home = async { while members.join_next().await.is_some() {} };
    // Tasks of members that have not disconnected by then are dropped with the set.
    let _ = tokio::time::timeout(GOING_HOME, home).await;
    watch.abort();
    Ok(Ended { phases: (begin, ended), drained, interrupted: world.stop.is_cancelled(), census })
}

fn seat_all(world: &Arc<World>, members: &mut JoinSet<()>) {
    let (mut of_all, mut npm_seats) = (0, Vec::new());
    for (room, rooms) in world.scenario.each_room().enumerate() {
        for member in 0..rooms.members {
            let seat = Seat { room, member, of_all };
            if member < rooms.members - rooms.npm_members {
                members.spawn(live(Arc::clone(world), seat, rooms.clone()));
            } else {
                npm_seats.push(seat);
            }
            of_all += 1;
        }
    }
    if !npm_seats.is_empty() {
        members.spawn(npm::live(Arc::clone(world), npm_seats));
    }
}

/// Waits until all members have joined, or until the ramp times out.
async fn ramp(world: &World) {
    let all = world.scenario.members() as u64;
    let planned = connects_at(&world.scenario.ramp, world.scenario.members().saturating_sub(1));
    while read(&world.counts.joined) < all && !world.stop.is_cancelled() {
        if world.clock.now() > planned + RAMP_PATIENCE {
            return;
        }
        sleep(LOOK).await;
    }
}

async fn phases(world: &World, begin: Micros) {
    let end = begin + length(&world.scenario.phases);
    tokio::select! {
        () = sleep_until(world.clock.instant(end)) => {}
        () = world.stop.cancelled() => {}
    }
}

/// Waits for the last replies and deliveries, as long as the scenario allows.
async fn drain(world: &World, publishers: &mut JoinSet<()>) {
    world.enter(Stage::Drain);
    let patience = Duration::from_secs_f64(world.scenario.drain_s);
    let all = async {
        while publishers.join_next().await.is_some() {}
        while !world.settle() || read(&world.counts.connected) < read(&world.counts.joined) {
            sleep(LOOK).await;
        }
    };
    // A delivery that has not arrived by then is missing.
    let _ = tokio::time::timeout(patience, all).await;
}

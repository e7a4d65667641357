//! One publisher's part of a room's schedule.

use std::time::Duration;

use tokio::time::sleep;

use crate::ledger::Micros;
use crate::run::world::{Stage, World, add};
use crate::scenario::schedule::{Due, due};

/// One publisher's part of a room's schedule: every `step`th publication from the `first` on.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Lane {
    /// The number of the room.
    pub room: usize,
    /// The index of this lane's first publication.
    pub first: usize,
    /// The distance between two publications of this lane.
    pub step: usize,
    /// Publications a second into the room, by all lanes together.
    pub rate: f64,
    /// The room's phase offset between two publications, from 0 to 1.
    pub offset: f64,
    /// Bytes of data in each publication.
    pub payload_bytes: usize,
    /// Ephemeral publications a second, by this lane.
    pub ephemeral_rate: f64,
}

impl Lane {
    /// The times of its publications, since the start of the phases.
    pub(super) fn schedule<'a>(&self, world: &'a World) -> impl Iterator<Item = Due> + use<'a> {
        due(&world.scenario.phases, self.rate, self.offset).skip(self.first).step_by(self.step)
    }

    /// The times of its ephemeral publications, since the start of the phases.
    pub(super) fn ephemeral<'a>(&self, world: &'a World) -> impl Iterator<Item = Due> + use<'a> {
        due(&world.scenario.phases, self.ephemeral_rate, self.offset)
    }

    /// Records a publication that is being sent. Returns its number.
    pub(super) fn enter(&self, world: &World, intended: Micros, measured: bool) -> usize {
        add(&world.counts.published, 1);
        world.room(self.room).publish(intended, world.clock.now(), measured)
    }

    /// Records the acceptance of a publication.
    pub(super) fn accept(&self, world: &World, number: usize) {
        let now = world.clock.now();
        let took = world.room(self.room).accept(number, now);
        if let Some(took) = took {
            world.recorder().accepted.record(took);
        }
    }
}

/// Waits for the start of the phases. Returns its time, or `None` if the run ends before.
pub(super) async fn phases(world: &World) -> Option<Micros> {
    let mut stage = world.stage();
    let entered = stage.wait_for(|stage| *stage != Stage::Ramp).await.ok()?;
    match *entered {
        Stage::Phases(begin) => Some(begin),
        Stage::Ramp | Stage::Drain | Stage::Over => None,
    }
}

/// Stops this publisher for a while, if a test requires that, to prove that the load test detects
/// it.
pub(super) async fn freeze(world: &World) {
    let Some((at, length)) = world.freeze else { return };
    let now = world.clock.now();
    if (at..at + length).contains(&now) {
        sleep(Duration::from_micros((at + length - now).unsigned_abs())).await;
    }
}

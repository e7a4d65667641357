//! What every task of a run shares.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

pub use super::counts::{Counts, add, read};
use crate::ledger::{Micros, Room};
use crate::measure::{Clock, Generator, Recorder};
use crate::member::Patience;
use crate::scenario::Scenario;
use crate::wire::pid::Pids;
use crate::wire::target::Target;

/// Where a run stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// Members come.
    Ramp,
    /// Publications go out, by a schedule that began at this time.
    Phases(Micros),
    /// The last deliveries come.
    Drain,
    /// Everybody goes home.
    Over,
}

/// What every task of a run shares.
#[derive(Debug)]
pub struct World {
    /// Where to.
    pub target: Target,
    /// What to do.
    pub scenario: Scenario,
    /// How long to wait for what.
    pub patience: Patience,
    /// The time.
    pub clock: Arc<Clock>,
    /// Which publications are ours.
    pub pids: Pids,
    /// What happens besides.
    pub counts: Counts,
    /// The load test itself.
    pub generator: Generator,
    /// Ends the phases: Ctrl-C, or a budget.
    pub stop: CancellationToken,
    /// When the publishers stand still, and how long: the load test must notice.
    pub freeze: Option<(Micros, Micros)>,
    rooms: Vec<RoomState>,
    recorder: Mutex<Recorder>,
    stage: watch::Sender<Stage>,
    complaints: Mutex<Vec<String>>,
    stopped_by: Mutex<Option<String>>,
}

/// Different complaints that are kept.
const COMPLAINTS: usize = 20;

#[derive(Debug)]
struct RoomState {
    ledger: Mutex<Room>,
    /// Whether something is outstanding, as last looked at.
    unsettled: AtomicBool,
    /// Connections that were left open without a word.
    graves: AtomicU64,
}

impl World {
    /// Before anything has happened.
    #[must_use]
    pub fn new(target: Target, scenario: Scenario, run: &str, prefix: &str, patience: Patience) -> Self {
        let room = |(n, rooms): (usize, &crate::scenario::Rooms)| RoomState {
            ledger: Mutex::new(Room::new(format!("{prefix}-{run}-{n}"), rooms.members).with_stall(patience.stall)),
            unsettled: AtomicBool::new(true),
            graves: AtomicU64::new(0),
        };
        let rooms = scenario.each_room().enumerate().map(room).collect();
        Self {
            pids: Pids::new(run),
            clock: Arc::new(Clock::default()),
            counts: Counts::default(),
            generator: Generator::default(),
            stop: CancellationToken::new(),
            freeze: None,
            recorder: Mutex::new(Recorder::new(super::expected_length(&scenario))),
            stage: watch::Sender::new(Stage::Ramp),
            complaints: Mutex::default(),
            stopped_by: Mutex::default(),
            target,
            scenario,
            patience,
            rooms,
        }
    }

    /// The ledger of a room. Never held over an await.
    pub fn room(&self, room: usize) -> MutexGuard<'_, Room> {
        self.rooms[room].ledger.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many rooms there are.
    #[must_use]
    pub fn room_count(&self) -> usize {
        self.rooms.len()
    }

    /// All times. Never held over an await.
    pub fn recorder(&self) -> MutexGuard<'_, Recorder> {
        self.recorder.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether nothing is outstanding in a room, as last looked at.
    #[must_use]
    pub fn is_settled(&self, room: usize) -> bool {
        !self.rooms[room].unsettled.load(Ordering::Relaxed)
    }

    /// Looks at every room; whether nothing is outstanding anywhere.
    pub fn settle(&self) -> bool {
        let unsettled = self.rooms.iter().enumerate().filter(|(n, state)| {
            let unsettled = !self.room(*n).is_settled();
            state.unsettled.store(unsettled, Ordering::Relaxed);
            unsettled
        });
        unsettled.count() == 0
    }

    /// A connection of a room was left open without a word: the server cannot know yet.
    pub fn bury(&self, room: usize) {
        self.rooms[room].graves.fetch_add(1, Ordering::Relaxed);
    }

    /// How many there are of them.
    #[must_use]
    pub fn graves(&self, room: usize) -> u64 {
        self.rooms[room].graves.load(Ordering::Relaxed)
    }

    /// Where the run stands.
    #[must_use]
    pub fn stage(&self) -> watch::Receiver<Stage> {
        self.stage.subscribe()
    }

    /// Something did not work, and is tried again: kept for the report, a few of them.
    pub fn complain(&self, why: &impl std::fmt::Display) {
        let mut complaints = self.complaints.lock().unwrap_or_else(PoisonError::into_inner);
        let why = why.to_string();
        if complaints.len() < COMPLAINTS && !complaints.contains(&why) {
            complaints.push(why);
        }
    }

    /// What did not work.
    #[must_use]
    pub fn complaints(&self) -> Vec<String> {
        self.complaints.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Ends the phases: everything drains, and the report says why.
    pub fn stop_because(&self, why: &str) {
        let mut stopped_by = self.stopped_by.lock().unwrap_or_else(PoisonError::into_inner);
        stopped_by.get_or_insert_with(|| why.to_owned());
        self.stop.cancel();
    }

    /// Why the phases were ended before their time.
    #[must_use]
    pub fn stopped_by(&self) -> String {
        self.stopped_by.lock().unwrap_or_else(PoisonError::into_inner).clone().unwrap_or_default()
    }

    /// It goes on.
    pub fn enter(&self, stage: Stage) {
        self.stage.send_replace(stage);
    }
}

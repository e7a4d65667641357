//! The state that all tasks of a run share.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

pub use super::counts::{Counts, add, read};
use crate::ledger::{Micros, Room};
use crate::measure::{Clock, Generator, Recorder};
use crate::member::Patience;
use crate::scenario::Scenario;
use crate::scenario::schedule::expected_length;
use crate::wire::pid::Pids;
use crate::wire::target::Target;

/// The stage of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// Members connect and join.
    Ramp,
    /// Publishers publish, by a schedule that began at this time.
    Phases(Micros),
    /// The last deliveries arrive.
    Drain,
    /// All members disconnect.
    Over,
}

/// The state that all tasks of a run share.
#[derive(Debug)]
pub struct World {
    /// The server to connect to.
    pub target: Target,
    /// The scenario of the run.
    pub scenario: Scenario,
    /// The timeouts of members.
    pub patience: Patience,
    /// The clock of the run.
    pub clock: Arc<Clock>,
    /// The publication ids of this run.
    pub pids: Pids,
    /// Counters for readers.
    pub counts: Counts,
    /// The monitor of the load test itself.
    pub generator: Generator,
    /// Ends the phases: after Ctrl-C, or at the end of a budget.
    pub stop: CancellationToken,
    /// The time at which publishers stop, and for how long. A test sets it, to prove that the load
    /// test detects it.
    pub freeze: Option<(Micros, Micros)>,
    rooms: Vec<RoomState>,
    recorder: Mutex<Recorder>,
    stage: watch::Sender<Stage>,
    complaints: Mutex<Vec<String>>,
    stopped_by: Mutex<Option<String>>,
}

/// Maximum number of different complaints.
const COMPLAINTS: usize = 20;

#[derive(Debug)]
struct RoomState {
    ledger: Mutex<Room>,
    /// True if the room had outstanding work at the last check.
    unsettled: AtomicBool,
    /// Connections that were left open unread.
    graves: AtomicU64,
}

impl World {
    /// The state before the run.
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
            recorder: Mutex::new(Recorder::new(expected_length(&scenario))),
            stage: watch::Sender::new(Stage::Ramp),
            complaints: Mutex::default(),
            stopped_by: Mutex::default(),
            target,
            scenario,
            patience,
            rooms,
        }
    }

    /// The ledger of a room. Never hold it over an await.
    pub fn room(&self, room: usize) -> MutexGuard<'_, Room> {
        self.rooms[room].ledger.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The number of rooms.
    #[must_use]
    pub fn room_count(&self) -> usize {
        self.rooms.len()
    }

    /// The recorder of all times. Never hold it over an await.
    pub fn recorder(&self) -> MutexGuard<'_, Recorder> {
        self.recorder.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns true if the room had no outstanding work at the last check.
    #[must_use]
    pub fn is_settled(&self, room: usize) -> bool {
        !self.rooms[room].unsettled.load(Ordering::Relaxed)
    }

    /// Checks every room. Returns true if none has outstanding work.
    pub fn settle(&self) -> bool {
        let unsettled = self.rooms.iter().enumerate().filter(|(n, state)| {
            let unsettled = !self.room(*n).is_settled();
            state.unsettled.store(unsettled, Ordering::Relaxed);
            unsettled
        });
        unsettled.count() == 0
    }

    /// Records a connection of a room that was left open unread. The server cannot detect it yet.
    pub fn bury(&self, room: usize) {
        self.rooms[room].graves.fetch_add(1, Ordering::Relaxed);
    }

    /// The number of connections that were left open unread.
    #[must_use]
    pub fn graves(&self, room: usize) -> u64 {
        self.rooms[room].graves.load(Ordering::Relaxed)
    }

    /// A receiver of the run's stage.
    #[must_use]
    pub fn stage(&self) -> watch::Receiver<Stage> {
        self.stage.subscribe()
    }

    /// Records a failure that is tried again. The report has a few of them.
    pub fn complain(&self, why: &impl std::fmt::Display) {
        let mut complaints = self.complaints.lock().unwrap_or_else(PoisonError::into_inner);
        let why = why.to_string();
        if complaints.len() < COMPLAINTS && !complaints.contains(&why) {
            complaints.push(why);
        }
    }

    /// The recorded failures.
    #[must_use]
    pub fn complaints(&self) -> Vec<String> {
        self.complaints.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Ends the phases: deliveries drain, and the report states the reason.
    pub fn stop_because(&self, why: &str) {
        let mut stopped_by = self.stopped_by.lock().unwrap_or_else(PoisonError::into_inner);
        stopped_by.get_or_insert_with(|| why.to_owned());
        self.stop.cancel();
    }

    /// The reason why the phases ended early; empty if they did not.
    #[must_use]
    pub fn stopped_by(&self) -> String {
        self.stopped_by.lock().unwrap_or_else(PoisonError::into_inner).clone().unwrap_or_default()
    }

    /// Enters the next stage.
    pub fn enter(&self, stage: Stage) {
        self.stage.send_replace(stage);
    }
}

//! The state that the functions, the gateway and the run loop share: time, chance, faults, sockets,
//! the agenda and the story.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use domain::{ConnectionId, Timestamp};
use testkit::clock::TurnedClock;
use testkit::faults::Operation;
use testkit::memory::Meter;

use crate::chance::Dice;
use crate::due::Due;
use crate::executor::TaskId;
use crate::faults::{Fault, Faults};
use crate::kind::{Broken, Kind};
use crate::pipeline::Outcome;
use crate::socket::Socket;
use crate::stake::Stake;
use crate::trouble::{Slow, Trouble};
use crate::wire::Wire;

/// A point at which a function can be killed: it waits for a call that has taken effect or has not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Point {
    /// The name of the function.
    pub(crate) function: &'static str,
    /// The operation that it calls; `None` when it computes or returns its answer.
    pub(crate) operation: Option<Operation>,
    /// True if the call has taken effect.
    pub(crate) after: bool,
}

impl Point {
    /// The name in the coverage table and in the list of points: `sequencer Append after`.
    #[must_use]
    pub(crate) fn name(&self) -> String {
        let when = if self.after { "after" } else { "before" };
        match self.operation {
            Some(operation) => format!("{} {operation:?} {when}", self.function),
            None => format!("{} Answer {when}", self.function),
        }
    }
}

/// A handle of the state that the whole run shares.
#[derive(Clone)]
pub(crate) struct Shared {
    /// The clock of the run, which the run loop turns.
    pub(crate) clock: TurnedClock,
    core: Arc<Mutex<Core>>,
}

/// The shared state of a run.
pub(crate) struct Core {
    /// When the run began.
    pub(crate) began: Timestamp,
    /// The current time of the run.
    pub(crate) now: Timestamp,
    /// Chance of every decision except faults.
    pub(crate) dice: Dice,
    /// The faults of the run.
    pub(crate) faults: Faults,
    /// Every connection of the run, open or closed.
    pub(crate) sockets: BTreeMap<ConnectionId, Socket>,
    /// Invocations that have ended, with their outcomes.
    pub(crate) done: Vec<(TaskId, Outcome)>,
    /// Invocations to be killed at the end of this step.
    pub(crate) kills: Vec<TaskId>,
    /// Invocations that hang until their deadline.
    pub(crate) hanging: BTreeSet<TaskId>,
    /// Invocations of which a call failed.
    pub(crate) disturbed: BTreeSet<TaskId>,
    /// For each point: the number of invocations that reached it, and the number that were killed
    /// there.
    pub(crate) points: BTreeMap<String, (u64, u64)>,
    /// Points at which an invocation must be killed, and at which of the invocations that reach the
    /// point.
    pub(crate) targets: BTreeMap<String, u64>,
    /// The refused calls of each invocation.
    pub(crate) refused: BTreeMap<TaskId, Vec<Operation>>,
    /// Until when the calls of an operation by a function are refused.
    pub(crate) no_grant_until: BTreeMap<(&'static str, Operation), Timestamp>,
    /// All posts of the account are throttled until this time.
    pub(crate) throttled_until: Timestamp,
    /// All posts of the account are refused until this time.
    pub(crate) forbidden_until: Timestamp,
    /// All posts of the run, and the jobs that caused them.
    pub(crate) wire: Wire,
    /// How far an index may lag behind, in runs where indexes lag.
    pub(crate) lag: Duration,
    /// True if publications may have got positions since the last check.
    pub(crate) appended: bool,
    /// The promises that the run has broken so far.
    pub(crate) broken: Vec<Broken>,
    /// The counted reads of each invocation.
    pub(crate) meters: BTreeMap<TaskId, Meter>,
    /// The number of times that each stake was checked.
    pub(crate) stakes: BTreeMap<Stake, u64>,
    /// The index of the member that takes posts slowly during the whole run, and its behaviour.
    pub(crate) slow: Option<(usize, Slow)>,
    /// The trouble of one room or one member.
    pub(crate) trouble: Option<Trouble>,
    /// The lines of the story, if the run keeps one.
    pub(crate) story: Option<Vec<String>>,
    agenda: BTreeMap<(Timestamp, u64, u64), Due>,
    next: u64,
}

impl Shared {
    /// The state of a run that begins now.
    #[must_use]
    pub(crate) fn new(clock: TurnedClock, began: Timestamp, seed: u64, faults: Faults, told: bool) -> Self {
        let core = Core {
            began,
            now: began,
            dice: Dice::new(seed, 3),
            faults,
            sockets: BTreeMap::new(),
            done: Vec::new(),
            kills: Vec::new(),
            hanging: BTreeSet::new(),
            disturbed: BTreeSet::new(),
            refused: BTreeMap::new(),
            no_grant_until: BTreeMap::new(),
            points: BTreeMap::new(),
            targets: BTreeMap::new(),
            throttled_until: began,
            forbidden_until: began,
            wire: Wire::default(),
            lag: Duration::ZERO,
            appended: false,
            broken: Vec::new(),
            meters: BTreeMap::new(),
            stakes: BTreeMap::new(),
            slow: None,
            trouble: None,
            story: told.then(Vec::new),
            agenda: BTreeMap::new(),
            next: 0,
        };
        Self { clock, core: Arc::new(Mutex::new(core)) }
    }

    /// Locks the shared state; the caller must release it before the next await.
    pub(crate) fn lock(&self) -> MutexGuard<'_, Core> {
        self.core.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Core {
    /// Adds an entry to the agenda.
    pub(crate) fn at(&mut self, when: Timestamp, due: Due) {
        // Chance decides the order of entries that are due at the same time.
        let tie = self.dice.bits();
        self.next += 1;
        self.agenda.insert((when.max(self.now), tie, self.next), due);
    }

    /// Adds an entry to the agenda that is due after some milliseconds.
    pub(crate) fn after_ms(&mut self, ms: u64, due: Due) {
        self.at(self.now.plus(std::time::Duration::from_millis(ms)), due);
    }

    /// When the next entry of the agenda is due.
    #[must_use]
    pub(crate) fn next_at(&self) -> Option<Timestamp> {
        self.agenda.keys().next().map(|(at, _, _)| *at)
    }

    /// Removes and returns the next entry that is due by now.
    pub(crate) fn pop(&mut self) -> Option<Due> {
        let first = self.agenda.first_entry()?;
        (first.key().0 <= self.now).then(|| first.remove())
    }

    /// Adds a line to the story, if the run keeps one.
    pub(crate) fn tell(&mut self, line: impl FnOnce() -> String) {
        let at = self.now.since(self.began).as_millis();
        if let Some(story) = &mut self.story {
            story.push(format!("{:>4}.{:03}  {}", at / 1_000, at % 1_000, line()));
        }
    }

    /// Draws whether a fault happens now, and adds it to the story.
    pub(crate) fn fires(&mut self, fault: Fault, where_: impl FnOnce() -> String) -> bool {
        let fires = self.faults.fires(fault);
        if fires {
            self.tell(|| format!("{fault} {}: {}", where_(), fault.describe()));
        }
        fires
    }

    /// How long a post may still be made after the decision to make it: an invocation runs for 5 s,
    /// a slow post takes 5 s, and the indexes lag.
    #[must_use]
    pub(crate) fn posts_linger(&self) -> Duration {
        let slow = if self.faults.could(Fault::PostSlow) { 5_000 } else { 0 };
        Duration::from_millis(5_000 + 100 + slow) + self.index_lags()
    }

    /// How far indexes may lag behind in this run.
    #[must_use]
    pub(crate) fn index_lags(&self) -> Duration {
        if self.faults.could(Fault::IndexLags) { self.lag } else { Duration::ZERO }
    }

    /// How far the clocks of functions may differ in this run.
    #[must_use]
    pub(crate) fn clocks_differ(&self) -> Duration {
        match (self.faults.could(Fault::ClocksDiffer), self.faults.could(Fault::IndexLags)) {
            (false, _) => Duration::ZERO,
            // The time that an index takes to settle is measured by one clock and checked by
            // another.
            (true, true) => Duration::from_millis(500),
            (true, false) => Duration::from_secs(25),
        }
    }

    /// Each function sees a newly valid token within this time.
    #[must_use]
    pub(crate) fn tokens_seen_within(&self) -> Duration {
        self.clocks_differ() + self.index_lags()
    }

    /// Counts a check of a stake.
    pub(crate) fn weigh(&mut self, stake: Stake) {
        *self.stakes.entry(stake).or_default() += 1;
    }

    /// Reports whether a connection belongs to the slow member.
    #[must_use]
    pub(crate) fn is_slow(&self, connection: &ConnectionId) -> bool {
        let member = self.sockets.get(connection).map(|socket| socket.member);
        self.slow.is_some_and(|(slow, _)| member == Some(slow))
    }

    /// Records a broken promise.
    pub(crate) fn broke(&mut self, kind: Kind, what: String) {
        self.tell(|| format!("BROKEN {kind:?}: {what}"));
        self.broken.push(Broken { kind, what });
    }
}

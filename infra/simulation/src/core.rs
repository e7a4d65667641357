//! What the functions, the gateway and the run loop share: time, chance, faults, sockets, what is due, and the story.

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

/// Where a function can be killed: it waits for a call, before or after that takes effect.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Point {
    /// Which function.
    pub(crate) function: &'static str,
    /// What it calls; `None` if it only thinks, and answers.
    pub(crate) operation: Option<Operation>,
    /// Whether the call has taken effect.
    pub(crate) after: bool,
}

impl Point {
    /// As the coverage table and the list of points name it: `sequencer Append after`.
    #[must_use]
    pub(crate) fn name(&self) -> String {
        let when = if self.after { "after" } else { "before" };
        match self.operation {
            Some(operation) => format!("{} {operation:?} {when}", self.function),
            None => format!("{} Answer {when}", self.function),
        }
    }
}

/// Shared by everybody in a run.
#[derive(Clone)]
pub(crate) struct Shared {
    /// The time of the run.
    pub(crate) clock: TurnedClock,
    core: Arc<Mutex<Core>>,
}

/// What is shared.
pub(crate) struct Core {
    /// When the run began.
    pub(crate) began: Timestamp,
    /// The time as last looked at.
    pub(crate) now: Timestamp,
    /// Chance of whatever is not a fault.
    pub(crate) dice: Dice,
    /// What goes wrong.
    pub(crate) faults: Faults,
    /// Every connection there ever was.
    pub(crate) sockets: BTreeMap<ConnectionId, Socket>,
    /// Invocations that have ended, and how.
    pub(crate) done: Vec<(TaskId, Outcome)>,
    /// Invocations to be killed at once.
    pub(crate) kills: Vec<TaskId>,
    /// Invocations that hang until their deadline.
    pub(crate) hanging: BTreeSet<TaskId>,
    /// Invocations of which a call failed.
    pub(crate) disturbed: BTreeSet<TaskId>,
    /// Where invocations were seen, and how often killed there.
    pub(crate) points: BTreeMap<String, (u64, u64)>,
    /// Where one is to be killed for certain, and at how manieth time it gets there.
    pub(crate) targets: BTreeMap<String, u64>,
    /// The account's posts are throttled, or refused, until then.
    pub(crate) throttled_until: Timestamp,
    /// As above.
    pub(crate) forbidden_until: Timestamp,
    /// What was posted, and what for.
    pub(crate) wire: Wire,
    /// How far an index may be behind, where indexes lag.
    pub(crate) lag: Duration,
    /// Whether publications may have got positions since that was last looked at.
    pub(crate) appended: bool,
    /// What broke a promise while the run went on.
    pub(crate) broken: Vec<Broken>,
    /// What each invocation reads.
    pub(crate) meters: BTreeMap<TaskId, Meter>,
    /// How often something was looked at that a promise is about.
    pub(crate) stakes: BTreeMap<Stake, u64>,
    /// Who takes what it is posted slowly, for its whole life, and how.
    pub(crate) slow: Option<(usize, Slow)>,
    /// What one room or one member is up to.
    pub(crate) trouble: Option<Trouble>,
    /// The story, if it is told.
    pub(crate) story: Option<Vec<String>>,
    agenda: BTreeMap<(Timestamp, u64, u64), Due>,
    next: u64,
}

impl Shared {
    /// A run that begins now.
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

    /// What is shared, for a moment.
    pub(crate) fn lock(&self) -> MutexGuard<'_, Core> {
        self.core.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Core {
    /// Something becomes due.
    pub(crate) fn at(&mut self, when: Timestamp, due: Due) {
        // Of what is due at the same moment chance decides what comes first.
        let tie = self.dice.bits();
        self.next += 1;
        self.agenda.insert((when.max(self.now), tie, self.next), due);
    }

    /// Something becomes due after so many milliseconds.
    pub(crate) fn after_ms(&mut self, ms: u64, due: Due) {
        self.at(self.now.plus(std::time::Duration::from_millis(ms)), due);
    }

    /// When the next thing is due.
    #[must_use]
    pub(crate) fn next_at(&self) -> Option<Timestamp> {
        self.agenda.keys().next().map(|(at, _, _)| *at)
    }

    /// The next thing that is due by now.
    pub(crate) fn pop(&mut self) -> Option<Due> {
        let first = self.agenda.first_entry()?;
        (first.key().0 <= self.now).then(|| first.remove())
    }

    /// Tells the story on, if it is told.
    pub(crate) fn tell(&mut self, line: impl FnOnce() -> String) {
        let at = self.now.since(self.began).as_millis();
        if let Some(story) = &mut self.story {
            story.push(format!("{:>4}.{:03}  {}", at / 1_000, at % 1_000, line()));
        }
    }

    /// Whether a fault happens now; the story tells of it.
    pub(crate) fn fires(&mut self, fault: Fault, where_: impl FnOnce() -> String) -> bool {
        let fires = self.faults.fires(fault);
        if fires {
            self.tell(|| format!("{fault} {}: {}", where_(), fault.describe()));
        }
        fires
    }

    /// How long a post may go on after it was decided to make it: an invocation runs for 5 s, a slow post takes 5 s, and the
    /// indexes tell of it when they know.
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

    /// How far functions' clocks are off in this run.
    #[must_use]
    pub(crate) fn clocks_differ(&self) -> Duration {
        match (self.faults.could(Fault::ClocksDiffer), self.faults.could(Fault::IndexLags)) {
            (false, _) => Duration::ZERO,
            // How long an index takes to settle is measured by one clock, and seen by another one.
            (true, true) => Duration::from_millis(500),
            (true, false) => Duration::from_secs(25),
        }
    }

    /// Within this each function sees a token that has come to count.
    #[must_use]
    pub(crate) fn tokens_seen_within(&self) -> Duration {
        self.clocks_differ() + self.index_lags()
    }

    /// Something was looked at that a promise is about.
    pub(crate) fn weigh(&mut self, stake: Stake) {
        *self.stakes.entry(stake).or_default() += 1;
    }

    /// Whether a connection is of somebody who takes what it is posted slowly.
    #[must_use]
    pub(crate) fn is_slow(&self, connection: &ConnectionId) -> bool {
        let member = self.sockets.get(connection).map(|socket| socket.member);
        self.slow.is_some_and(|(slow, _)| member == Some(slow))
    }

    /// A promise was broken.
    pub(crate) fn broke(&mut self, kind: Kind, what: String) {
        self.tell(|| format!("BROKEN {kind:?}: {what}"));
        self.broken.push(Broken { kind, what });
    }
}

//! Processes: each is a function with its ports, and each port call passes through a [`Hand`]. A
//! cold process serves one invocation. A warm process serves the next one too, with everything that
//! it has cached.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use domain::ports::Clock;
use lambda_kit::Deadline;
use testkit::chance::Seeded;
use testkit::faults::Faulty;
use testkit::memory::{Meter, Store, TRANSACTION_HOLD, Topic};

use crate::due::Due;
use crate::executor::TaskId;
use crate::faults::Fault;
use crate::gateway::Management;
use crate::hand::{Hand, OwnClock};
use crate::mistaken::{Current, Mistaken};
use crate::pipeline::Pipeline;
use crate::scale::TIMEOUT;
use crate::service::Service;

const REAPER_TIMEOUT: Duration = Duration::from_secs(50);
/// In runs with warm processes, the share of invocations that start a cold process all the same.
const COLD: f64 = 0.1;

/// The ports of the functions in one process.
pub(crate) struct Hands {
    pub(crate) tables: Faulty<Store, Hand>,
    pub(crate) queues: Faulty<Mistaken, Hand>,
    pub(crate) gateway: Faulty<Management, Hand>,
    pub(crate) topic: Faulty<Topic, Hand>,
    pub(crate) clock: OwnClock,
    pub(crate) chance: Seeded,
}

/// One process of a function.
pub(crate) struct Process {
    pub(crate) hand: Hand,
    pub(crate) retries: Faulty<Mistaken, Hand>,
    pub(crate) service: Service,
    clock: OwnClock,
    meter: Meter,
}

impl Process {
    /// The clock of this process, which may be wrong by some time.
    pub(crate) fn clock(&self) -> &OwnClock {
        &self.clock
    }
}

type Processes = BTreeMap<&'static str, Vec<Arc<Process>>>;

/// Processes that serve no invocation now, by function.
#[derive(Clone, Default)]
pub(crate) struct Idle(Arc<Mutex<Processes>>);

impl Idle {
    fn take(&self, function: &'static str) -> Option<Arc<Process>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get_mut(function)?.pop()
    }

    /// Keeps a process that has served its invocation for the next one.
    pub(crate) fn give_back(&self, process: Arc<Process>) {
        let mut idle = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        idle.entry(process.hand.function).or_default().push(process);
    }
}

impl Pipeline {
    /// Returns a process for an invocation of a function, and the deadline of the invocation.
    pub(crate) fn process(&self, task: TaskId, function: &'static str) -> (Arc<Process>, Deadline) {
        let cold = !self.scale.warm || self.shared.lock().dice.happens(COLD);
        let healed = self.shared.lock().faults.is_healed();
        let warm = if cold { None } else { self.idle.take(function) };
        // After all faults have ended, clocks are right: a process with a wrong clock serves no
        // further invocation.
        let warm = warm.filter(|process| !healed || process.clock.is_right());
        let process = warm.unwrap_or_else(|| Arc::new(self.start(task, function)));
        process.hand.task.set(task);
        let timeout = match function {
            "reaper" => REAPER_TIMEOUT,
            "fanout" => self.scale.fanout_timeout,
            _ => TIMEOUT,
        };
        let mut core = self.shared.lock();
        core.meters.insert(task, process.meter.clone());
        let ends_at = core.now.plus(timeout);
        core.at(ends_at, Due::Deadline(task));
        // The process computes its deadline with its own clock.
        let own_end = process.clock.now().plus(timeout);
        (process, Deadline::at(own_end))
    }

    fn start(&self, task: TaskId, function: &'static str) -> Process {
        let hand = Hand { shared: self.shared.clone(), task: Current::new(task), function };
        let meter = Meter::default();
        let clock = {
            let mut core = self.shared.lock();
            let (mut ahead, mut behind) = (Duration::ZERO, Duration::ZERO);
            if core.faults.has(Fault::ClocksDiffer) {
                core.faults.note(Fault::ClocksDiffer);
                let most_ms = u64::try_from(core.clocks_differ().as_millis()).unwrap_or(0);
                let off = Duration::from_millis(core.dice.below(most_ms));
                if core.dice.happens(0.5) { ahead = off } else { behind = off }
            }
            OwnClock::new(self.shared.clock.clone(), ahead, behind)
        };
        let queues = Mistaken {
            queues: self.queues.clone().with_bug(self.bug),
            shared: self.shared.clone(),
            task: hand.task.clone(),
            mistake: self.mistake,
        };
        let management = Management {
            shared: self.shared.clone(),
            task: hand.task.clone(),
            mistake: self.mistake,
            post_timeout: self.scale.limits.post_timeout,
        };
        let retries = Faulty::new(queues.clone(), hand.clone());
        let tables = self.store.with_bug(self.bug).with_transaction_hold(TRANSACTION_HOLD).metered(&meter);
        let hands = Hands {
            tables: Faulty::new(tables, hand.clone()),
            queues: Faulty::new(queues, hand.clone()),
            gateway: Faulty::new(management, hand.clone()),
            topic: Faulty::new(self.topic.clone(), hand.clone()),
            clock: clock.clone(),
            chance: self.chance.clone(),
        };
        let service = Service::of(function, hands, self.mistake, self.scale.limits);
        Process { hand, retries, service, clock, meter }
    }
}

//! The ports of one invocation, each with a hand on it.

use std::time::Duration;

use domain::ports::Clock;
use lambda_kit::Deadline;
use testkit::chance::Seeded;
use testkit::faults::Faulty;
use testkit::memory::{Meter, Queues, Store, TRANSACTION_HOLD, Topic};

use crate::due::Due;
use crate::executor::TaskId;
use crate::faults::Fault;
use crate::gateway::Management;
use crate::hand::{Hand, OwnClock};
use crate::pipeline::Pipeline;

/// A function's timeout, unless it is the reaper's.
const TIMEOUT: Duration = Duration::from_secs(5);
const REAPER_TIMEOUT: Duration = Duration::from_secs(50);

/// The ports of one invocation.
pub(crate) struct Hands {
    pub(crate) hand: Hand,
    pub(crate) tables: Faulty<Store, Hand>,
    pub(crate) queues: Faulty<Queues, Hand>,
    pub(crate) gateway: Faulty<Management, Hand>,
    pub(crate) topic: Faulty<Topic, Hand>,
    pub(crate) clock: OwnClock,
    pub(crate) chance: Seeded,
    pub(crate) deadline: Deadline,
}

impl Pipeline {
    /// Everything that an invocation of a function needs, its clock and its deadline with it.
    pub(crate) fn hands(&self, task: TaskId, function: &'static str) -> Hands {
        let hand = Hand { shared: self.shared.clone(), task, function };
        let timeout = if function == "reaper" { REAPER_TIMEOUT } else { TIMEOUT };
        let meter = Meter::default();
        let (clock, ends_at) = {
            let mut core = self.shared.lock();
            core.meters.insert(task, meter.clone());
            let ends_at = core.now.plus(timeout);
            core.at(ends_at, Due::Deadline(task));
            let (mut ahead, mut behind) = (Duration::ZERO, Duration::ZERO);
            if core.faults.has(Fault::ClocksDiffer) {
                core.faults.note(Fault::ClocksDiffer);
                let most_ms = u64::try_from(core.clocks_differ().as_millis()).unwrap_or(0);
                let off = Duration::from_millis(core.dice.below(most_ms));
                if core.dice.happens(0.5) { ahead = off } else { behind = off }
            }
            (OwnClock::new(self.shared.clock.clone(), ahead, behind), ends_at)
        };
        // Its own clock tells it when its time is up.
        let own_end = clock.now().plus(ends_at.since(self.shared.clock.now()));
        let tables = self.store.with_bug(self.bug).with_transaction_hold(TRANSACTION_HOLD).metered(&meter);
        Hands {
            tables: Faulty::new(tables, hand.clone()),
            queues: Faulty::new(self.queues.clone().with_bug(self.bug), hand.clone()),
            gateway: Faulty::new(Management { shared: self.shared.clone(), task, mistake: self.mistake }, hand.clone()),
            topic: Faulty::new(self.topic.clone(), hand.clone()),
            clock,
            chance: self.chance.clone(),
            deadline: Deadline::at(own_end),
            hand,
        }
    }
}

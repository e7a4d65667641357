//! The hand that is on every call a function makes: lets it wait, fail, or never come back.

use std::future::{Future, pending};
use std::time::Duration;

use domain::Timestamp;
use domain::ports::Clock;
use testkit::clock::TurnedClock;
use testkit::faults::{Call, Decide, Fault as Failure, How, Operation};

use crate::core::{Core, Point, Shared};
use crate::executor::TaskId;
use crate::faults::Fault;
use crate::mistaken::Current;

/// Of one invocation.
#[derive(Clone)]
pub(crate) struct Hand {
    /// The run.
    pub(crate) shared: Shared,
    /// Which invocation.
    pub(crate) task: Current,
    /// Of which function.
    pub(crate) function: &'static str,
}

/// A call takes up to this long, half of it before it takes effect.
const LATENCY_MS: u64 = 8;
/// Some take longer: this share of them, up to so long each way.
const SLOW: f64 = 0.03;
const SLOW_MS: u64 = 80;

impl Hand {
    /// A function that calls nobody is about to answer, or has.
    pub(crate) async fn answers(&self, after: bool) {
        self.point(None, after).await;
    }

    async fn point(&self, operation: Option<Operation>, after: bool) {
        let point = Point { function: self.function, operation, after };
        let (killed, pause_ms) = {
            let mut core = self.shared.lock();
            let killed = core.arrive(&point, self.task.get());
            let tail = core.dice.happens(SLOW);
            (killed, core.dice.below(if tail { SLOW_MS } else { LATENCY_MS / 2 }))
        };
        if killed {
            pending::<()>().await;
        }
        // At least the others have their turn.
        self.shared.clock.sleep(Duration::from_millis(pause_ms.max(1))).await;
    }
}

impl Core {
    /// An invocation has come to a point: whether it is killed there.
    fn arrive(&mut self, point: &Point, task: TaskId) -> bool {
        let name = point.name();
        let (seen, _) = self.points.entry(name.clone()).or_default();
        *seen += 1;
        let seen = *seen;
        // The reaper has most to do when everything else is over.
        let may = self.faults.may_kill() || (point.function == "reaper" && !self.faults.is_calm());
        let targeted = may && self.targets.get(&name).is_some_and(|nth| seen == *nth);
        let where_ = || name.clone();
        let post = point.operation == Some(Operation::Post);
        let killed =
            targeted || (post && self.fires(Fault::Aborted, where_)) || (!post && self.fires(Fault::Killed, where_));
        if killed {
            if targeted {
                self.faults.note(if post { Fault::Aborted } else { Fault::Killed });
            }
            self.tell(|| format!("killed at {name}"));
            self.kills.push(task);
        }
        let hangs = !killed && self.fires(Fault::TimedOut, || name.clone());
        if hangs {
            self.hanging.insert(task);
        }
        if killed || hangs {
            self.points.entry(name).or_default().1 += 1;
        }
        killed || hangs
    }

    /// How a call of a function fails, if it does.
    fn failure(&mut self, function: &str, operation: Operation) -> Failure {
        use Operation as O;
        let where_ = || format!("{function} {operation:?}");
        let index = matches!(operation, O::Page | O::Count | O::Silent | O::Expired);
        let transaction = matches!(operation, O::Append | O::Join | O::Open | O::Extend);
        let write = transaction
            || matches!(operation, O::Bury | O::Touch | O::Standing | O::Charge | O::Create | O::Grow | O::MarkSent)
            || matches!(operation, O::WritePresence | O::Renew | O::NoteRoomBusy | O::MarkDelivered | O::TakeBack)
            || matches!(operation, O::Hold | O::PassGate | O::Release);
        let read = matches!(operation, O::Find | O::RoomsOf | O::MembersAmong | O::Holdings | O::Head | O::Heads)
            || matches!(operation, O::Known | O::Log | O::LogBackwards | O::Occupants | O::Devices | O::Presence)
            || matches!(operation, O::MembersCounted | O::RoomBusyUntil | O::Delivered | O::Intakes);
        let queue =
            matches!(operation, O::Submit | O::Dispatch | O::CheckAfter | O::RetryAfter | O::Tell | O::BuryLetter);
        let posts = matches!(operation, O::Post | O::Probe | O::Close);
        if !posts && self.fires(Fault::Refused, where_) {
            return Failure::Before(How::Refused);
        }
        if operation == O::Dispatch && self.fires(Fault::SendHalfFailed, where_) {
            return Failure::Halfway(How::Unavailable);
        }
        if operation == O::Leave && self.fires(Fault::Unprocessed, where_) {
            return Failure::Halfway(How::Unavailable);
        }
        if transaction && self.fires(Fault::Conflict, where_) {
            return Failure::Before(How::Unavailable);
        }
        if index && self.fires(Fault::IndexThrottled, where_) {
            return Failure::Before(How::Throttled);
        }
        if (write || read || operation == O::Leave) && self.fires(Fault::TableThrottled, where_) {
            return Failure::Before(How::Throttled);
        }
        if (write || queue || operation == O::Leave) && self.fires(Fault::UnknownOutcome, where_) {
            return Failure::After(How::Unavailable);
        }
        if (write || read || index || queue) && self.fires(Fault::ServerError, where_) {
            return Failure::Before(How::Unavailable);
        }
        Failure::Pass
    }
}

impl Decide for Hand {
    fn decide(&self, call: Call) -> Failure {
        let mut core = self.shared.lock();
        let failure = core.failure(self.function, call.operation);
        if failure != Failure::Pass {
            core.disturbed.insert(self.task.get());
            if failure == Failure::Before(How::Refused) {
                core.wire.refused(self.task.get());
            }
            // Where it is not known how far a shard is, all of a job is posted.
            let unknown = call.operation == Operation::Delivered && failure == Failure::Before(How::Refused);
            if call.operation == Operation::MarkDelivered || unknown {
                core.wire.not_noted(self.task.get());
            }
        }
        failure
    }

    fn before(&self, call: Call) -> impl Future<Output = ()> + Send {
        self.point(Some(call.operation), false)
    }

    fn after(&self, call: Call) -> impl Future<Output = ()> + Send {
        self.shared.lock().appended |= call.operation == Operation::Append;
        self.point(Some(call.operation), true)
    }
}

/// A function's own clock, which is a little off.
#[derive(Debug, Clone)]
pub(crate) struct OwnClock {
    clock: TurnedClock,
    ahead: Duration,
    behind: Duration,
}

impl OwnClock {
    /// The run's clock, so much ahead and so much behind.
    #[must_use]
    pub(crate) fn new(clock: TurnedClock, ahead: Duration, behind: Duration) -> Self {
        Self { clock, ahead, behind }
    }

    /// Whether it is neither ahead nor behind.
    #[must_use]
    pub(crate) fn is_right(&self) -> bool {
        self.ahead.is_zero() && self.behind.is_zero()
    }
}

impl Clock for OwnClock {
    fn now(&self) -> Timestamp {
        self.clock.now().plus(self.ahead).minus(self.behind)
    }

    fn sleep(&self, pause: Duration) -> impl Future<Output = ()> + Send {
        self.clock.sleep(pause)
    }
}

//! Intercepts every port call of a function, to delay it, to make it fail, or to kill the
//! invocation there.

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

/// The interceptor of one process.
#[derive(Clone)]
pub(crate) struct Hand {
    /// The state that the whole run shares.
    pub(crate) shared: Shared,
    /// The invocation that the process serves.
    pub(crate) task: Current,
    /// The name of the function.
    pub(crate) function: &'static str,
}

/// The longest usual time of a call, in milliseconds; half of it passes before the call takes
/// effect.
const LATENCY_MS: u64 = 8;
/// The share of slow calls; they take up to `SLOW_MS` before the effect, and again after it.
const SLOW: f64 = 0.03;
const SLOW_MS: u64 = 80;
/// The share of refused calls after which all calls of their kind are refused, for up to
/// `NO_GRANT_MS`. A message is given up at the third receive, after 1.5 s.
const GRANT_IS_MISSING: f64 = 0.3;
const NO_GRANT_MS: u64 = 6_000;

impl Hand {
    /// Passes the point at which a function that makes no port calls returns its answer.
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
        // The shortest pause, so that other tasks make steps in between.
        self.shared.clock.sleep(Duration::from_millis(pause_ms.max(1))).await;
    }
}

impl Core {
    /// Records that an invocation has reached a point. Returns whether it is killed there.
    fn arrive(&mut self, point: &Point, task: TaskId) -> bool {
        let name = point.name();
        let (seen, _) = self.points.entry(name.clone()).or_default();
        *seen += 1;
        let seen = *seen;
        // The reaper has most of its work after all faults have ended.
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

    /// Draws whether a call is refused. Behind a queue or a stream the same call may then be
    /// refused for some seconds, so that messages become dead letters. A client that is refused
    /// for so long gives up.
    fn refuses(&mut self, function: &'static str, operation: Operation) -> bool {
        let (now, grant) = (self.now, (function, operation));
        if !self.faults.is_healed() && self.no_grant_until.get(&grant).is_some_and(|until| *until > now) {
            self.faults.note(Fault::Refused);
            return true;
        }
        let refuses = self.fires(Fault::Refused, || format!("{function} {operation:?}"));
        let serves_clients = matches!(function, "connect" | "ingest" | "membership");
        if refuses && !serves_clients && self.dice.happens(GRANT_IS_MISSING) {
            let until = now.plus(Duration::from_millis(self.dice.within(1, NO_GRANT_MS)));
            self.tell(|| format!("{function} {operation:?} is refused from now on for a while"));
            self.no_grant_until.insert(grant, until);
        }
        refuses
    }

    /// Draws how a port call fails, if it fails.
    fn failure(&mut self, function: &'static str, operation: Operation) -> Failure {
        use Operation as O;
        let where_ = || format!("{function} {operation:?}");
        let index = matches!(operation, O::Page | O::Count | O::Silent | O::Expired);
        let transaction = matches!(operation, O::Append | O::Join | O::Open | O::Extend);
        let write = transaction
            || matches!(operation, O::Bury | O::Touch | O::Charge | O::ChargeUser | O::Create | O::Grow | O::MarkSent)
            || matches!(operation, O::WritePresence | O::Renew | O::NoteRoomBusy | O::MarkDelivered | O::TakeBack)
            || matches!(operation, O::Hold | O::PassGate | O::Release | O::Ban);
        let read = matches!(operation, O::Find | O::RoomsOf | O::MembersAmong | O::Holdings | O::Head | O::Heads)
            || matches!(operation, O::Known | O::Log | O::LogBackwards | O::Occupants | O::Devices | O::Presence)
            || matches!(operation, O::MembersCounted | O::RoomLoad | O::Delivered | O::Intakes)
            || matches!(operation, O::BansOf | O::BansSince);
        let queue =
            matches!(operation, O::Submit | O::Dispatch | O::CheckAfter | O::RetryAfter | O::Tell | O::BuryLetter);
        // A refused post has no outcome of its own: it is F36.
        if operation != O::Post && self.refuses(function, operation) {
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
                core.refused.entry(self.task.get()).or_default().push(call.operation);
            }
            // If the progress of a shard cannot be read, the whole job is posted.
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

/// The clock of a process, which may be wrong by some time.
#[derive(Debug, Clone)]
pub(crate) struct OwnClock {
    clock: TurnedClock,
    ahead: Duration,
    behind: Duration,
}

impl OwnClock {
    /// The clock of the run, moved ahead and behind by these times.
    #[must_use]
    pub(crate) fn new(clock: TurnedClock, ahead: Duration, behind: Duration) -> Self {
        Self { clock, ahead, behind }
    }

    /// Reports whether the clock shows the time of the run.
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

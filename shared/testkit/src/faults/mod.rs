//! A wrapper of any port that makes calls fail before or after their effect.

mod plan;
mod ports;
mod presence;

use std::collections::HashMap;
use std::future::{Future, pending, ready};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use domain::ports::{Error, Result};

pub use plan::{Plan, Sometimes};

/// A port whose calls fail as `F` decides. It implements every port that `P` implements; the clock
/// and chance never fail. Clones share the count of calls.
///
/// ```
/// use testkit::faults::{Fault, Faulty, How, Operation, Plan};
///
/// let world = testkit::World::new();
/// // The first append is stored, and its answer lost.
/// let plan = Plan::new().nth(Operation::Append, 1, Fault::After(How::Unavailable));
/// let rooms = Faulty::new(world.store.clone(), plan);
/// # let _ = rooms;
/// ```
#[derive(Debug)]
pub struct Faulty<P, F> {
    port: P,
    decide: Arc<F>,
    calls: Arc<Mutex<HashMap<Operation, u32>>>,
}

/// The treatment of one call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The call succeeds or fails as it would without the wrapper.
    Pass,
    /// The call fails and has no effect.
    Before(How),
    /// The call fails, and the first half of its list has taken effect: jobs to dispatch, rooms to
    /// leave, to take back or to extend, activities to report. Other calls are one write, and have
    /// no effect.
    Halfway(How),
    /// The call fails although it has taken effect: its outcome is unknown to the caller.
    After(How),
}

/// The error of a failed call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum How {
    /// The error [`Error::Unavailable`]; for a post `Failed`.
    Unavailable,
    /// The error [`Error::Throttled`]; for a post and a probe `Throttled`.
    Throttled,
    /// The error [`Error::Refused`]; for a post `Failed`.
    Refused,
    /// No answer: the caller hangs until it is dropped, like a function that is killed at this
    /// point.
    NoAnswer,
}

/// Decides how calls fail. Every `Fn(Call) -> Fault` implements it.
pub trait Decide: Send + Sync {
    /// The treatment of this call.
    fn decide(&self, call: Call) -> Fault;

    /// Runs before the call: it may take time, or never return.
    fn before(&self, _: Call) -> impl Future<Output = ()> + Send {
        ready(())
    }

    /// Runs after the effect or the failure of the call, before the caller gets the result.
    fn after(&self, _: Call) -> impl Future<Output = ()> + Send {
        ready(())
    }
}

/// A call that is about to be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Call {
    /// The operation of the call.
    pub operation: Operation,
    /// The number of the call among those of its operation, from 1.
    pub number: u32,
}

impl<F: Fn(Call) -> Fault + Send + Sync> Decide for F {
    fn decide(&self, call: Call) -> Fault {
        self(call)
    }
}

macro_rules! operations {
    ($($port:ident { $($operation:ident)+ })+) => {
        /// Every operation of every port that can fail.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Operation {
            $($(
                #[doc = concat!("Of [`domain::ports::", stringify!($port), "`].")]
                $operation,
            )+)+
        }

        impl Operation {
            /// All operations, in the order of their ports.
            pub const ALL: &[Self] = &[$($(Self::$operation,)+)+];

            /// The name of the operation in errors.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self {
                    $($(Self::$operation => concat!("faulty ", stringify!($port), "::", stringify!($operation)),)+)+
                }
            }
        }
    };
}
operations! {
    Bans { Ban BansOf BansSince }
    Charges { Charge ChargeUser RoomLoad NoteRoomBusy }
    Connections { Open Find Touch Bury Silent }
    Directory { Enlist Delist EntriesOf }
    Holds { Intakes Hold PassGate Release }
    Memberships { Join TakeBack Leave RoomsOf Page Count MembersAmong }
    Renewals { Renew Holdings Extend }
    Expiries { Expired }
    Rooms { Head Heads Create Keep Grow Known Logged ForgetIds Append MarkSent Delivered MarkDelivered Log LogBackwards }
    Submissions { Submit }
    DeadLetters { BuryLetter }
    Jobs { Dispatch }
    Retries { RetryAfter }
    Gateway { Post Probe Close }
    Rosters { Occupants Devices }
    Presences { Presence WritePresence MembersCounted }
    Checks { CheckAfter }
    Activities { Tell }
}

impl<P, F: Decide> Faulty<P, F> {
    /// Wraps a port, whose calls fail as `decide` decides.
    pub fn new(port: P, decide: F) -> Self {
        Self { port, decide: Arc::new(decide), calls: Arc::default() }
    }

    /// The wrapped port, which never fails.
    pub fn port(&self) -> &P {
        &self.port
    }

    /// The number of calls of an operation, with or without effect.
    #[must_use]
    pub fn calls(&self, operation: Operation) -> u32 {
        self.lock().get(&operation).copied().unwrap_or_default()
    }

    /// Counts a call and decides its treatment.
    async fn begin(&self, operation: Operation) -> (Call, Fault) {
        let number = {
            let mut calls = self.lock();
            let number = calls.entry(operation).or_default();
            *number += 1;
            *number
        };
        let call = Call { operation, number };
        self.decide.before(call).await;
        (call, self.decide.decide(call))
    }

    /// Makes a whole call, half of it, or none, as decided.
    async fn call<T>(
        &self,
        operation: Operation,
        whole: impl Future<Output = Result<T>>,
        half: impl Future<Output = Result<T>>,
    ) -> Result<T> {
        let (call, fault) = self.begin(operation).await;
        let answer = match fault {
            Fault::Pass => whole.await,
            Fault::Before(how) => how.fail(operation).await,
            Fault::Halfway(how) => match half.await {
                Ok(_) => how.fail(operation).await,
                failed => failed,
            },
            Fault::After(how) => match whole.await {
                Ok(_) => how.fail(operation).await,
                failed => failed,
            },
        };
        self.decide.after(call).await;
        answer
    }

    /// Makes a call that is one write or one read.
    async fn call_at_once<T>(&self, operation: Operation, call: impl Future<Output = Result<T>>) -> Result<T> {
        let (made, fault) = self.begin(operation).await;
        let answer = match fault {
            Fault::Pass => call.await,
            Fault::Before(how) | Fault::Halfway(how) => how.fail(operation).await,
            Fault::After(how) => match call.await {
                Ok(_) => how.fail(operation).await,
                failed => failed,
            },
        };
        self.decide.after(made).await;
        answer
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Operation, u32>> {
        self.calls.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<P: Clone, F> Clone for Faulty<P, F> {
    fn clone(&self) -> Self {
        Self { port: self.port.clone(), decide: Arc::clone(&self.decide), calls: Arc::clone(&self.calls) }
    }
}

impl How {
    async fn fail<T>(self, operation: Operation) -> Result<T> {
        let operation = operation.as_str();
        let source = "a fault of the test".into();
        Err(match self {
            Self::Unavailable => Error::Unavailable { operation, source },
            Self::Throttled => Error::Throttled { operation },
            Self::Refused => Error::Refused { operation, source },
            Self::NoAnswer => return pending().await,
        })
    }
}

//! A wrapper over any port that lets calls fail before or after their effect.

mod plan;
mod ports;
mod presence;

use std::collections::HashMap;
use std::future::{Future, pending, ready};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use domain::ports::{Error, Result};

pub use plan::{Plan, Sometimes};

/// A port whose calls fail as `F` decides. It implements every port that `P` implements; time and chance never fail.
/// Clones share the count of calls.
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

/// What happens to a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// Nothing: it goes through.
    Pass,
    /// It fails and has no effect.
    Before(How),
    /// It fails, and the first half of a list has taken effect: of the jobs to dispatch, of the rooms to leave, to take
    /// back or to extend, of what to tell. Other calls are one write, and have no effect.
    Halfway(How),
    /// It fails, and has taken effect all the same: what came of it is unknown to the caller.
    After(How),
}

/// How a call fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum How {
    /// With [`Error::Unavailable`]; a post with `Failed`.
    Unavailable,
    /// With [`Error::Throttled`]; a post and a probe with `Throttled`.
    Throttled,
    /// With [`Error::Refused`]; a post with `Failed`.
    Refused,
    /// Never: the caller hangs until it is dropped, like a function that is killed at this very point.
    NoAnswer,
}

/// Decides what happens to a call. Every `Fn(Call) -> Fault` does.
pub trait Decide: Send + Sync {
    /// What happens to this call.
    fn decide(&self, call: Call) -> Fault;

    /// What happens before it is made: it may take its time, or never come to be.
    fn before(&self, _: Call) -> impl Future<Output = ()> + Send {
        ready(())
    }

    /// What happens after it took effect, or failed, and before the caller knows.
    fn after(&self, _: Call) -> impl Future<Output = ()> + Send {
        ready(())
    }
}

/// A call that is about to be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Call {
    /// Of which operation.
    pub operation: Operation,
    /// How manieth of it, from 1.
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
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Operation {
            $($(
                #[doc = concat!("Of [`domain::ports::", stringify!($port), "`].")]
                $operation,
            )+)+
        }

        impl Operation {
            /// Every one of them.
            pub const ALL: &[Self] = &[$($(Self::$operation,)+)+];

            /// As errors name it.
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
    Charges { Charge RoomBusyUntil NoteRoomBusy }
    Connections { Open Find Touch Bury Silent }
    Directory { Enlist ConnectionsOf }
    Holds { Intakes Hold PassGate Release }
    Memberships { Join TakeBack Leave RoomsOf Page Count MembersAmong }
    Renewals { Standing Renew Holdings Extend }
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
    /// Wraps a port.
    pub fn new(port: P, decide: F) -> Self {
        Self { port, decide: Arc::new(decide), calls: Arc::default() }
    }

    /// The port inside, which never fails.
    pub fn port(&self) -> &P {
        &self.port
    }

    /// How often an operation was called, with or without effect.
    #[must_use]
    pub fn calls(&self, operation: Operation) -> u32 {
        self.lock().get(&operation).copied().unwrap_or_default()
    }

    /// Counts a call, and says what happens to it.
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

    /// Makes a call, or half of it, or none, as decided.
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

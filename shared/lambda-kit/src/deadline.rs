//! The time that an invocation has left.

use std::pin::pin;
use std::time::Duration;

use domain::Timestamp;
use domain::ports::Clock;
use futures::future::{Either, select};

/// The moment when Lambda kills the invocation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Deadline(Timestamp);

impl Deadline {
    /// Creates a deadline at this moment.
    #[must_use]
    pub const fn at(moment: Timestamp) -> Self {
        Self(moment)
    }

    /// Returns the time that is left, if `reserve` is kept for the end of the work.
    #[must_use]
    pub fn left(self, now: Timestamp, reserve: Duration) -> Duration {
        self.0.minus(reserve).since(now)
    }

    /// Runs `work`, but no longer than until `reserve` before the deadline; `None` if it was not
    /// done by then.
    pub async fn cut<T>(self, clock: &impl Clock, reserve: Duration, work: impl Future<Output = T>) -> Option<T> {
        let end = pin!(clock.sleep(self.left(clock.now(), reserve)));
        match select(pin!(work), end).await {
            Either::Left((done, _)) => Some(done),
            Either::Right(_) => None,
        }
    }
}

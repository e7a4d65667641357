//! A standard queue whose messages come after a delay.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use domain::Timestamp;
use domain::ports::Clock;

use crate::clock::TurnedClock;

/// A standard queue in memory, of typed messages: a message that is taken is deleted. Clones are
/// the same queue.
#[derive(Debug)]
pub struct Delayed<T> {
    clock: TurnedClock,
    waiting: Arc<Mutex<Vec<(Timestamp, T)>>>,
}

impl<T: Clone> Delayed<T> {
    /// An empty queue.
    #[must_use]
    pub fn new(clock: TurnedClock) -> Self {
        Self { clock, waiting: Arc::default() }
    }

    /// Queues a message that can be taken after `delay`, rounded up to whole seconds as in SQS.
    pub fn send(&self, body: T, delay: Duration) {
        let delay = Duration::from_secs(u64::try_from(delay.as_millis().div_ceil(1_000)).unwrap_or(u64::MAX));
        let due = self.clock.now().plus(delay);
        self.lock().push((due, body));
    }

    /// Takes all messages that are due, in the order of their times.
    #[must_use]
    pub fn take(&self) -> Vec<T> {
        let now = self.clock.now();
        let mut waiting = self.lock();
        let (mut due, rest): (Vec<_>, Vec<_>) = waiting.drain(..).partition(|(at, _)| *at <= now);
        *waiting = rest;
        due.sort_by_key(|(at, _)| *at);
        due.into_iter().map(|(_, body)| body).collect()
    }

    /// The waiting messages, with the times at which they can be taken, in the order in which they
    /// were queued.
    #[must_use]
    pub fn waiting(&self) -> Vec<(Timestamp, T)> {
        self.lock().clone()
    }

    fn lock(&self) -> MutexGuard<'_, Vec<(Timestamp, T)>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T> Clone for Delayed<T> {
    fn clone(&self) -> Self {
        Self { clock: self.clock.clone(), waiting: Arc::clone(&self.waiting) }
    }
}

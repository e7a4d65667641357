//! A clock that the test turns.

use std::collections::BTreeMap;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use domain::Timestamp;
use domain::ports::Clock;

/// A clock whose time passes only when the test turns it, or, with [`Turning::ByItself`], only when
/// all tasks wait for it. It needs no runtime; clones are the same clock.
#[derive(Debug, Clone)]
pub struct TurnedClock(Arc<Mutex<State>>);

/// The way in which a clock is turned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Turning {
    /// The test turns it, with [`TurnedClock::advance`].
    ByHand,
    /// The shortest sleep turns it, once no other task reads the clock any more. A sleep takes no
    /// real time, and simultaneous sleeps end at the same time.
    ByItself,
}

#[derive(Debug)]
struct State {
    now: Timestamp,
    turning: Turning,
    sleepers: BTreeMap<u64, Sleeper>,
    next_sleeper: u64,
    watchers: Vec<Waker>,
    /// The number of reads of the time: while it grows, some task works and does not sleep.
    looks: u64,
}

#[derive(Debug)]
struct Sleeper {
    until: Timestamp,
    waker: Waker,
}

impl TurnedClock {
    /// A clock that shows `now`.
    #[must_use]
    pub fn new(now: Timestamp, turning: Turning) -> Self {
        Self(Arc::new(Mutex::new(State {
            now,
            turning,
            sleepers: BTreeMap::new(),
            next_sleeper: 0,
            watchers: Vec::new(),
            looks: 0,
        })))
    }

    /// Turns the clock forward and ends the sleeps that are due by then.
    pub fn advance(&self, by: Duration) {
        let mut state = self.lock();
        state.now = state.now.plus(by);
        state.wake_sleepers();
    }

    /// Sets the clock to any time, also back: real clocks do run backwards.
    pub fn set(&self, now: Timestamp) {
        let mut state = self.lock();
        state.now = now;
        state.wake_sleepers();
    }

    /// Changes the way in which the clock is turned.
    pub fn turned(&self, turning: Turning) {
        let mut state = self.lock();
        state.turning = turning;
        state.wake_sleepers();
    }

    /// Returns once at least `count` sleepers wait: the test may turn the clock after that and
    /// reach all of them.
    pub async fn wait_for_sleepers(&self, count: usize) {
        poll_fn(|context| {
            let mut state = self.lock();
            if state.sleepers.len() >= count {
                return Poll::Ready(());
            }
            state.watchers.push(context.waker().clone());
            Poll::Pending
        })
        .await;
    }

    /// The end of the sleep that ends first.
    #[must_use]
    pub fn next_wakeup(&self) -> Option<Timestamp> {
        self.lock().sleepers.values().map(|sleeper| sleeper.until).min()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Clock for TurnedClock {
    fn now(&self) -> Timestamp {
        let mut state = self.lock();
        state.looks += 1;
        state.now
    }

    fn sleep(&self, pause: Duration) -> impl Future<Output = ()> + Send {
        Sleep { until: self.now().plus(pause), clock: self.clone(), place: None, looks: None }
    }
}

impl State {
    /// Wakes the sleepers that are due or, if the shortest sleep turns the clock, all sleepers.
    fn wake_sleepers(&self) {
        let by_itself = self.turning == Turning::ByItself;
        let due = self.sleepers.values().filter(|sleeper| by_itself || sleeper.until <= self.now);
        due.for_each(|sleeper| sleeper.waker.wake_by_ref());
    }

    /// Stores a sleeper, or its new waker.
    fn note(&mut self, place: Option<u64>, sleeper: Sleeper) -> u64 {
        let place = place.unwrap_or(self.next_sleeper);
        self.next_sleeper = self.next_sleeper.max(place + 1);
        self.sleepers.insert(place, sleeper);
        self.watchers.drain(..).for_each(Waker::wake);
        place
    }

    fn forget(&mut self, place: Option<u64>) {
        if place.is_some_and(|place| self.sleepers.remove(&place).is_some()) {
            self.wake_sleepers();
        }
    }

    fn sleeps_shortest(&self, until: Timestamp) -> bool {
        self.sleepers.values().all(|sleeper| until <= sleeper.until)
    }
}

struct Sleep {
    clock: TurnedClock,
    until: Timestamp,
    /// Its place among the sleepers, after the first poll.
    place: Option<u64>,
    /// The number of reads of the time at its last poll as the shortest sleep.
    looks: Option<u64>,
}

impl Future for Sleep {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let Self { until, place, looks, .. } = *self;
        let clock = self.clock.clone();
        let mut state = clock.lock();
        let by_itself = state.turning == Turning::ByItself;
        let is_shortest = by_itself && place.is_some() && state.sleeps_shortest(until);
        if is_shortest && looks == Some(state.looks) {
            state.now = state.now.max(until);
        }
        if state.now >= until {
            state.forget(place);
            self.place = None;
            return Poll::Ready(());
        }
        let waker = context.waker().clone();
        if by_itself && (place.is_none() || is_shortest) {
            // All other tasks run first: they may begin shorter sleeps.
            self.looks = is_shortest.then_some(state.looks);
            waker.wake_by_ref();
        }
        self.place = Some(state.note(place, Sleeper { until, waker }));
        Poll::Pending
    }
}

impl Drop for Sleep {
    fn drop(&mut self) {
        self.clock.lock().forget(self.place);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::future::{Either, join, join_all, select};
    use std::pin::pin;

    const START: Timestamp = Timestamp::from_ms(1_000);

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    #[tokio::test]
    async fn a_sleep_ends_when_the_test_has_turned_the_clock_far_enough() {
        let clock = TurnedClock::new(START, Turning::ByHand);
        let mut sleep = pin!(clock.sleep(ms(100)));
        assert!(futures::poll!(&mut sleep).is_pending());
        clock.advance(ms(99));
        assert!(futures::poll!(&mut sleep).is_pending());
        clock.advance(ms(1));
        sleep.await;
        assert_eq!(clock.now(), START.plus(ms(100)));
    }

    #[tokio::test]
    async fn the_test_can_wait_until_somebody_sleeps() {
        let clock = TurnedClock::new(START, Turning::ByHand);
        let sleepers = join_all((1..=3).map(|n| clock.sleep(ms(n))));
        let turn = async {
            clock.wait_for_sleepers(3).await;
            clock.advance(ms(3));
        };
        join(sleepers, turn).await;
        assert!(clock.lock().sleepers.is_empty());
    }

    #[tokio::test]
    async fn by_itself_it_moves_to_the_end_of_the_shortest_sleep() {
        let clock = TurnedClock::new(START, Turning::ByItself);
        let woken = Mutex::new(Vec::new());
        let sleep = async |pause: u64| {
            clock.sleep(ms(pause)).await;
            woken.lock().unwrap().push((pause, clock.now()));
        };
        join_all([sleep(30), sleep(10), sleep(20), sleep(10)]).await;
        let at = |pause: u64| (pause, START.plus(ms(pause)));
        assert_eq!(*woken.lock().unwrap(), [at(10), at(10), at(20), at(30)]);
    }

    #[tokio::test]
    async fn by_itself_a_timeout_does_not_pass_before_work_that_is_ready() {
        let clock = TurnedClock::new(START, Turning::ByItself);
        let work = pin!(async { clock.sleep(ms(5)).await });
        let timeout = pin!(clock.sleep(ms(400)));
        assert!(matches!(select(timeout, work).await, Either::Right(_)));
        assert_eq!(clock.now(), START.plus(ms(5)));
    }

    #[tokio::test]
    async fn by_itself_a_long_timeout_does_not_pass_before_work_that_yields_again_and_again() {
        let clock = TurnedClock::new(START, Turning::ByItself);
        let work = pin!(async {
            for _ in 0..100 {
                tokio::task::yield_now().await;
                clock.now();
            }
        });
        let timeout = pin!(clock.sleep(ms(400)));
        assert!(matches!(select(work, timeout).await, Either::Left(_)));
        assert_eq!(clock.now(), START);
    }

    #[tokio::test]
    async fn a_sleep_given_up_holds_nobody_back() {
        let clock = TurnedClock::new(START, Turning::ByItself);
        let mut short = Box::pin(clock.sleep(ms(1)));
        assert!(futures::poll!(&mut short).is_pending());
        let long = tokio::spawn({
            let clock = clock.clone();
            async move { clock.sleep(ms(9)).await }
        });
        clock.wait_for_sleepers(2).await;
        drop(short);
        long.await.unwrap();
        assert_eq!(clock.now(), START.plus(ms(9)));
    }
}

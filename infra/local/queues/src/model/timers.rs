//! The times at which messages become visible: a heap of timers, most of which are outdated before
//! they are due.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use tokio::time::Instant;

/// With fewer timers, outdated ones are not removed, because the search is not worth its cost.
const COMPACT_ABOVE: usize = 1024;

/// A timer of one message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Timer {
    pub(crate) due: Instant,
    /// Sequence of the message.
    pub(crate) sequence: u64,
    /// The receipt whose visibility ends, or 0 for a delay.
    pub(crate) receipt: u64,
}

/// Timers, the earliest first.
#[derive(Debug, Default)]
pub(crate) struct Timers {
    heap: BinaryHeap<Reverse<Timer>>,
}

impl Timers {
    /// Adds a timer. `live` is the number of timers that can still have an effect; `is_live`
    /// identifies them.
    pub(crate) fn add(&mut self, timer: Timer, live: usize, is_live: impl Fn(&Timer) -> bool) {
        if self.heap.len() > COMPACT_ABOVE.max(2 * live) {
            self.heap.retain(|Reverse(timer)| is_live(timer));
        }
        self.heap.push(Reverse(timer));
    }

    /// Removes and returns the next timer that is due, even if it is outdated.
    pub(crate) fn pop_due(&mut self, now: Instant) -> Option<Timer> {
        if self.heap.peek()?.0.due > now {
            return None;
        }
        self.heap.pop().map(|Reverse(timer)| timer)
    }

    /// Returns the earliest due time of a timer that can still have an effect.
    pub(crate) fn next_due(&mut self, is_live: impl Fn(&Timer) -> bool) -> Option<Instant> {
        loop {
            let earliest = self.heap.peek()?.0;
            if is_live(&earliest) {
                return Some(earliest.due);
            }
            self.heap.pop();
        }
    }

    pub(crate) fn clear(&mut self) {
        self.heap.clear();
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn outdated_timers_do_not_pile_up() {
        let now = Instant::now();
        let mut timers = Timers::default();
        for sequence in 0..100_000 {
            let due = now + Duration::from_secs(30);
            timers.add(Timer { due, sequence, receipt: 1 }, 10, |timer| timer.sequence > 99_990);
        }
        assert!(timers.heap.len() <= 2 * COMPACT_ABOVE, "{}", timers.heap.len());
    }

    #[test]
    fn the_earliest_live_timer_is_the_next() {
        let now = Instant::now();
        let mut timers = Timers::default();
        for (sequence, seconds) in [(1, 1), (2, 2), (3, 3)] {
            timers.add(Timer { due: now + Duration::from_secs(seconds), sequence, receipt: 0 }, 3, |_| true);
        }
        assert_eq!(timers.next_due(|timer| timer.sequence != 1), Some(now + Duration::from_secs(2)));
        assert_eq!(timers.pop_due(now + Duration::from_secs(2)).map(|timer| timer.sequence), Some(2));
        assert_eq!(timers.pop_due(now + Duration::from_secs(2)), None);
    }
}

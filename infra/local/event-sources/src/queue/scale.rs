//! Computes the number of pollers of a queue from the results of their turns. Pure.
//!
//! AWS starts with five pollers and adds 300 a minute while all are busy. It keeps two when there
//! are no messages. It backs off when invocations fail, unless the function reports the records
//! that failed.

use crate::settings::Pace;

/// The result of one turn of a poller.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Turn {
    /// There were no messages.
    Nothing,
    /// The function processed the messages.
    Done,
    /// The function failed, or was throttled until the messages became visible again.
    Failed,
}

#[derive(Debug)]
pub(super) struct Scale {
    allowed: u32,
    at_start: u32,
    when_idle: u32,
    per_second: u32,
    maximum: u32,
    ignores_failures: bool,
}

impl Scale {
    pub(super) fn new(pace: &Pace, maximum: u32, ignores_failures: bool) -> Self {
        let at_start = pace.queue_pollers_at_start.clamp(1, maximum);
        let when_idle = pace.queue_pollers_when_idle.clamp(1, at_start);
        let per_second = pace.queue_pollers_per_second;
        Self { allowed: at_start, at_start, when_idle, per_second, maximum, ignores_failures }
    }

    /// Returns the number of pollers that may run now.
    pub(super) fn allowed(&self) -> u32 {
        self.allowed
    }

    pub(super) fn turn(&mut self, turn: Turn, busy: u32) {
        match turn {
            Turn::Nothing if busy == 0 => self.allowed = (self.allowed - 1).max(self.when_idle.min(self.allowed)),
            Turn::Nothing => {}
            Turn::Done => self.allowed = self.allowed.max((self.allowed + 1).min(self.at_start)),
            Turn::Failed if self.ignores_failures => {}
            Turn::Failed => self.allowed = (self.allowed / 2).max(1),
        }
    }

    pub(super) fn second(&mut self, busy: u32) {
        if busy >= self.allowed {
            self.allowed = self.allowed.saturating_add(self.per_second).min(self.maximum);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scale(maximum: u32) -> Scale {
        Scale::new(&Pace::default(), maximum, false)
    }

    #[test]
    fn a_queue_starts_with_five_pollers_and_grows_by_five_a_second_while_all_are_busy() {
        let mut scale = scale(12);
        let mut seen = vec![scale.allowed()];
        for busy in [4, 5, 10, 12] {
            scale.second(busy);
            seen.push(scale.allowed());
        }
        assert_eq!(seen, [5, 5, 10, 12, 12]);
    }

    #[test]
    fn it_never_exceeds_the_maximum_concurrency() {
        assert_eq!(scale(2).allowed(), 2);
    }

    #[test]
    fn it_falls_to_two_pollers_when_nothing_comes_and_recovers_with_the_first_messages() {
        let mut scale = scale(100);
        for _ in 0..9 {
            scale.turn(Turn::Nothing, 0);
        }
        assert_eq!(scale.allowed(), 2);
        for _ in 0..9 {
            scale.turn(Turn::Done, 1);
        }
        assert_eq!(scale.allowed(), 5);
    }

    #[test]
    fn it_backs_off_when_the_function_fails_but_never_stops() {
        let mut scale = scale(100);
        for expected in [2, 1, 1] {
            scale.turn(Turn::Failed, 1);
            assert_eq!(scale.allowed(), expected);
        }
        scale.turn(Turn::Done, 1);
        assert_eq!(scale.allowed(), 2);
    }

    #[test]
    fn it_does_not_back_off_when_failures_are_reported_by_record() {
        let mut scale = Scale::new(&Pace::default(), 100, true);
        scale.turn(Turn::Failed, 1);
        assert_eq!(scale.allowed(), 5);
    }

    #[test]
    fn a_busy_queue_that_grew_is_not_shrunk_by_success() {
        let mut scale = scale(100);
        scale.second(5);
        scale.turn(Turn::Done, 5);
        assert_eq!(scale.allowed(), 10);
    }
}

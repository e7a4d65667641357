//! Conflicts with transactions: the pause before a refused call is repeated.

use std::time::Duration;

use crate::limits::{CONFLICT_PAUSE_LONGEST, CONFLICT_PAUSE_SHORTEST};
use crate::ports::Chance;

/// Draws the pause before a call is repeated that was refused because a transaction held one of its
/// items. Callers that were refused at the same moment draw different pauses, so they do not
/// collide again.
#[must_use]
pub fn conflict_pause(chance: &impl Chance) -> Duration {
    CONFLICT_PAUSE_SHORTEST + (CONFLICT_PAUSE_LONGEST - CONFLICT_PAUSE_SHORTEST).mul_f64(chance.fraction())
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Drawn(u64);

    impl Chance for Drawn {
        fn bits(&self) -> u64 {
            self.0
        }
    }

    #[test]
    fn a_pause_is_between_the_shortest_and_the_longest_and_depends_on_chance() {
        let [shortest, middle, longest] = [0, u64::MAX / 2, u64::MAX].map(|bits| conflict_pause(&Drawn(bits)));
        assert_eq!(shortest, CONFLICT_PAUSE_SHORTEST);
        assert!(shortest < middle && middle < longest);
        assert!(longest <= CONFLICT_PAUSE_LONGEST);
    }
}

//! Retries of messages: the pause before the next try, and the decision to give up.

use std::time::Duration;

use crate::limits;
use crate::ports::Error;

/// The next step for a message that could not be handled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Retry {
    /// The message returns to its queue, and becomes visible again after this pause.
    After(Duration),
    /// The message becomes a dead letter: it was refused too often, or is too old.
    GiveUp,
}

impl Retry {
    /// Decides after a message failed with `error`, on receive number `receives` (from 1), `age`
    /// after the first receive.
    ///
    /// Only refusals count receives: a dependency that is unavailable or throttled for an hour must
    /// not cost a message.
    #[must_use]
    pub fn after(error: &Error, receives: u32, age: Duration) -> Self {
        let is_over =
            if error.is_transient() { age >= limits::GIVE_UP_AFTER } else { receives >= limits::RECEIVES_IF_REFUSED };
        if is_over { Self::GiveUp } else { Self::After(retry_pause(receives)) }
    }
}

/// The pause after failed receive number `receives` (from 1) of a message: 0.5, 1, 2, 4, … up to 60
/// s.
#[must_use]
pub fn retry_pause(receives: u32) -> Duration {
    let doubled = 1_u32.checked_shl(receives.saturating_sub(1)).unwrap_or(u32::MAX);
    limits::SHORTEST_RETRY_PAUSE.saturating_mul(doubled).min(limits::LONGEST_RETRY_PAUSE)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unavailable() -> Error {
        Error::Throttled { operation: "test" }
    }

    fn refused() -> Error {
        Error::Refused { operation: "test", source: "no grant".into() }
    }

    #[test]
    fn pauses_double_up_to_a_minute() {
        let seconds = |receives| retry_pause(receives).as_secs_f64();
        assert_eq!([1, 2, 3, 7].map(seconds), [0.5, 1.0, 2.0, 32.0]);
        assert_eq!([8, 40, u32::MAX].map(seconds), [60.0; 3]);
    }

    #[test]
    fn what_is_unavailable_is_given_up_by_age_and_never_by_count() {
        let young = limits::GIVE_UP_AFTER - Duration::from_millis(1);
        assert_eq!(Retry::after(&unavailable(), u32::MAX, young), Retry::After(limits::LONGEST_RETRY_PAUSE));
        assert_eq!(Retry::after(&unavailable(), 1, limits::GIVE_UP_AFTER), Retry::GiveUp);
    }

    #[test]
    fn what_is_refused_is_given_up_at_the_third_receive_whatever_its_age() {
        assert!(matches!(Retry::after(&refused(), 2, Duration::MAX), Retry::After(_)));
        assert_eq!(Retry::after(&refused(), 3, Duration::ZERO), Retry::GiveUp);
    }

    #[test]
    fn an_outage_as_long_as_the_age_limit_fits_the_receives_of_a_queue() {
        let (mut receives, mut waited) = (0, Duration::ZERO);
        while waited < limits::GIVE_UP_AFTER {
            receives += 1;
            waited += retry_pause(receives);
        }
        assert!(receives < limits::RECEIVES / 2, "{receives}");
    }
}

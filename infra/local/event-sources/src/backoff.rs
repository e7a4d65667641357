//! Computes the pause after a number of failures in a row.

use std::time::Duration;

/// A pause that doubles with each failure, from `first` up to `limit`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Backoff {
    /// The pause after the first failure.
    pub first: Duration,
    /// The longest pause.
    pub limit: Duration,
}

impl Backoff {
    /// Returns the pause after `failures` failures in a row.
    #[must_use]
    pub fn after(self, failures: u32) -> Duration {
        let doublings = failures.saturating_sub(1).min(31);
        self.first.saturating_mul(1 << doublings).min(self.limit)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_doubles_up_to_its_limit() {
        let backoff = Backoff { first: Duration::from_millis(100), limit: Duration::from_secs(1) };
        let pauses = [0, 1, 2, 3, 4, 5, 99].map(|failures| backoff.after(failures).as_millis());
        assert_eq!(pauses, [100, 100, 200, 400, 800, 1000, 1000]);
    }
}

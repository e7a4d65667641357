//! The machine's own clock and random numbers.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use domain::Timestamp;
use domain::ports::{Chance, Clock};

/// The machine's clock, with the pauses of the async runtime.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Timestamp::from_ms(u64::try_from(now.as_millis()).unwrap_or(u64::MAX))
    }

    async fn sleep(&self, pause: Duration) {
        tokio::time::sleep(pause).await;
    }
}

/// The machine's random numbers.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemChance;

impl Chance for SystemChance {
    fn bits(&self) -> u64 {
        rand::random()
    }
}

//! Times: the clock, and moments and durations as people read them.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use domain::Timestamp;

/// Returns the current time.
pub(crate) fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp::from_ms(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}

/// Formats a moment in UTC, such as `2026-11-27T18:04:05.123Z`.
pub(crate) fn moment(at: Timestamp) -> String {
    let ms = i64::try_from(at.as_ms()).unwrap_or(i64::MAX);
    let at = jiff::Timestamp::from_millisecond(ms).unwrap_or(jiff::Timestamp::MAX);
    at.strftime("%Y-%m-%dT%H:%M:%S%.3fZ").to_string()
}

/// Formats a duration by its largest unit, such as `90s` or `3h`.
pub(crate) fn rounded(duration: Duration) -> String {
    match duration.as_secs() {
        s @ 0..120 => format!("{s}s"),
        s @ 120..7_200 => format!("{}m", s / 60),
        s @ 7_200..172_800 => format!("{}h", s / 3_600),
        s => format!("{}d", s / 86_400),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_is_written_in_utc_to_the_millisecond() {
        assert_eq!(moment(Timestamp::from_ms(1_764_000_000_123)), "2025-11-24T16:00:00.123Z");
        assert_eq!(rounded(Duration::from_secs(7_199)), "119m");
    }
}

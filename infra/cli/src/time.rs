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

/// Parses a moment such as `2026-11-27T18:04:05Z`.
pub(crate) fn parse_moment(text: &str) -> Result<Timestamp, String> {
    let at = text.parse::<jiff::Timestamp>().ok().and_then(|at| u64::try_from(at.as_millisecond()).ok());
    at.map(Timestamp::from_ms).ok_or_else(|| format!("{text:?} is no time since 1970, such as 2026-11-27T18:04:05Z"))
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
        assert_eq!(parse_moment("2025-11-24T17:00:00.123+01:00"), Ok(Timestamp::from_ms(1_764_000_000_123)));
        for wrong in ["1764000000123", "2025-11-24", "1969-12-31T23:59:59Z", ""] {
            assert!(parse_moment(wrong).unwrap_err().contains("2026-11-27T18:04:05Z"));
        }
        assert_eq!(rounded(Duration::from_secs(7_199)), "119m");
    }
}

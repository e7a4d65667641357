//! Times: the clock, moments as people read them, and durations such as `1h`.

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

/// Parses a duration: a whole number with s, m, h or d.
pub(crate) fn parse_duration(text: &str) -> Result<Duration, String> {
    let wrong = || format!("{text:?} is no duration: it is a number with s, m, h or d, such as 90s, 15m, 1h or 7d");
    let unit = text.chars().last().ok_or_else(wrong)?;
    let unit_s = match unit {
        's' => 1,
        'm' => 60,
        'h' => 60 * 60,
        'd' => 24 * 60 * 60,
        _ => return Err(wrong()),
    };
    let count: u32 = text[..text.len() - unit.len_utf8()].parse().map_err(|_| wrong())?;
    Ok(Duration::from_secs(u64::from(count) * unit_s))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_has_a_number_and_a_unit_and_nothing_else() {
        for (text, seconds) in [("0s", 0), ("90s", 90), ("15m", 900), ("1h", 3_600), ("7d", 604_800)] {
            assert_eq!(parse_duration(text), Ok(Duration::from_secs(seconds)));
        }
        for text in ["", "h", "1", "1 h", "-1h", "1.5h", "1w", "99999999999h", "1é"] {
            assert!(parse_duration(text).unwrap_err().contains("such as 90s"), "{text}");
        }
    }

    #[test]
    fn a_moment_is_written_in_utc_to_the_millisecond() {
        assert_eq!(moment(Timestamp::from_ms(1_764_000_000_123)), "2025-11-24T16:00:00.123Z");
        assert_eq!(rounded(Duration::from_secs(7_199)), "119m");
    }
}

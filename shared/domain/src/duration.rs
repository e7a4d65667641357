//! Durations as people write them: a whole number with a unit.

use std::time::Duration;

/// A text that is no duration. The message has the right form.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no duration: it is a number with s, m, h or d, such as 90s, 15m, 1h or 7d")]
pub struct BadDuration(String);

/// Parses a duration: a whole number with s, m, h or d.
///
/// # Errors
/// [`BadDuration`] for a text of another form.
pub fn parse_duration(text: &str) -> Result<Duration, BadDuration> {
    let wrong = || BadDuration(text.to_owned());
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
            assert!(parse_duration(text).unwrap_err().to_string().contains("such as 90s, 15m, 1h or 7d"), "{text}");
        }
    }
}

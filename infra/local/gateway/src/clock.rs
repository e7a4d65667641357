//! Wall-clock time in the three notations of API Gateway. Timers use tokio's clock; events use this
//! one.

use std::time::{SystemTime, UNIX_EPOCH};

use jiff::Timestamp;

/// Returns milliseconds since 1970, as in `connectedAt` and `requestTimeEpoch`.
pub(crate) fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

/// Formats a time as `19/Jan/2023:21:13:26 +0000`, as in `requestTime`.
pub(crate) fn request_time(epoch_ms: i64) -> String {
    timestamp(epoch_ms).strftime("%d/%b/%Y:%H:%M:%S +0000").to_string()
}

/// Formats a time as `2024-02-09T18:11:43.419Z`, as in the answer to `GetConnection`.
pub(crate) fn iso8601(epoch_ms: i64) -> String {
    format!("{:.3}", timestamp(epoch_ms))
}

fn timestamp(epoch_ms: i64) -> Timestamp {
    Timestamp::from_millisecond(epoch_ms).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_read_as_in_the_events_of_aws() {
        assert_eq!(request_time(1_674_162_806_345), "19/Jan/2023:21:13:26 +0000");
        assert_eq!(iso8601(1_707_502_303_419), "2024-02-09T18:11:43.419Z");
        assert_eq!(iso8601(1_707_502_303_000), "2024-02-09T18:11:43.000Z");
    }
}

//! Builds the event that a rule sends.
//!
//! Source: <https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-events.html>

use bytes::Bytes;
use jiff::Timestamp;
use serde_json::json;
use uuid::Uuid;

/// Builds the event of rule `name` at `time`. The event contains the time in whole seconds.
pub(super) fn scheduled(name: &str, region: &str, account: &str, time: Timestamp) -> Bytes {
    let event = json!({
        "version": "0",
        "id": Uuid::new_v4().to_string(),
        "detail-type": "Scheduled Event",
        "source": "aws.events",
        "account": account,
        "time": time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
        "region": region,
        "resources": [format!("arn:aws:events:{region}:{account}:rule/{name}")],
        "detail": {},
    });
    event.to_string().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_event_has_the_fields_of_aws() {
        let time = "2026-11-21T05:00:00.123Z".parse().unwrap();
        let event = scheduled("reaper", "us-east-1", "123456789012", time);
        let mut event: serde_json::Value = serde_json::from_slice(&event).unwrap();
        assert_eq!(event["id"].take().as_str().map(str::len), Some(36));
        let expected = json!({
            "version": "0", "id": null, "detail-type": "Scheduled Event", "source": "aws.events",
            "account": "123456789012", "time": "2026-11-21T05:00:00Z", "region": "us-east-1",
            "resources": ["arn:aws:events:us-east-1:123456789012:rule/reaper"], "detail": {},
        });
        assert_eq!(event, expected);
    }
}

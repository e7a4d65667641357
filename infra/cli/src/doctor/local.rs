//! Checks by the inspector of the local stack: event sources, the age of messages, the clock.

use std::time::Duration;

use domain::{Timestamp, limits};
use serde_json::Value;
use topology::Trigger;

use super::{Finding, Status};
use crate::deployment::{Deployment, date_of, read_local};
use crate::error::Error;
use crate::time::{now, rounded};

/// D6: an event source that invokes its function, and its lag.
const SOURCE: &str = "D6";
/// D7: the age of the oldest message of a queue.
const AGE: &str = "D7";
/// D8: the clock of this machine and that of the deployment.
const CLOCK: &str = "D8";

/// A delivery or publication that waits longer is late for its members.
const AGE_NORMAL: Duration = Duration::from_secs(30);

/// Checks event sources, ages and clocks of the local stack. For a deployment on AWS the checks are
/// named as skipped.
pub(crate) async fn findings(deployment: &Deployment) -> Result<Vec<Finding>, Error> {
    let Some(endpoint) = deployment.local_endpoint() else {
        let skip =
            |code, subject: &str, fix: &str| Finding::bad(code, Status::Skipped, subject, "needs the local stack", fix);
        return Ok(vec![
            skip(
                SOURCE,
                "event sources",
                "aws lambda list-event-source-mappings shows State of each; IteratorAge in CloudWatch shows the lag",
            ),
            skip(AGE, "age of messages", "ApproximateAgeOfOldestMessage in CloudWatch shows it"),
            skip(CLOCK, "clock", "AWS refuses requests whose clock differs by 5 minutes"),
        ]);
    };
    let stats = read_local(endpoint, "/_local/stats").await?;
    let mut findings = sources(deployment, &stats);
    for queue in &deployment.topology.queues {
        let path = format!("/_local/queues/{}/messages?limit=1", queue.physical_name());
        let oldest = read_local(endpoint, &path).await?;
        findings.extend(age(&queue.name, &oldest, now()));
    }
    findings.push(clock(date_of(endpoint).await?, now()));
    Ok(findings)
}

/// Compares the event sources that run with those of the topology.
fn sources(deployment: &Deployment, stats: &Value) -> Vec<Finding> {
    let running: Vec<&Value> = stats["triggers"].as_array().into_iter().flatten().collect();
    let mut findings = Vec::new();
    for (function, trigger) in deployment.topology.triggers() {
        let source = match trigger {
            Trigger::Queue(queue) => queue.queue.as_str(),
            Trigger::Stream(stream) => stream.table.as_str(),
            // The local stack names a schedule by its function.
            Trigger::Schedule(_) => function.name.as_str(),
            Trigger::Websocket(_) | Trigger::Http { .. } | Trigger::Authorizer { .. } => continue,
        };
        let is_it = |stats: &&&Value| stats["function"] == function.name.as_str() && names(&stats["source"], source);
        let subject = if matches!(trigger, Trigger::Schedule(_)) { "schedule" } else { source };
        findings.push(source_finding(subject, &function.name, running.iter().find(is_it).copied()));
    }
    findings
}

/// Returns whether the name of an event source is that of a queue or table.
fn names(found: &Value, source: &str) -> bool {
    let words = found.as_str().unwrap_or_default().split([' ', ':', '/']);
    words.map(|word| word.trim_end_matches(".fifo")).any(|word| word == source)
}

fn source_finding(source: &str, function: &str, stats: Option<&Value>) -> Finding {
    let subject = format!("{source} -> {function}");
    let Some(stats) = stats else {
        return Finding::bad(
            SOURCE,
            Status::Failure,
            subject,
            "the event source does not run",
            "restart the stack: cargo dev",
        );
    };
    let count = |name: &str| stats[name].as_u64().unwrap_or_default();
    let lag = Duration::from_millis(count("iterator_age_ms"));
    let mut found = format!(
        "{} records, {} failures, {} discarded, lag {}",
        count("records"),
        count("failures"),
        count("discarded"),
        rounded(lag)
    );
    if count("throttles") > 0 {
        found.push_str(&format!(", {} throttles", count("throttles")));
    }
    if lag > AGE_NORMAL {
        let fix = format!("records wait for {function}: look at its errors on the page /_local/ of the AWS port");
        return Finding::bad(SOURCE, Status::Warning, subject, found, fix);
    }
    Finding::ok(SOURCE, subject, found)
}

/// Judges the age of the oldest message, if the queue has one. Letters and held publications wait
/// for other reasons.
fn age(queue: &str, messages: &Value, now: Timestamp) -> Option<Finding> {
    if queue.ends_with("-dead") || queue == "publications-held" {
        return None;
    }
    let sent_at_ms = messages[0]["sent_at_ms"].as_f64()?;
    let age = now.since(Timestamp::from_ms(sent_at_ms as u64));
    let subject = format!("queue {queue}");
    let found = format!("the oldest message is {} old", rounded(age));
    if age <= AGE_NORMAL {
        return Some(Finding::ok(AGE, subject, found));
    }
    let fix = "nothing is lost, and it is late. Look at the log of the function that the queue invokes, and at D4";
    Some(Finding::bad(AGE, Status::Warning, subject, found, fix))
}

/// Compares the clock of this machine with the date of an answer, which has whole seconds.
fn clock(answered_at: Option<Timestamp>, now: Timestamp) -> Finding {
    let Some(answered_at) = answered_at else {
        return Finding::bad(CLOCK, Status::Skipped, "clock", "the answer has no date", "");
    };
    let differs = now.since(answered_at).max(answered_at.since(now));
    let found = format!("differs from the deployment's by {}", rounded(differs));
    if differs > limits::CLOCKS_DIFFER {
        let fix = "set the clock of this machine (NTP): times in the output and --since are wrong";
        return Finding::bad(CLOCK, Status::Failure, "clock", found, fix);
    }
    Finding::ok(CLOCK, "clock", found)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_old_message_is_a_warning_and_an_old_letter_is_not() {
        let (messages, now) = (json!([{ "sent_at_ms": 1_000.5 }]), Timestamp::from_ms(32_000));
        assert_eq!(age("deliveries", &messages, now).unwrap().status, Status::Warning);
        assert_eq!(age("deliveries", &messages, Timestamp::from_ms(20_000)).unwrap().status, Status::Ok);
        assert_eq!(age("deliveries", &json!([]), now), None);
        assert_eq!(age("deliveries-dead", &messages, now), None);
    }

    #[test]
    fn an_event_source_that_is_missing_or_lags_is_named() {
        assert_eq!(source_finding("outbox", "outbox", None).status, Status::Failure);
        let late = source_finding("outbox", "outbox", Some(&json!({ "records": 7, "iterator_age_ms": 31_000 })));
        assert_eq!(late.status, Status::Warning);
        assert_eq!(late.found, "7 records, 0 failures, 0 discarded, lag 31s");
        assert_eq!(source_finding("outbox", "outbox", Some(&json!({}))).status, Status::Ok);
        let throttled = source_finding("outbox", "outbox", Some(&json!({ "throttles": 3 })));
        assert_eq!(throttled.found, "0 records, 0 failures, 0 discarded, lag 0s, 3 throttles");
    }

    #[test]
    fn a_clock_that_differs_by_a_minute_is_a_failure() {
        let at = Timestamp::from_ms;
        assert_eq!(clock(Some(at(100_000)), at(101_000)).status, Status::Ok);
        for (answered_at, now) in [(100_000, 160_000), (160_000, 100_000)] {
            assert_eq!(clock(Some(at(answered_at)), at(now)).status, Status::Failure);
        }
    }
}

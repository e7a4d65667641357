//! Counters of a deployment from CloudWatch, read through the AWS CLI. A client of the SDK would
//! make a fresh build minutes longer (5.5 on two cores), for one call in a run. CloudWatch is
//! minutes late and has a resolution of one minute. So no other traffic may use the deployment
//! meanwhile, or it is counted too.
//!
//! Series are listed, and those of the deployment are read by name. A search expression would save
//! one call, but it matches parts of names, and so also other deployments.

mod cli;
mod metrics;

use std::time::Duration;

use self::cli::{Cli, Minutes, Series, Sums};
use super::Usage;

/// Time after the run within which the metrics are normally complete.
pub const SETTLES_WITHIN: Duration = Duration::from_secs(180);

/// The deployment to count.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Deployment {
    /// The id of the WebSocket API.
    pub api: String,
    /// The prefix of the names of functions, tables, topics and queues, up to a hyphen.
    pub stack: String,
}

/// The text names no deployment.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} names no deployment; expected the id of the API and the name of the stack, such as abc123,roomcast")]
pub struct BadDeployment(String);

impl std::str::FromStr for Deployment {
    type Err = BadDeployment;

    fn from_str(text: &str) -> Result<Self, BadDeployment> {
        let is_name =
            |name: &str| !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
        match text.split_once(',') {
            Some((api, stack)) if is_name(api) && is_name(stack) => {
                Ok(Self { api: api.to_owned(), stack: stack.to_owned() })
            }
            _ => Err(BadDeployment(text.to_owned())),
        }
    }
}

/// Reads the counters between two times (seconds since 1970) in which `requests` requests were
/// sent.
pub async fn read(deployment: &Deployment, from_s: i64, to_s: i64, requests: u64) -> Usage {
    let counted = count(&Cli::default(), deployment, Minutes::around(from_s, to_s)).await;
    counted.map_or_else(
        |why| Usage::unknown(format!("no counter: cannot read CloudWatch ({why})")),
        |(series, sums)| usage(&series, &sums, requests),
    )
}

/// Reads the series of a deployment, and the sum of each metric.
async fn count(cli: &Cli, deployment: &Deployment, minutes: Minutes) -> Result<(Vec<Series>, Sums), String> {
    let mut series = Vec::new();
    for metric in metrics::ALL {
        let listed = cli.list(metric).await?;
        series.extend(listed.into_iter().filter(|series| series.is_of(deployment)));
    }
    let sums = cli.sum(&series, minutes).await?;
    Ok((series, sums))
}

/// Converts the sums. No metric that is read here counts posts or calls of DynamoDB, so these are
/// unknown.
fn usage(series: &[Series], sums: &Sums, requests: u64) -> Usage {
    let messages = sums.of(metrics::MESSAGES);
    Usage {
        counted_by: format!("CloudWatch, of {}; queue calls from above", things(series)),
        // Frames have at most 30 KiB, and requests of this load test at most 26 KiB: each is one
        // unit.
        units_in: messages.map(|_| requests as f64),
        units_out: messages.map(|messages| (messages - requests as f64).max(0.0)),
        read_units: sums.of(metrics::READ_UNITS),
        write_units: sums.of(metrics::WRITE_UNITS),
        queue_calls: queue_calls_at_most(sums),
        topic_publishes: sums.of(metrics::PUBLISHED),
        invocations: sums.of(metrics::INVOCATIONS),
        invocation_ms: sums.of(metrics::DURATION),
        ..Usage::default()
    }
}

/// An upper bound. SQS counts messages and not calls, but each useful call concerned at least one
/// message. A received message is deleted or put back once for each receive, in the worst case in a
/// call of its own.
fn queue_calls_at_most(sums: &Sums) -> Option<f64> {
    let (received, deleted) = (sums.of(metrics::RECEIVED)?, sums.of(metrics::DELETED)?);
    let sent = sums.of(metrics::SENT)? + sums.of(metrics::DEDUPLICATED).unwrap_or(0.0);
    Some(sent + sums.of(metrics::EMPTY_RECEIVES)? + received + received.max(deleted))
}

/// Counts the things of each kind. A reader with fewer things sees that another deployment was
/// counted too.
fn things(series: &[Series]) -> String {
    let kinds = [
        (metrics::INVOCATIONS, "functions"),
        (metrics::READ_UNITS, "tables and indexes"),
        (metrics::PUBLISHED, "topics"),
        (metrics::SENT, "queues"),
    ];
    let count = |(metric, name)| format!("{} {name}", series.iter().filter(|series| series.metric == metric).count());
    kinds.map(count).join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_deployment_is_an_api_and_a_stack() {
        let deployment: Deployment = "abc123,roomcast".parse().unwrap();
        assert_eq!((deployment.api.as_str(), deployment.stack.as_str()), ("abc123", "roomcast"));
        for wrong in ["", "abc123", "abc123,", "abc123,x' OR", ","] {
            assert!(wrong.parse::<Deployment>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn queue_calls_are_counted_from_above_or_not_at_all() {
        let known = |more: &[(metrics::Metric, f64)]| {
            let all = [(metrics::SENT, 10.0), (metrics::RECEIVED, 12.0), (metrics::DELETED, 10.0)];
            all.iter().chain(more).copied().collect::<Sums>()
        };
        assert_eq!(queue_calls_at_most(&known(&[])), None, "polls that found nothing are calls too");
        assert_eq!(queue_calls_at_most(&known(&[(metrics::EMPTY_RECEIVES, 5.0)])), Some(10.0 + 5.0 + 12.0 + 12.0));
        let deduplicated = [(metrics::EMPTY_RECEIVES, 5.0), (metrics::DEDUPLICATED, 2.0)];
        assert_eq!(queue_calls_at_most(&known(&deduplicated)), Some(41.0));
    }
}

//! What CloudWatch counted of a deployment, asked by the AWS CLI: its SDK would make a fresh build minutes longer for everybody
//! (a client of the SDK took 5.5 on two cores), for a question that is asked once a run. CloudWatch answers minutes late and to the
//! minute: nobody else may use the deployment meanwhile, or it is counted too.
//!
//! Series are listed, and those of the deployment asked for one by one. A search expression would take one question less, but it
//! finds parts of names, and with them other deployments.

mod cli;
mod metrics;

use std::time::Duration;

use self::cli::{Cli, Minutes, Series, Sums};
use super::Usage;

/// How long after the run everything is there, about.
pub const SETTLES_WITHIN: Duration = Duration::from_secs(180);

/// What is counted, where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Deployment {
    /// The id of the WebSocket API.
    pub api: String,
    /// What the names of functions, tables, topics and queues begin with, up to a hyphen.
    pub stack: String,
}

/// Not a deployment.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no deployment; write the id of the API and the name of the stack, such as abc123,roomcast")]
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

/// Reads what was counted between two times (seconds since 1970) in which so many requests were sent.
pub async fn read(deployment: &Deployment, from_s: i64, to_s: i64, requests: u64) -> Usage {
    let counted = count(&Cli::default(), deployment, Minutes::around(from_s, to_s)).await;
    counted.map_or_else(
        |why| Usage::unknown(format!("nobody: CloudWatch was asked in vain ({why})")),
        |(series, sums)| usage(&series, &sums, requests),
    )
}

/// The series of a deployment, and what each metric came to.
async fn count(cli: &Cli, deployment: &Deployment, minutes: Minutes) -> Result<(Vec<Series>, Sums), String> {
    let mut series = Vec::new();
    for metric in metrics::ALL {
        let listed = cli.list(metric).await?;
        series.extend(listed.into_iter().filter(|series| series.is_of(deployment)));
    }
    let sums = cli.sum(&series, minutes).await?;
    Ok((series, sums))
}

/// Their meaning. Posts, and calls of DynamoDB, are counted by no metric that is read here: they are unknown.
fn usage(series: &[Series], sums: &Sums, requests: u64) -> Usage {
    let messages = sums.of(metrics::MESSAGES);
    Usage {
        counted_by: format!("CloudWatch, of {}; queue calls from above", things(series)),
        // Frames have 30 KiB at most, and requests of this load test 26: each is one unit.
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

/// SQS counts messages, not calls; but no call that was of use had less than one. What was received is deleted or put off once for
/// each time that it was received, in a call of its own at the worst.
fn queue_calls_at_most(sums: &Sums) -> Option<f64> {
    let (received, deleted) = (sums.of(metrics::RECEIVED)?, sums.of(metrics::DELETED)?);
    let sent = sums.of(metrics::SENT)? + sums.of(metrics::DEDUPLICATED).unwrap_or(0.0);
    Some(sent + sums.of(metrics::EMPTY_RECEIVES)? + received + received.max(deleted))
}

/// How many of each kind were counted: whoever has fewer sees that another deployment was counted with theirs.
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

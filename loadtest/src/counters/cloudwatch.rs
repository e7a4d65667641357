//! What CloudWatch counted of a deployment, asked by the AWS CLI: its SDK would make a fresh build a minute and more longer
//! for everybody, for a question that is asked once a run. CloudWatch answers minutes late and to the minute: nobody else
//! may use the deployment meanwhile, or it is counted too.

use std::time::Duration;

use serde::Deserialize;
use serde_json::{Value, json};
use tokio::process::Command;

use super::Usage;

/// How long after the run everything is there, about.
pub const SETTLES_WITHIN: Duration = Duration::from_secs(180);
/// Metrics are of whole minutes.
const PERIOD_S: i64 = 60;
/// The program that asks.
const CLI: &str = "aws";

/// What is counted, where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Deployment {
    /// The id of the WebSocket API.
    pub api: String,
    /// What the names of functions, tables and topics begin with.
    pub stack: String,
}

/// Not a deployment.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no deployment; write the id of the API and the name of the stack, such as abc123,roomcast")]
pub struct BadDeployment(String);

/// Sums by the name of their query.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Answer {
    metric_data_results: Vec<Sums>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Sums {
    id: String,
    values: Vec<f64>,
}

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
    ask(CLI, deployment, from_s, to_s).await.map_or_else(
        |why| Usage::unknown(format!("nobody: CloudWatch was asked in vain ({why})")),
        |answer| usage(&answer, requests),
    )
}

async fn ask(cli: &str, deployment: &Deployment, from_s: i64, to_s: i64) -> Result<Answer, String> {
    let from = (from_s - from_s.rem_euclid(PERIOD_S)).to_string();
    let (to, queries) = ((to_s + PERIOD_S).to_string(), queries(deployment).to_string());
    let arguments = ["cloudwatch", "get-metric-data", "--output", "json", "--start-time", &from, "--end-time", &to];
    let asking = Command::new(cli).args(arguments).args(["--metric-data-queries", &queries]).output();
    let output = asking.await.map_err(|error| format!("{cli} cannot be run: {error}"))?;
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).trim().to_owned());
    }
    serde_json::from_slice(&output.stdout).map_err(|error| error.to_string())
}

/// Sums over whatever belongs to the deployment.
fn queries(deployment: &Deployment) -> Value {
    let Deployment { api, stack } = deployment;
    let sum = |id: &str, space: &str, metric: &str, of: &str| {
        let search = format!("SUM(SEARCH('{{{space}}} MetricName=\"{metric}\" {of}', 'Sum', {PERIOD_S}))");
        json!({ "Id": id, "Expression": search, "ReturnData": true })
    };
    json!([
        sum("messages", "AWS/ApiGateway,ApiId", "MessageCount", &format!("ApiId=\"{api}\"")),
        sum("invocations", "AWS/Lambda,FunctionName", "Invocations", stack),
        sum("duration", "AWS/Lambda,FunctionName", "Duration", stack),
        sum("table_reads", "AWS/DynamoDB,TableName", "ConsumedReadCapacityUnits", stack),
        sum("table_writes", "AWS/DynamoDB,TableName", "ConsumedWriteCapacityUnits", stack),
        sum("index_reads", "AWS/DynamoDB,GlobalSecondaryIndexName,TableName", "ConsumedReadCapacityUnits", stack),
        sum("index_writes", "AWS/DynamoDB,GlobalSecondaryIndexName,TableName", "ConsumedWriteCapacityUnits", stack),
        sum("published", "AWS/SNS,TopicName", "NumberOfMessagesPublished", stack),
    ])
}

/// Their meaning. Calls of SQS and posts are counted by no metric: they are unknown.
fn usage(answer: &Answer, requests: u64) -> Usage {
    let sum = |id: &str| {
        let sums = answer.metric_data_results.iter().find(|sums| sums.id == id)?;
        (!sums.values.is_empty()).then(|| sums.values.iter().sum::<f64>())
    };
    let both = |one: &str, other: &str| sum(one).map(|one| one + sum(other).unwrap_or(0.0));
    let messages = sum("messages");
    Usage {
        counted_by: "CloudWatch".to_owned(),
        // Frames have 30 KiB at most, and requests of this load test 26: each is one unit.
        units_in: messages.map(|_| requests as f64),
        units_out: messages.map(|messages| (messages - requests as f64).max(0.0)),
        read_units: both("table_reads", "index_reads"),
        write_units: both("table_writes", "index_writes"),
        topic_publishes: sum("published"),
        invocations: sum("invocations"),
        invocation_ms: sum("duration"),
        ..Usage::default()
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_deployment_is_an_api_and_a_stack() {
        let deployment: Deployment = "abc123,roomcast".parse().unwrap();
        assert_eq!((deployment.api.as_str(), deployment.stack.as_str()), ("abc123", "roomcast"));
        for wrong in ["", "abc123", "abc123,", "abc123,x' OR", ","] {
            assert!(wrong.parse::<Deployment>().is_err(), "{wrong}");
        }
    }

    #[tokio::test]
    async fn what_the_cli_says_is_added_up_and_what_has_no_metric_is_unknown() {
        let folder = tempfile::tempdir().unwrap();
        let cli = folder.path().join("aws");
        let answer = r#"{"MetricDataResults":[{"Id":"messages","Values":[60,50]},{"Id":"duration","Values":[7.5]},{"Id":"table_reads","Values":[3]},{"Id":"index_reads","Values":[4]},{"Id":"invocations","Values":[]}],"Messages":[]}"#;
        // It answers only if it was asked for the metrics of this deployment.
        let script = format!(
            "#!/bin/sh\ncase \"$*\" in *'Duration\\\" roomcast'*'MessageCount'*|*MessageCount*'Duration\\\" roomcast'*) echo '{answer}';; *) echo wrong >&2; exit 1;; esac\n"
        );
        std::fs::write(&cli, script).unwrap();
        std::fs::set_permissions(&cli, std::fs::Permissions::from_mode(0o755)).unwrap();
        let deployment = "abc123,roomcast".parse().unwrap();
        let answer = ask(cli.to_str().unwrap(), &deployment, 1_764_000_000, 1_764_000_090).await.unwrap();
        let usage = usage(&answer, 10);
        assert_eq!((usage.units_in, usage.units_out, usage.read_units), (Some(10.0), Some(100.0), Some(7.0)));
        assert_eq!(
            (usage.invocation_ms, usage.invocations, usage.posts, usage.queue_calls),
            (Some(7.5), None, None, None)
        );
    }

    #[tokio::test]
    async fn without_the_cli_everything_is_unknown() {
        let deployment = "abc123,roomcast".parse().unwrap();
        let why = ask("/nowhere/aws", &deployment, 0, 60).await.unwrap_err();
        assert!(why.contains("cannot be run"), "{why}");
    }
}

//! The deployment that a command is for: the local stack, or one on AWS by Terraform's outputs.

use std::collections::BTreeMap;
use std::path::Path;

use aws_adapters::{Account, FunctionLogs, Management, OperatorQueues, Queues, Tables, Topics};
use bytes::Bytes;
use domain::Timestamp;
use http_body_util::{BodyExt, Empty};
use hyper::body::Incoming;
use hyper::{Response, Uri};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use serde::Deserialize;
use serde_json::Value;
use topology::Topology;

use crate::account;
use crate::error::Error;
use crate::global::Global;

/// The topology that this program was built with.
const TOPOLOGY: &str = include_str!("../../topology.yaml");
/// Both keys of the developer at the local stack.
const LOCAL_KEY: &str = "local";

/// The resources of a deployment, by their names in the topology.
pub(crate) struct Deployment {
    /// Regions, keys and endpoints.
    pub(crate) account: Account,
    /// The topology that was deployed.
    pub(crate) topology: Topology,
    names: Names,
    /// The address of the local stack.
    local: Option<String>,
}

/// Names, URLs and ARNs of resources, by their names in the topology.
#[derive(Debug, Default)]
struct Names {
    tables: BTreeMap<String, String>,
    queues: BTreeMap<String, String>,
    topics: BTreeMap<String, String>,
    secrets: BTreeMap<String, String>,
    log_groups: BTreeMap<String, String>,
}

impl Deployment {
    /// Finds the deployment that the options name. Without options it is the local stack.
    ///
    /// # Errors
    /// No local stack answers, or the outputs or credentials cannot be read.
    pub(crate) async fn find(global: &Global) -> Result<Self, Error> {
        let topology =
            Topology::parse(TOPOLOGY).map_err(|mistakes| Error::new(mistakes.to_string(), "cargo xtask topology"))?;
        match &global.outputs {
            Some(file) => Self::on_aws(file, global.profile.as_deref(), topology).await,
            None => Self::on_this_machine(&global.endpoint, topology).await,
        }
    }

    async fn on_this_machine(endpoint: &str, topology: Topology) -> Result<Self, Error> {
        let endpoint = endpoint.trim_end_matches('/');
        let config = read_local(endpoint, "/_local/config").await?;
        let text = |value: &Value| value.as_str().map(str::to_owned);
        let map = |name: &str| {
            let entries = config[name].as_object().into_iter().flatten();
            entries.filter_map(|(name, value)| Some((name.clone(), text(value)?))).collect()
        };
        let tables = config["tables"].as_array().into_iter().flatten().filter_map(text);
        let secrets = topology.secrets.iter().map(|secret| (secret.name.clone(), secret.physical_name(&topology.name)));
        let names = Names {
            tables: tables.map(|name| (name.clone(), name)).collect(),
            queues: map("queues"),
            topics: map("topics"),
            secrets: secrets.collect(),
            log_groups: BTreeMap::new(),
        };
        let variable = |name: &str| match name {
            "AWS_ENDPOINT_URL" => Some(endpoint.to_owned()),
            "AWS_REGION" => text(&config["region"]),
            "AWS_ACCESS_KEY_ID" | "AWS_SECRET_ACCESS_KEY" => Some(LOCAL_KEY.to_owned()),
            _ => None,
        };
        let account = Account::from_environment(variable)
            .map_err(|_| Error::new(format!("what answers at {endpoint} is no local stack"), "cargo dev"))?;
        Ok(Self { account, topology, names, local: Some(endpoint.to_owned()) })
    }

    async fn on_aws(file: &Path, profile: Option<&str>, topology: Topology) -> Result<Self, Error> {
        let next = format!("terraform output -json > {}", file.display());
        let text = std::fs::read_to_string(file)
            .map_err(|error| Error::new(format!("cannot read {}: {error}", file.display()), &next))?;
        let names = names_of(&text)
            .map_err(|error| Error::new(format!("{} has no outputs of Roomcast: {error}", file.display()), &next))?;
        let region = names.queues.values().find_map(|url| region_of(url));
        Ok(Self { account: account::of_profile(profile, region).await?, topology, names, local: None })
    }

    /// The tables, by their ports.
    pub(crate) fn tables(&self) -> Result<Tables, Error> {
        Ok(Tables::new(&self.account, self.table("connections")?, self.table("rooms")?))
    }

    /// The queues, for an operator.
    pub(crate) fn operator_queues(&self) -> OperatorQueues {
        OperatorQueues::new(&self.account)
    }

    /// The queues that publications and checks go into.
    pub(crate) fn queues(&self) -> Result<Queues, Error> {
        Ok(Queues::new(&self.account)
            .with_publications(self.queue_url("publications")?.to_owned())
            .with_publications_held(self.queue_url("publications-held")?.to_owned())
            .with_checks(self.queue_url("presence")?.to_owned()))
    }

    /// A topic that backends publish to, with its ARN.
    pub(crate) fn topic(&self, name: &str) -> Result<(Topics, &str), Error> {
        let arn = found(&self.names.topics, "topic", name)?;
        Ok((Topics::new(&self.account, arn), arn))
    }

    /// The management API of the gateway.
    pub(crate) fn management(&self) -> Management {
        Management::new(&self.account)
    }

    /// The logs of the functions on AWS.
    pub(crate) fn function_logs(&self) -> FunctionLogs {
        FunctionLogs::new(&self.account)
    }

    /// The log group of a function on AWS.
    pub(crate) fn log_group(&self, function: &str) -> Result<&str, Error> {
        found(&self.names.log_groups, "function", function)
    }

    /// The URL of a queue of the topology.
    pub(crate) fn queue_url(&self, name: &str) -> Result<&str, Error> {
        found(&self.names.queues, "queue", name)
    }

    /// The name of a table of the topology in its account.
    pub(crate) fn table(&self, name: &str) -> Result<&str, Error> {
        found(&self.names.tables, "table", name)
    }

    /// The names of the secrets in the secret store, by their names in the topology.
    pub(crate) fn secrets(&self) -> impl Iterator<Item = (&str, &str)> {
        self.names.secrets.iter().map(|(name, stored)| (name.as_str(), stored.as_str()))
    }

    /// The address of the local stack, if the deployment is one.
    pub(crate) fn local_endpoint(&self) -> Option<&str> {
        self.local.as_deref()
    }

    /// The name in the topology of the table that a stream's ARN names.
    pub(crate) fn table_of_stream(&self, stream_arn: &str) -> Option<&str> {
        let physical = stream_arn.split_once(":table/")?.1.split('/').next()?;
        self.names.tables.iter().find(|(_, name)| *name == physical).map(|(name, _)| name.as_str())
    }
}

fn found<'a>(names: &'a BTreeMap<String, String>, kind: &str, name: &str) -> Result<&'a str, Error> {
    names.get(name).map(String::as_str).ok_or_else(|| {
        let known = names.keys().map(String::as_str).collect::<Vec<_>>().join(", ");
        Error::new(
            format!("the deployment has no {kind} {name}; it has {known}"),
            "terraform apply, or build this program from the commit that is deployed",
        )
    })
}

/// Reads the outputs of Terraform.
fn names_of(text: &str) -> Result<Names, serde_json::Error> {
    #[derive(Deserialize)]
    struct Output {
        value: BTreeMap<String, String>,
    }
    #[derive(Deserialize)]
    struct Outputs {
        table_names: Output,
        queue_urls: Output,
        topic_arns: Output,
        secret_names: Output,
        log_groups: Output,
    }
    let Outputs { table_names, queue_urls, topic_arns, secret_names, log_groups } = serde_json::from_str(text)?;
    Ok(Names {
        tables: table_names.value,
        queues: queue_urls.value,
        topics: topic_arns.value,
        secrets: secret_names.value,
        log_groups: log_groups.value,
    })
}

/// The Region in the URL of a queue: `https://sqs.eu-west-1.amazonaws.com/…`.
fn region_of(url: &str) -> Option<String> {
    let host = url.strip_prefix("https://sqs.")?;
    host.split_once(".amazonaws.com").map(|(region, _)| region.to_owned())
}

/// Reads JSON from an address of the local stack.
pub(crate) async fn read_local(endpoint: &str, path: &str) -> Result<Value, Error> {
    let answer = get(endpoint, path).await?;
    let body = answer.into_body().collect().await.map_err(|error| unanswered(endpoint, &error))?.to_bytes();
    serde_json::from_slice(&body).map_err(|error| unanswered(endpoint, &error))
}

/// Reads the time at which the local stack answers, to the second.
pub(crate) async fn date_of(endpoint: &str) -> Result<Option<Timestamp>, Error> {
    let answer = get(endpoint, "/_local/config").await?;
    let date = answer.headers().get(hyper::header::DATE).and_then(|date| date.to_str().ok());
    let date = date.and_then(|date| jiff::fmt::rfc2822::parse(date).ok());
    Ok(date.and_then(|date| u64::try_from(date.timestamp().as_millisecond()).ok()).map(Timestamp::from_ms))
}

async fn get(endpoint: &str, path: &str) -> Result<Response<Incoming>, Error> {
    let uri = format!("{endpoint}{path}").parse::<Uri>().map_err(|error| unanswered(endpoint, &error))?;
    let client = Client::builder(TokioExecutor::new()).build_http::<Empty<Bytes>>();
    client.get(uri).await.map_err(|error| unanswered(endpoint, &error))
}

fn unanswered(endpoint: &str, error: &dyn std::error::Error) -> Error {
    let next = "start the stack with `cargo dev`, or name a deployment with --outputs FILE";
    Error::new(format!("no local stack answers at {endpoint} ({})", cause_of(error)), next)
}

/// The innermost cause of an error, such as a refused connection.
fn cause_of(error: &dyn std::error::Error) -> String {
    let mut cause = error;
    while let Some(next) = cause.source() {
        cause = next;
    }
    cause.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn outputs_of_terraform_name_every_resource() {
        let output = |name: &str, value: &str| serde_json::json!({ "sensitive": false, "value": { name: value } });
        let text = serde_json::json!({
            "websocket_url": { "sensitive": false, "value": "wss://x/live" },
            "table_names": output("rooms", "chat-rooms"),
            "queue_urls": output("events", "https://sqs.eu-west-1.amazonaws.com/1/chat-events"),
            "topic_arns": output("events", "arn:aws:sns:eu-west-1:1:chat-events"),
            "secret_names": output("token_keys", "chat/token_keys"),
            "log_groups": output("ingest", "/aws/lambda/chat-ingest"),
        });
        let names = names_of(&text.to_string()).unwrap();
        assert_eq!(found(&names.tables, "table", "rooms").unwrap(), "chat-rooms");
        assert_eq!(names.queues.values().find_map(|url| region_of(url)).as_deref(), Some("eu-west-1"));
        let error = found(&names.topics, "topic", "activity").unwrap_err().to_string();
        assert!(error.contains("has no topic activity; it has events") && error.contains("next: "), "{error}");
        assert!(names_of("{}").unwrap_err().to_string().contains("table_names"));
    }

    #[test]
    fn the_topology_of_this_program_is_sound() {
        assert!(Topology::parse(TOPOLOGY).is_ok());
    }
}

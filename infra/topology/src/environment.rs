//! The environment of a function, and the values that come from outside the topology.

use crate::at::At;
use crate::suggest::unknown;

/// The value of one environment variable: a text, or a reference that is resolved at deployment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EnvironmentValue {
    /// The text itself.
    Text(String),
    /// The name of a table: `{ table: NAME }`.
    Table(String),
    /// The URL of a queue: `{ queue_url: NAME }`.
    QueueUrl(String),
    /// The ARN of a topic: `{ topic_arn: NAME }`.
    TopicArn(String),
    /// The endpoint of the management API with its stage: `{ websocket: management_url }`.
    ManagementUrl,
    /// The value of a parameter: `{ parameter: NAME }`.
    Parameter(String),
    /// The name of a secret in the secret store: `{ secret: NAME }`. The environment never contains
    /// its value.
    Secret(String),
}

/// Variables that the platform sets. A function must not set them.
///
/// Source:
/// <https://docs.aws.amazon.com/lambda/latest/dg/configuration-envvars.html#configuration-envvars-runtime>
const RESERVED: [&str; 10] = [
    "AWS_ACCESS_KEY",
    "AWS_ACCESS_KEY_ID",
    "AWS_DEFAULT_REGION",
    "AWS_EXECUTION_ENV",
    "AWS_REGION",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "AWS_XRAY_DAEMON_ADDRESS",
    "LAMBDA_RUNTIME_DIR",
    "LAMBDA_TASK_ROOT",
];

impl EnvironmentValue {
    pub(crate) fn read(name: &str, at: &At<'_>) -> Self {
        if RESERVED.contains(&name) || name.starts_with("AWS_LAMBDA_") {
            at.mistake(format!("`{name}` is set by Lambda itself: choose another name"));
        }
        let read = if at.is_mapping() { Self::reference(at) } else { at.scalar().map(Self::Text) };
        read.unwrap_or_else(|| Self::Text(String::new()))
    }

    fn reference(at: &At<'_>) -> Option<Self> {
        let (kind, to) = at.single(&["table", "queue_url", "topic_arn", "websocket", "parameter", "secret"])?;
        let name = to.text()?;
        Some(match kind {
            "table" => Self::Table(name.to_owned()),
            "queue_url" => Self::QueueUrl(name.to_owned()),
            "topic_arn" => Self::TopicArn(name.to_owned()),
            "parameter" => Self::Parameter(name.to_owned()),
            "secret" => Self::Secret(name.to_owned()),
            _ if name == "management_url" => Self::ManagementUrl,
            _ => {
                to.mistake(unknown("property", name, ["management_url"].into_iter(), "properties of a websocket"));
                return None;
            }
        })
    }
}

/// A value from outside the topology: a Terraform variable on AWS, an entry of `infra/local.yaml`
/// on one machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parameter {
    /// Name of the parameter, unique in the topology.
    pub name: String,
    /// One sentence that describes the value.
    pub description: String,
    /// The value if none is given.
    pub default: Option<String>,
}

impl Parameter {
    pub(crate) fn read(name: &str, at: &At<'_>) -> Self {
        let fields = at.fields(&["description", "default"]);
        Self {
            name: name.to_owned(),
            description: fields.required_text("description"),
            default: fields.optional("default").and_then(|default| default.scalar()),
        }
    }
}

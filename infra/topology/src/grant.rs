//! The calls that a function may make, as actions of IAM.

use std::collections::BTreeSet;

use crate::at::At;
use crate::suggest::{list, unknown};

/// Permissions on one resource. Every action without a grant is denied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Grant {
    /// Permissions on a table, and on the listed indexes of it.
    Table {
        /// Name of the table.
        table: String,
        /// Actions of IAM without `dynamodb:`, such as `PutItem`.
        actions: BTreeSet<&'static str>,
        /// Indexes that `Query` may read, and `Scan` if it is among the actions. The table itself
        /// may be queried only if `Query` is among them.
        indexes: Vec<String>,
    },
    /// Permissions on a queue.
    Queue {
        /// Name of the queue.
        queue: String,
        /// Actions of IAM without `sqs:`, such as `SendMessage`.
        actions: BTreeSet<&'static str>,
    },
    /// Permissions on a topic.
    Topic {
        /// Name of the topic.
        topic: String,
        /// Actions of IAM without `sns:`, such as `Publish`.
        actions: BTreeSet<&'static str>,
    },
    /// Permissions on a secret.
    Secret {
        /// Name of the secret.
        secret: String,
        /// Actions of IAM without `secretsmanager:`, such as `GetSecretValue`.
        actions: BTreeSet<&'static str>,
    },
    /// Permissions on the connections of the WebSocket API (`execute-api:ManageConnections`).
    Websocket {
        /// Methods of `@connections`: `POST`, `GET`, `DELETE`.
        actions: BTreeSet<&'static str>,
    },
}

/// Actions on a table that a grant may name. Source:
/// <https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazondynamodb.html>
const TABLE_ACTIONS: [&str; 10] = [
    "BatchGetItem",
    "BatchWriteItem",
    "ConditionCheckItem",
    "DeleteItem",
    "DescribeTable",
    "GetItem",
    "PutItem",
    "Query",
    "Scan",
    "UpdateItem",
];

/// Actions on a queue that a grant may name. Source:
/// <https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazonsqs.html>
const QUEUE_ACTIONS: [&str; 11] = [
    "CancelMessageMoveTask",
    "ChangeMessageVisibility",
    "DeleteMessage",
    "GetQueueAttributes",
    "GetQueueUrl",
    "ListDeadLetterSourceQueues",
    "ListMessageMoveTasks",
    "PurgeQueue",
    "ReceiveMessage",
    "SendMessage",
    "StartMessageMoveTask",
];

/// Actions on a topic that a grant may name. Source:
/// <https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazonsns.html>
const TOPIC_ACTIONS: [&str; 3] = ["GetTopicAttributes", "ListSubscriptionsByTopic", "Publish"];

/// Actions on a secret that a grant may name. Source:
/// <https://docs.aws.amazon.com/service-authorization/latest/reference/list_awssecretsmanager.html>
const SECRET_ACTIONS: [&str; 1] = ["GetSecretValue"];

/// Methods on connections that a grant may name. Source:
/// <https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-websocket-control-access-iam.html>
const WEBSOCKET_ACTIONS: [&str; 3] = ["DELETE", "GET", "POST"];

impl Grant {
    pub(crate) fn read(at: &At<'_>) -> Self {
        Self::try_read(at).unwrap_or(Self::Websocket { actions: BTreeSet::new() })
    }

    fn try_read(at: &At<'_>) -> Option<Self> {
        let fields = at.fields(&["table", "queue", "topic", "secret", "websocket", "actions", "indexes"]);
        let kinds = ["table", "queue", "topic", "secret", "websocket"];
        let mut on = kinds.iter().filter_map(|kind| fields.optional(kind).map(|name| (*kind, name)));
        let (Some((kind, resource)), None) = (on.next(), on.next()) else {
            if at.is_mapping() {
                at.mistake(format!("a grant is on one thing: name exactly one of {}", list(kinds.into_iter())));
            }
            return None;
        };
        let read = |known: &[&'static str]| -> BTreeSet<&'static str> {
            fields.required("actions").map(|actions| read_actions(&actions, known)).unwrap_or_default()
        };
        if let Some(indexes) = fields.optional("indexes").filter(|_| kind != "table") {
            indexes.mistake(format!("a {kind} has no indexes: remove the field"));
        }
        Some(match kind {
            "table" => Self::Table {
                table: resource.text()?.to_owned(),
                actions: read(&TABLE_ACTIONS),
                indexes: fields.texts("indexes"),
            },
            "queue" => Self::Queue { queue: resource.text()?.to_owned(), actions: read(&QUEUE_ACTIONS) },
            "topic" => Self::Topic { topic: resource.text()?.to_owned(), actions: read(&TOPIC_ACTIONS) },
            "secret" => Self::Secret { secret: resource.text()?.to_owned(), actions: read(&SECRET_ACTIONS) },
            _ => {
                if resource.boolean() == Some(false) {
                    resource.mistake("a grant on the connections is written `websocket: true`: remove it otherwise");
                }
                Self::Websocket { actions: read(&WEBSOCKET_ACTIONS) }
            }
        })
    }

    /// Returns the allowed actions, without the service's prefix.
    #[must_use]
    pub fn actions(&self) -> &BTreeSet<&'static str> {
        match self {
            Self::Table { actions, .. }
            | Self::Queue { actions, .. }
            | Self::Topic { actions, .. }
            | Self::Secret { actions, .. }
            | Self::Websocket { actions } => actions,
        }
    }
}

fn read_actions(at: &At<'_>, known: &[&'static str]) -> BTreeSet<&'static str> {
    let elements = at.list();
    if elements.is_empty() {
        at.mistake("a grant without an action allows nothing: name at least one, or remove the grant");
    }
    let mut actions = BTreeSet::new();
    for element in elements {
        let Some(name) = element.text() else { continue };
        match known.iter().find(|action| **action == name) {
            Some(action) if actions.insert(*action) => {}
            Some(_) => element.mistake(format!("`{name}` is granted a second time here: keep one")),
            None => element.mistake(refuse(name, known)),
        }
    }
    actions
}

/// Returns the error for an unknown action. Calls that are not actions of IAM get a hint.
fn refuse(name: &str, known: &[&'static str]) -> String {
    match name {
        "TransactWriteItems" => "IAM knows no action `TransactWriteItems`: grant those of its parts, `PutItem`, \
                                 `UpdateItem`, `DeleteItem`, `ConditionCheckItem`"
            .to_owned(),
        "TransactGetItems" => "IAM knows no action `TransactGetItems`: grant `GetItem`".to_owned(),
        "SendMessageBatch" | "DeleteMessageBatch" | "ChangeMessageVisibilityBatch" | "PublishBatch" => {
            let single = name.trim_end_matches("Batch");
            format!("IAM knows no action `{name}`: `{single}` covers the batch")
        }
        _ => unknown("action", name, known.iter().copied(), "actions on it"),
    }
}

//! All permissions of a function's role: those of its grants, and those that its triggers need.

use std::collections::BTreeSet;
use std::fmt;

use crate::{Function, Grant, Trigger};

/// One action of IAM on one resource.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Permission {
    /// Name of the action with the service's prefix, such as `dynamodb:PutItem`.
    pub action: String,
    /// The resource, by its name in the topology.
    pub resource: Resource,
}

/// The resource of a permission, by its name in the topology.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Resource {
    /// A table, by its name.
    Table(String),
    /// An index of a table.
    Index {
        /// Name of the table.
        table: String,
        /// Name of the index.
        index: String,
    },
    /// The stream of the table with this name.
    Stream(String),
    /// A queue, by its name.
    Queue(String),
    /// A topic, by its name.
    Topic(String),
    /// A secret, by its name.
    Secret(String),
    /// The connections of the WebSocket API, for this method of `@connections`.
    Connections(&'static str),
}

/// Actions that Lambda needs to poll a queue with the function's role.
///
/// Source:
/// <https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-configure.html#events-sqs-permissions>
const POLLS_A_QUEUE: [&str; 3] = ["sqs:DeleteMessage", "sqs:GetQueueAttributes", "sqs:ReceiveMessage"];

/// Actions that Lambda needs to read a stream with the function's role.
///
/// Source: <https://docs.aws.amazon.com/lambda/latest/dg/services-dynamodb-eventsourcemapping.html>
const READS_A_STREAM: [&str; 4] =
    ["dynamodb:DescribeStream", "dynamodb:GetRecords", "dynamodb:GetShardIterator", "dynamodb:ListStreams"];

impl Function {
    /// Returns all permissions of the function's role.
    #[must_use]
    pub fn permissions(&self) -> BTreeSet<Permission> {
        let granted = self.grants.iter().flat_map(Grant::permissions);
        let needed = self.triggers.iter().flat_map(Trigger::permissions);
        granted.chain(needed).collect()
    }
}

impl Trigger {
    /// Returns the permissions that the platform needs in the function's role to invoke it by this
    /// trigger. Routes, authorizers and schedules need none, because the function's own policy
    /// allows them.
    #[must_use]
    pub fn permissions(&self) -> Vec<Permission> {
        match self {
            Self::Queue(source) => {
                let queue = Resource::Queue(source.queue.clone());
                POLLS_A_QUEUE.iter().map(|action| Permission::new(*action, queue.clone())).collect()
            }
            Self::Stream(source) => {
                let stream = Resource::Stream(source.table.clone());
                let reads = READS_A_STREAM.iter().map(|action| Permission::new(*action, stream.clone()));
                let sends = source
                    .on_failure
                    .iter()
                    .map(|on_failure| Permission::new("sqs:SendMessage", Resource::Queue(on_failure.queue.clone())));
                reads.chain(sends).collect()
            }
            Self::Websocket(_) | Self::Http { .. } | Self::Authorizer { .. } | Self::Schedule(_) => Vec::new(),
        }
    }
}

impl Grant {
    /// Returns each action on each resource of this grant.
    fn permissions(&self) -> Vec<Permission> {
        let each = |prefix: &str, resource: &Resource| -> Vec<Permission> {
            let action = |action: &&str| Permission::new(format!("{prefix}:{action}"), resource.clone());
            self.actions().iter().map(action).collect()
        };
        match self {
            Self::Table { table, actions, indexes } => {
                let mut permissions = each("dynamodb", &Resource::Table(table.clone()));
                for index in indexes {
                    let on_index = Resource::Index { table: table.clone(), index: index.clone() };
                    permissions.push(Permission::new("dynamodb:Query", on_index.clone()));
                    permissions.extend(actions.get("Scan").map(|_| Permission::new("dynamodb:Scan", on_index)));
                }
                permissions
            }
            Self::Queue { queue, .. } => each("sqs", &Resource::Queue(queue.clone())),
            Self::Topic { topic, .. } => each("sns", &Resource::Topic(topic.clone())),
            Self::Secret { secret, .. } => each("secretsmanager", &Resource::Secret(secret.clone())),
            Self::Websocket { actions } => actions
                .iter()
                .map(|method| Permission::new("execute-api:ManageConnections", Resource::Connections(method)))
                .collect(),
        }
    }
}

impl Permission {
    fn new(action: impl Into<String>, resource: Resource) -> Self {
        Self { action: action.into(), resource }
    }
}

impl fmt::Display for Permission {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} on {}", self.action, self.resource)
    }
}

impl fmt::Display for Resource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Table(table) => write!(f, "table {table}"),
            Self::Index { table, index } => write!(f, "index {index} of {table}"),
            Self::Stream(table) => write!(f, "stream of {table}"),
            Self::Queue(queue) => write!(f, "queue {queue}"),
            Self::Topic(topic) => write!(f, "topic {topic}"),
            Self::Secret(secret) => write!(f, "secret {secret}"),
            Self::Connections(method) => write!(f, "{method} of @connections"),
        }
    }
}

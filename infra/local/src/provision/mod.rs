//! Creates the resources of the topology through the AWS SDK, in the same way on the embedded
//! endpoint and on an external one.
//!
//! All steps are idempotent: an existing resource that matches the topology is kept.

mod queues;
mod secrets;
mod tables;
mod topics;

use std::collections::BTreeMap;

use aws_smithy_types::error::display::DisplayErrorContext;
use futures::future::try_join3;
use topology::Topology;

use crate::clients::Clients;
use crate::settings::Settings;

/// The resources that were created or found, by their names in the topology.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Resources {
    /// ARN of each table's stream, if it has one.
    pub tables: BTreeMap<String, Option<String>>,
    /// URL and ARN of each queue.
    pub queues: BTreeMap<String, QueueResource>,
    /// ARN of each topic.
    pub topics: BTreeMap<String, String>,
    /// Name of each secret in the store.
    pub secrets: BTreeMap<String, String>,
}

/// The addresses of a queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueueResource {
    /// URL for calls.
    pub url: String,
    /// ARN for events and policies.
    pub arn: String,
}

/// The reason why a resource could not be created.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The endpoint refused the call or did not answer.
    #[error("cannot {what} at {endpoint}: {reason}")]
    Refused {
        /// The operation, such as `create the table rooms`.
        what: String,
        /// URL of the endpoint.
        endpoint: String,
        /// The error of the endpoint.
        reason: String,
    },
    /// An existing table differs from the topology.
    #[error(
        "the table `{table}` at {endpoint} exists with {found}, and the topology says {wanted}: delete the table (or the \
         folder given by --data), or change the topology back"
    )]
    Different {
        /// Name of the table.
        table: String,
        /// URL of the endpoint.
        endpoint: String,
        /// The keys of the existing table.
        found: String,
        /// The keys in the topology.
        wanted: String,
    },
}

/// Creates tables, queues, topics, subscriptions and secrets.
///
/// # Errors
/// The first resource that could not be created.
pub async fn provision(
    topology: &Topology,
    settings: &Settings,
    clients: &Clients,
    endpoint: &str,
) -> Result<Resources, Error> {
    let site = Site { clients, endpoint };
    let queues_then_topics = async {
        let queues = queues::create(topology, &site).await?;
        let topics = topics::create(topology, &queues, &site).await?;
        Ok((queues, topics))
    };
    let secrets = secrets::create(topology, settings, &site);
    let (tables, (queues, topics), secrets) =
        try_join3(tables::create(topology, &site), queues_then_topics, secrets).await?;
    Ok(Resources { tables, queues, topics, secrets })
}

/// The endpoint at which resources are created.
struct Site<'a> {
    clients: &'a Clients,
    endpoint: &'a str,
}

impl Site<'_> {
    fn refused<E: std::error::Error>(&self, what: String) -> impl FnOnce(E) -> Error {
        let endpoint = self.endpoint.to_owned();
        move |error| Error::Refused { what, endpoint, reason: DisplayErrorContext(error).to_string() }
    }

    fn incomplete(&self, what: String) -> Error {
        Error::Refused { what, endpoint: self.endpoint.to_owned(), reason: "the answer is incomplete".to_owned() }
    }
}

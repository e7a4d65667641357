//! Creates what the topology names, through the AWS SDK: the same on the embedded endpoint and on somebody else's.
//!
//! Everything is idempotent: what exists and fits is kept.

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

/// What was created or found, by the topology's names.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Resources {
    /// ARNs of the tables' streams, where they have one.
    pub tables: BTreeMap<String, Option<String>>,
    /// Queues.
    pub queues: BTreeMap<String, QueueResource>,
    /// ARNs of the topics.
    pub topics: BTreeMap<String, String>,
    /// Names of the secrets in the store.
    pub secrets: BTreeMap<String, String>,
}

/// A queue as it can be addressed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueueResource {
    /// For calls.
    pub url: String,
    /// For events and policies.
    pub arn: String,
}

/// Why something could not be created.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The endpoint refused or did not answer.
    #[error("cannot {what} at {endpoint}: {reason}")]
    Refused {
        /// Such as `create the table rooms`.
        what: String,
        /// Where.
        endpoint: String,
        /// What came back.
        reason: String,
    },
    /// What exists is not what the topology says.
    #[error(
        "the table `{table}` at {endpoint} exists with {found}, and the topology says {wanted}: delete the table (or the \
         folder given by --data), or change the topology back"
    )]
    Different {
        /// The table's name.
        table: String,
        /// Where.
        endpoint: String,
        /// What exists.
        found: String,
        /// What should exist.
        wanted: String,
    },
}

/// Creates tables, queues, topics, subscriptions and secrets.
///
/// # Errors
/// The first that could not be created.
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

/// Where things are created.
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

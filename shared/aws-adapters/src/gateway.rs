//! API Gateway's management API: each frame for each connection is one POST.

mod posts;
mod signature;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use aws_sdk_apigatewaymanagement::Client;
use aws_sdk_apigatewaymanagement::error::{ProvideErrorMetadata, SdkError};
use aws_smithy_types::retry::RetryConfig;
use bytes::Bytes;
use domain::ports::{Gateway, Result};
use domain::{ConnectionId, Delivery, Endpoint, Probe, Timestamp};

use crate::account::{Account, service_config, time_limits};
use crate::errors::translate;
use crate::gateway::posts::Posts;

pub(crate) use posts::{Http, client};

/// The time limit for a probe or a close of a connection.
pub const PROBE_TIMEOUT: Duration = Duration::from_millis(1_000);
/// The beginning of the gateway's 400 for an id that it cannot have assigned.
const INVALID_ID: &str = "Invalid connectionId";
/// Endpoints whose clients are kept; a deployment has one or two.
const ENDPOINTS: usize = 16;

/// The management API at the endpoint of each connection.
///
/// Nothing is retried here: a slow member must not make the others wait, and the fan-out has its
/// own plan for each result.
/// <https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-how-to-call-websocket-api-connections.html>
#[derive(Debug, Clone)]
pub struct Management {
    account: Account,
    clients: Arc<Mutex<HashMap<Endpoint, Arc<Clients>>>>,
}

#[derive(Debug)]
struct Clients {
    /// `None` if the endpoint is not a URL.
    posts: Option<Posts>,
    looks: Client,
}

impl Management {
    /// Creates clients with the account's credentials, one for each endpoint when it is first used.
    #[must_use]
    pub fn new(account: &Account) -> Self {
        Self { account: account.clone(), clients: Arc::default() }
    }

    fn clients(&self, endpoint: &Endpoint) -> Arc<Clients> {
        let mut clients = self.clients.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = clients.get(endpoint) {
            return Arc::clone(known);
        }
        if clients.len() >= ENDPOINTS {
            clients.clear();
        }
        let posts = Posts::new(endpoint, self.account.region(), self.account.credentials());
        let posts = posts.inspect_err(|error| tracing::error!(error = %error, "could not prepare posts to an endpoint; every post to it fails")).ok();
        let new = Arc::new(Clients { posts, looks: self.looks(endpoint) });
        clients.insert(endpoint.clone(), Arc::clone(&new));
        new
    }

    fn looks(&self, endpoint: &Endpoint) -> Client {
        let limits = time_limits(PROBE_TIMEOUT, PROBE_TIMEOUT);
        let url = Some(endpoint.as_str().to_owned());
        let retries = RetryConfig::disabled();
        Client::from_conf(service_config!(aws_sdk_apigatewaymanagement, self.account, url, limits, retries))
    }
}

impl Gateway for Management {
    async fn post(&self, endpoint: &Endpoint, connection: &ConnectionId, frame: Bytes) -> Delivery {
        match &self.clients(endpoint).posts {
            Some(posts) => posts.post(connection, frame).await,
            None => Delivery::Failed,
        }
    }

    async fn probe(&self, endpoint: &Endpoint, connection: &ConnectionId) -> Result<Probe> {
        match self.clients(endpoint).looks.get_connection().connection_id(connection.as_ref()).send().await {
            Ok(answer) => {
                let ms = answer.last_active_at().and_then(|at| at.to_millis().ok()).unwrap_or_default();
                let last_active_at = Timestamp::from_ms(u64::try_from(ms).unwrap_or_default());
                Ok(Probe::Alive { last_active_at })
            }
            Err(error) if is_gone(&error) => Ok(Probe::Gone),
            Err(error) => match status(&error) {
                Some(429) => Ok(Probe::Throttled),
                _ => Err(translate("API Gateway GetConnection", &error)),
            },
        }
    }

    async fn close(&self, endpoint: &Endpoint, connection: &ConnectionId) -> Result<()> {
        match self.clients(endpoint).looks.delete_connection().connection_id(connection.as_ref()).send().await {
            Ok(_) => Ok(()),
            Err(error) if is_gone(&error) => Ok(()),
            Err(error) => Err(translate("API Gateway DeleteConnection", &error)),
        }
    }
}

/// Reports a 410; or a 400 for an id that the gateway cannot have assigned, which it answers with
/// "Invalid connectionId".
fn is_gone<E: ProvideErrorMetadata>(error: &SdkError<E>) -> bool {
    let invalid = || error.message().is_some_and(|message| message.starts_with(INVALID_ID));
    status(error) == Some(410) || (status(error) == Some(400) && invalid())
}

fn status<E>(error: &SdkError<E>) -> Option<u16> {
    error.raw_response().map(|response| response.status().as_u16())
}

//! The whole stack: starts and stops its parts in the right order.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::future::try_join_all;
use local_faults::Faults;
use local_lambda::Lambda;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;
use topology::Topology;

use crate::account::Account;
use crate::aws::caller::Callers;
use crate::aws::grants::Grants;
use crate::clients::Clients;
use crate::cloud::Cloud;
use crate::environment::Values;
use crate::front::Front;
use crate::hooks::Granted;
use crate::inspector::{Inspected, Inspector, Pages};
use crate::options::Options;
use crate::place::Unwritable;
use crate::ports::Ports;
use crate::provision::{Resources, provision};
use crate::settings::Settings;
use crate::statistics::Counters;
use crate::triggers::Triggers;
use crate::{Error, clients, compile, functions};

/// Most time that stopping may take. Processes that are left are killed then.
pub const STOPS_WITHIN: Duration = Duration::from_millis(4_800);
/// Time that is reserved for the last functions when the gateway needed its whole time to drain.
const LAST_FUNCTIONS: Duration = Duration::from_millis(400);

/// A stack that runs, until [`Stack::shutdown`].
pub struct Stack {
    topology: Topology,
    settings: Settings,
    addresses: Addresses,
    clients: Clients,
    took: Duration,
    started: Instant,
    front: Option<Front>,
    triggers: Triggers,
    lambda: Lambda,
    cloud: Cloud,
    faults: Faults,
}

/// The addresses of all parts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Addresses {
    /// URLs of the WebSocket API, if the topology has one.
    pub websocket: Option<Websocket>,
    /// URL of the HTTP API, without a slash at the end, if the topology has one.
    pub http_url: Option<String>,
    /// URL of DynamoDB, Streams, SQS and SNS.
    pub aws_endpoint: String,
    /// True if the endpoint belongs to the stack. Only then does it have the inspector.
    pub is_embedded: bool,
    /// The resources of the topology, with their names at the endpoint.
    pub resources: Resources,
}

/// The addresses of the WebSocket API.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Websocket {
    /// URL for clients: `ws://127.0.0.1:3001/local`.
    pub ws_url: String,
    /// URL for callers that post to connections: `http://127.0.0.1:3001/local`.
    pub management_url: String,
}

impl Stack {
    /// Starts all parts and waits until every function has requested work.
    ///
    /// # Errors
    /// One sentence that names the part that cannot run. Nothing runs then.
    pub async fn start(options: Options) -> Result<Self, Error> {
        let started = Instant::now();
        let topology = Topology::read(&options.topology)?;
        let settings = Settings::read(options.local.as_deref(), &options.topology, &topology)?;
        compile::check(&options.binaries, &topology)?;
        let ports = Ports::bind(&options, &topology).await?;
        let callers = Arc::new(Callers::new(topology.functions.iter().map(|function| function.name.as_str())));
        let grants = Arc::new(recorded(Grants::new(&topology), options.used_permissions.as_deref())?);
        let (websocket, http_url) = (ports.websocket(), ports.http_url());
        let faults = Faults::new(&options.faults, options.fault_seed);
        let (stop, pages) = (CancellationToken::new(), Pages::new(settings.pages.clone()));
        let inspector = Inspector::new(faults.clone(), pages, settings.metric_help.clone(), stop.clone());
        let doors = (Arc::clone(&callers), Arc::clone(&grants));
        let cloud = Cloud::start(&options, ports.aws, doors, &faults, &inspector, stop).await?;
        let clients = Clients::new(cloud.url(), &clients::developer_credentials());
        let resources = provision(&topology, &settings, &clients, cloud.url()).await?;
        let is_embedded = options.aws_endpoint.is_none();
        let addresses = Addresses { websocket, http_url, aws_endpoint: cloud.url().to_owned(), is_embedded, resources };
        let values = addresses.values(&settings);
        let lambda = functions::start(&topology, &options, &values, &callers, &inspector)?;
        try_join_all(topology.functions.iter().map(|function| lambda.warm_up(&function.name))).await?;
        let account = Account::new(lambda.clone(), &topology, options.processes, faults.clone());
        let pollers = |function: &str| match callers.poller_keys(function) {
            Some(keys) if options.aws_endpoint.is_none() => clients.with_credentials(&keys.credentials()),
            _ => clients.clone(),
        };
        let triggers = Triggers::start(&topology, &options, &addresses.resources, pollers, account.clone(), &faults)?;
        let hooks = Granted { callers, grants, faults: faults.clone(), inspector: inspector.clone() };
        let front = ports.gateway.map(|port| Front::start(&topology, &options, port, account, hooks)).transpose()?;
        let took = started.elapsed();
        let stack =
            Self { topology, settings, addresses, clients, took, started, front, triggers, lambda, cloud, faults };
        inspector.attach(stack.inspected());
        Ok(stack)
    }

    /// Returns the addresses of all parts.
    #[must_use]
    pub fn addresses(&self) -> &Addresses {
        &self.addresses
    }

    /// Returns the topology that runs.
    #[must_use]
    pub fn topology(&self) -> &Topology {
        &self.topology
    }

    /// Returns the parameters and the banner of this machine.
    #[must_use]
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Returns the duration of the start.
    #[must_use]
    pub fn took(&self) -> Duration {
        self.took
    }

    /// Returns clients of the AWS endpoint with the developer's keys.
    #[must_use]
    pub fn clients(&self) -> &Clients {
        &self.clients
    }

    /// Returns the functions, with their process ids, their counters, and a way to kill a process.
    #[must_use]
    pub fn lambda(&self) -> &Lambda {
        &self.lambda
    }

    /// Returns the faults on demand, to change them and to read their counts.
    #[must_use]
    pub fn faults(&self) -> &Faults {
        &self.faults
    }

    /// Returns the gateway's counters, if there is a gateway.
    #[must_use]
    pub fn gateway_stats(&self) -> Option<local_gateway::Stats> {
        self.front.as_ref().map(Front::stats)
    }

    /// Returns the environment of a command that runs beside the stack.
    #[must_use]
    pub fn variables(&self) -> BTreeMap<String, String> {
        let ws_url = self.addresses.websocket.as_ref().map_or("", |websocket| &websocket.ws_url);
        self.addresses.values(&self.settings).of_command(ws_url)
    }

    /// Returns the counters of all parts, in the form of `GET /_local/stats`.
    #[must_use]
    pub fn statistics(&self) -> Value {
        self.counters().read()
    }

    /// Stops the stack: closes the clients' connections, lets running invocations end, and ends
    /// every process. Takes at most [`STOPS_WITHIN`].
    pub async fn shutdown(self) {
        let Self { front, triggers, lambda, cloud, .. } = self;
        let deadline = Instant::now() + STOPS_WITHIN;
        let close = async {
            if let Some(front) = front {
                front.stop().await;
            }
        };
        futures::future::join(triggers.stop(), close).await;
        let left = deadline.saturating_duration_since(Instant::now()).max(LAST_FUNCTIONS);
        lambda.shutdown(left.saturating_sub(LAST_FUNCTIONS)).await;
        cloud.stop().await;
    }

    fn inspected(&self) -> Inspected {
        Inspected {
            counters: self.counters(),
            lambda: self.lambda.clone(),
            messaging: self.cloud.messaging(),
            gateway: self.front.as_ref().map(Front::counters),
            config: self.config(),
            variables: self.variables(),
        }
    }

    /// Returns the configuration of pages: every address, the functions, and the values from the
    /// settings.
    fn config(&self) -> Value {
        let mut config = self.addresses.to_json();
        config["name"] = json!(self.topology.name);
        config["functions"] = self.topology.functions.iter().map(|function| json!(function.name)).collect();
        config["pages"] = self.settings.pages.keys().map(|name| json!(format!("/{name}/"))).collect();
        config["page_config"] = json!(self.settings.page_config);
        config
    }

    fn counters(&self) -> Counters {
        Counters {
            calls: self.cloud.calls(),
            gateway: self.front.as_ref().map(Front::counters),
            lambda: self.lambda.clone(),
            triggers: self.triggers.clone(),
            messaging: self.cloud.messaging(),
            faults: self.faults.clone(),
            started: self.started,
        }
    }
}

fn recorded(grants: Grants, file: Option<&Path>) -> Result<Grants, Error> {
    let Some(file) = file else { return Ok(grants) };
    grants.recorded_in(file).map_err(|source| Unwritable { file: file.to_owned(), source }.into())
}

impl Addresses {
    fn values<'a>(&'a self, settings: &'a Settings) -> Values<'a> {
        Values {
            resources: &self.resources,
            settings,
            management_url: self.websocket.as_ref().map_or("", |websocket| &websocket.management_url),
            http_url: self.http_url.as_deref().unwrap_or_default(),
            aws_endpoint: &self.aws_endpoint,
        }
    }

    /// Returns the addresses as a JSON object, for programs that wait for the stack.
    #[must_use]
    pub fn to_json(&self) -> Value {
        let queues: BTreeMap<&String, &String> =
            self.resources.queues.iter().map(|(name, queue)| (name, &queue.url)).collect();
        json!({
            "ws_url": self.websocket.as_ref().map(|websocket| &websocket.ws_url),
            "management_url": self.websocket.as_ref().map(|websocket| &websocket.management_url),
            "http_url": self.http_url,
            "aws_endpoint": self.aws_endpoint,
            "region": crate::place::REGION,
            "tables": self.resources.tables.keys().collect::<Vec<_>>(),
            "queues": queues,
            "topics": self.resources.topics,
            "pid": std::process::id(),
        })
    }
}

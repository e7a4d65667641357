//! The whole stack: what is started in which order, and stopped in which.

use std::collections::BTreeMap;
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
use crate::ports::Ports;
use crate::provision::{Resources, provision};
use crate::settings::Settings;
use crate::statistics::Counters;
use crate::triggers::Triggers;
use crate::{Error, clients, compile, functions};

/// How long stopping may take in all. What has not ended by then is killed.
pub const STOPS_WITHIN: Duration = Duration::from_millis(4_800);
/// What is left for the last functions when the gateway took its whole time to drain.
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

/// Where everything is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Addresses {
    /// The WebSocket API, if the topology has one.
    pub websocket: Option<Websocket>,
    /// DynamoDB, Streams, SQS and SNS.
    pub aws_endpoint: String,
    /// Whether the endpoint is the stack's own, which has the inspector.
    pub is_embedded: bool,
    /// What the topology names, as it is called there.
    pub resources: Resources,
}

/// The addresses of the WebSocket API.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Websocket {
    /// For clients: `ws://127.0.0.1:3001/local`.
    pub ws_url: String,
    /// For whoever posts to connections: `http://127.0.0.1:3001/local`.
    pub management_url: String,
}

impl Stack {
    /// Starts everything and waits until every function has asked for work.
    ///
    /// # Errors
    /// The one sentence that says what cannot run. Nothing runs then.
    pub async fn start(options: Options) -> Result<Self, Error> {
        let started = Instant::now();
        let topology = Topology::read(&options.topology)?;
        let settings = Settings::read(options.local.as_deref(), &options.topology, &topology)?;
        compile::check(&options.binaries, &topology)?;
        let ports = Ports::bind(&options, &topology).await?;
        let callers = Arc::new(Callers::new(topology.functions.iter().map(|function| function.name.as_str())));
        let grants = Arc::new(Grants::new(&topology));
        let websocket = ports.websocket();
        let faults = Faults::new(&options.faults, options.fault_seed);
        let (stop, pages) = (CancellationToken::new(), Pages::new(settings.pages.clone()));
        let inspector = Inspector::new(faults.clone(), pages, stop.clone());
        let doors = (Arc::clone(&callers), Arc::clone(&grants));
        let cloud = Cloud::start(&options, ports.aws, doors, &faults, &inspector, stop).await?;
        let clients = Clients::new(cloud.url(), &clients::developer_credentials());
        let resources = provision(&topology, &settings, &clients, cloud.url()).await?;
        let is_embedded = options.aws_endpoint.is_none();
        let addresses = Addresses { websocket, aws_endpoint: cloud.url().to_owned(), is_embedded, resources };
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

    /// Where everything is.
    #[must_use]
    pub fn addresses(&self) -> &Addresses {
        &self.addresses
    }

    /// What runs.
    #[must_use]
    pub fn topology(&self) -> &Topology {
        &self.topology
    }

    /// Parameters and banner of this machine.
    #[must_use]
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// How long the start took.
    #[must_use]
    pub fn took(&self) -> Duration {
        self.took
    }

    /// Clients of the AWS endpoint with the developer's keys.
    #[must_use]
    pub fn clients(&self) -> &Clients {
        &self.clients
    }

    /// The functions: their process ids, their numbers, and a way to kill one in the middle.
    #[must_use]
    pub fn lambda(&self) -> &Lambda {
        &self.lambda
    }

    /// What goes wrong on demand: to change it, and to see how often it did.
    #[must_use]
    pub fn faults(&self) -> &Faults {
        &self.faults
    }

    /// What the gateway counted, if there is one.
    #[must_use]
    pub fn gateway_stats(&self) -> Option<local_gateway::Stats> {
        self.front.as_ref().map(Front::stats)
    }

    /// The environment of a command that runs beside the stack.
    #[must_use]
    pub fn variables(&self) -> BTreeMap<String, String> {
        let ws_url = self.addresses.websocket.as_ref().map_or("", |websocket| &websocket.ws_url);
        self.addresses.values(&self.settings).of_command(ws_url)
    }

    /// What everybody counted, as `GET /_local/stats` serves it.
    #[must_use]
    pub fn statistics(&self) -> Value {
        self.counters().read()
    }

    /// Stops: clients are told to go, what runs may end, every process is gone afterwards. Takes at most
    /// [`STOPS_WITHIN`].
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

    /// What a page has to know: every address, the functions, and what the settings say for pages.
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

impl Addresses {
    fn values<'a>(&'a self, settings: &'a Settings) -> Values<'a> {
        Values {
            resources: &self.resources,
            settings,
            management_url: self.websocket.as_ref().map_or("", |websocket| &websocket.management_url),
            aws_endpoint: &self.aws_endpoint,
        }
    }

    /// As a JSON object, for programs that wait for the stack.
    #[must_use]
    pub fn to_json(&self) -> Value {
        let queues: BTreeMap<&String, &String> =
            self.resources.queues.iter().map(|(name, queue)| (name, &queue.url)).collect();
        json!({
            "ws_url": self.websocket.as_ref().map(|websocket| &websocket.ws_url),
            "management_url": self.websocket.as_ref().map(|websocket| &websocket.management_url),
            "aws_endpoint": self.aws_endpoint,
            "region": crate::place::REGION,
            "tables": self.resources.tables.keys().collect::<Vec<_>>(),
            "queues": queues,
            "topics": self.resources.topics,
            "pid": std::process::id(),
        })
    }
}

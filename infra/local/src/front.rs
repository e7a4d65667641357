//! The gateway of the stack: the WebSocket API, and the HTTP API on the same port.

use local_gateway::{Authorizer, Config, Gateway, Hosts, HttpApi, HttpRoute, Rate, Route, Stats};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use topology::{Throttle, Topology, Trigger};

use crate::Error;
use crate::account::Account;
use crate::hooks::Granted;
use crate::options::Options;
use crate::place::{ACCOUNT, API_ID, HTTP_API_ID, REGION, STAGE};
use crate::ports::Port;

/// The route selection expression where there is no WebSocket API. No route can be selected then.
const NO_MESSAGES: &str = "$request.body.action";

/// A gateway and the task that serves it.
pub(crate) struct Front {
    gateway: Gateway<Account>,
    stop: CancellationToken,
    serving: JoinHandle<()>,
}

impl Front {
    /// Serves the routes of the topology.
    pub(crate) fn start(
        topology: &Topology,
        options: &Options,
        port: Port,
        account: Account,
        hooks: Granted,
    ) -> Result<Self, Error> {
        let Port { address, listeners, hosts } = port;
        let config = config(topology, options, address.to_string(), hosts);
        let gateway = Gateway::with_hooks(config, account, hooks)?;
        let stop = CancellationToken::new();
        let (serves, stopped) = (gateway.clone(), stop.clone());
        let serving = tokio::spawn(async move {
            serves.serve_all(listeners, stopped.cancelled_owned()).await;
        });
        Ok(Self { gateway, stop, serving })
    }

    /// Returns the gateway's counters.
    pub(crate) fn stats(&self) -> Stats {
        self.gateway.stats()
    }

    /// Returns a handle to the gateway, for later reads of its counters.
    pub(crate) fn counters(&self) -> Gateway<Account> {
        self.gateway.clone()
    }

    /// Closes every connection and runs every `$disconnect`. Takes at most the drain timeout.
    pub(crate) async fn stop(self) {
        self.stop.cancel();
        if let Err(error) = self.serving.await {
            tracing::error!(%error, "the gateway's task panicked or was cancelled: its connections may not be closed");
        }
    }
}

fn config(topology: &Topology, options: &Options, domain_name: String, hosts: Hosts) -> Config {
    let mut routes = Vec::new();
    let mut authorizer = None;
    let mut http_routes = Vec::new();
    for (function, trigger) in topology.triggers() {
        match trigger {
            Trigger::Websocket(trigger) => routes.extend(trigger.routes.iter().map(|key| Route {
                key: key.clone(),
                function: function.name.clone(),
                responds: trigger.response,
                rate: trigger.throttle.map(|Throttle { rate, burst }| Rate { per_second: rate, burst }),
            })),
            Trigger::Authorizer { identity_sources } => {
                authorizer =
                    Some(Authorizer { function: function.name.clone(), identity_sources: identity_sources.clone() });
            }
            Trigger::Http { routes } => http_routes
                .extend(routes.iter().map(|key| HttpRoute { key: key.clone(), function: function.name.clone() })),
            Trigger::Queue(_) | Trigger::Stream(_) | Trigger::Schedule(_) => {}
        }
    }
    let expression = topology.websocket.as_ref().map(|websocket| websocket.route_selection_expression.clone());
    Config {
        api_id: API_ID.to_owned(),
        region: REGION.to_owned(),
        account_id: ACCOUNT.to_owned(),
        stage: STAGE.to_owned(),
        domain_name,
        route_selection_expression: expression.unwrap_or_else(|| NO_MESSAGES.to_owned()),
        routes,
        authorizer,
        http: topology.http.as_ref().map(|_| HttpApi { api_id: HTTP_API_ID.to_owned(), routes: http_routes }),
        allow_binary: false,
        hosts: Some(hosts),
        limits: options.limits.clone(),
    }
}

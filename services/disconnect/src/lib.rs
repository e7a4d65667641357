//! The disconnect function (`$disconnect`) turns the connection into a tombstone and removes its
//! memberships. It may run before, after and without connect, and any number of times: the gateway
//! calls it on a best effort.

mod config;

use domain::flow::forget;
use domain::ports::{Clock, Connections, Memberships};
use lambda_kit::start::Routes;
use lambda_kit::websocket::{Answer, Call};
use telemetry::{Summary, field, metric};

pub use config::Config;

/// Removes closed connections.
#[derive(Debug)]
pub struct Disconnect<P, C> {
    ports: P,
    clock: C,
}

impl<P, C> Disconnect<P, C> {
    /// Creates the function over these ports.
    #[must_use]
    pub fn new(ports: P, clock: C) -> Self {
        Self { ports, clock }
    }
}

impl<P: Connections + Memberships, C: Clock> Routes for Disconnect<P, C> {
    async fn handle(&self, call: Call, summary: &mut Summary) -> Answer {
        match forget(&self.ports, &call.connection, self.clock.now()).await {
            Ok(()) => {
                summary.add(metric::CONNECTIONS_CLOSED, 1);
                Answer::silent()
            }
            Err(error) => {
                // The client is gone, so it needs no answer. The first 410 or the reaper removes
                // what is left.
                summary.set(field::OUTCOME, "unavailable");
                summary.set(field::ERROR, error.to_string());
                Answer::status(503)
            }
        }
    }
}

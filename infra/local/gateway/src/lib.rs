//! API Gateway WebSocket APIs on one machine.
//!
//! A [`Gateway`] accepts WebSocket clients, invokes an authorizer, invokes the functions of its
//! routes through [`local_invoke::Invoke`], and serves the management API (`@connections`) on the
//! same port:
//!
//! | request | meaning |
//! | --- | --- |
//! | `GET /{stage}` with an upgrade | a client's handshake |
//! | `POST`, `GET`, `DELETE /{stage}/@connections/{id}` | `PostToConnection`, `GetConnection`, `DeleteConnection` |
//! | `GET /ping` | a health check |
//! | a path of a route of [`HttpApi`] | a request to the HTTP API |
//!
//! It imitates the behaviour that functions and clients can observe: events byte for byte, error
//! frames to the letter, handshake statuses, close codes, limits, throttling, and best-effort
//! operations. It depends neither on a particular function nor on topologies. Where AWS documents
//! nothing, a comment marks this gateway's choice.
//!
//! ```no_run
//! # async fn example(config: local_gateway::Config, functions: impl local_invoke::Invoke) -> Result<(), Box<dyn std::error::Error>> {
//! let gateway = local_gateway::Gateway::new(config, functions)?;
//! let listener = tokio::net::TcpListener::bind("127.0.0.1:3001").await?;
//! let drained = gateway.serve(listener, async { tokio::signal::ctrl_c().await.unwrap_or_default() }).await;
//! println!("closed {} connections", drained.closed);
//! # Ok(())
//! # }
//! ```

mod authorizer;
mod clock;
mod config;
mod connection;
mod core;
mod ending;
mod event;
mod fields;
mod gateway;
mod handshake;
mod head;
mod hooks;
mod http_api;
mod http_routes;
mod ids;
mod json;
mod lifecycle;
pub mod limits;
mod management;
mod message;
mod origin;
mod outbox;
mod policy;
mod proxy;
mod replies;
mod route;
mod server;
mod session;
mod sigv4;
mod stats;
mod throttle;
mod upgrade;

pub use crate::config::{Authorizer, Config, Error, Route};
pub use crate::gateway::{Drained, Gateway, OpenConnection};
pub use crate::hooks::{
    Access, CallFault, CallOutcome, DisconnectFault, Happening, Hooks, ManagementCall, ManagementMethod, NoHooks,
};
pub use crate::http_routes::{HttpApi, HttpRoute};
pub use crate::limits::{Limits, Rate};
pub use crate::origin::{Foreign, Hosts};
pub use crate::stats::Stats;

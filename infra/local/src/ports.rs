//! The ports that are taken before anything else starts, so that a conflict is told at once.

use std::net::{Ipv4Addr, SocketAddr};

use tokio::net::TcpListener;
use topology::Topology;

use crate::Error;
use crate::options::Options;
use crate::place::STAGE;
use crate::stack::Websocket;

/// What listens.
pub(crate) struct Ports {
    /// Unless somebody else's endpoint is used.
    pub(crate) aws: Option<TcpListener>,
    /// If the topology has a WebSocket API.
    pub(crate) gateway: Option<TcpListener>,
}

impl Ports {
    pub(crate) async fn bind(options: &Options, topology: &Topology) -> Result<Self, Error> {
        let gateway = match topology.websocket {
            Some(_) => Some(listen("WebSocket API", options.websocket_port, "--ws-port").await?),
            None => None,
        };
        let aws = match options.aws_endpoint {
            None => Some(listen("AWS endpoint", options.aws_port, "--aws-port").await?),
            Some(_) => None,
        };
        Ok(Self { aws, gateway })
    }

    /// The URLs of the WebSocket API.
    pub(crate) fn websocket(&self) -> Option<Websocket> {
        let address = self.gateway.as_ref()?.local_addr().ok()?;
        Some(Websocket {
            ws_url: format!("ws://{address}/{STAGE}"),
            management_url: format!("http://{address}/{STAGE}"),
        })
    }
}

async fn listen(what: &'static str, port: u16, option: &'static str) -> Result<TcpListener, Error> {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    TcpListener::bind(address).await.map_err(|source| match source.kind() {
        std::io::ErrorKind::AddrInUse => Error::PortInUse { what, address, option },
        _ => Error::Listen { what, address, source },
    })
}

//! Opens the ports before anything else starts, so that a conflict is reported at once.
//!
//! Each port is opened on both loopback addresses, because `localhost` resolves to `::1` first on
//! many machines. A machine without IPv6 has only 127.0.0.1.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use local_gateway::Hosts;
use tokio::net::TcpListener;
use topology::Topology;

use crate::Error;
use crate::options::Options;
use crate::place::STAGE;
use crate::stack::Websocket;

/// Number of free ports of 127.0.0.1 that are tried until one is also free on `::1`.
const FREE_PORTS_TRIED: usize = 16;

/// The listeners of one stack.
pub(crate) struct Ports {
    /// The port of the embedded endpoint. `None` if an external endpoint is used.
    pub(crate) aws: Option<Port>,
    /// The port of the WebSocket API and the HTTP API, if the topology has one of them.
    pub(crate) gateway: Option<Port>,
    has_websocket: bool,
    has_http: bool,
}

/// One port on every loopback address of the machine.
pub(crate) struct Port {
    /// The address on 127.0.0.1, which the banner and the environment contain.
    pub(crate) address: SocketAddr,
    /// One listener per loopback address.
    pub(crate) listeners: Vec<TcpListener>,
    /// The host names by which the port is addressed.
    pub(crate) hosts: Hosts,
}

impl Ports {
    pub(crate) async fn bind(options: &Options, topology: &Topology) -> Result<Self, Error> {
        let (ws_port, aws_port, names) = (options.websocket_port, options.aws_port, &options.hosts);
        let gateway = match (&topology.websocket, &topology.http) {
            (None, None) => None,
            _ => Some(Port::bind("WebSocket API", ws_port, "--ws-port", names).await?),
        };
        let (has_websocket, has_http) = (topology.websocket.is_some(), topology.http.is_some());
        let aws = match options.aws_endpoint {
            None => Some(Port::bind("AWS endpoint", aws_port, "--aws-port", names).await?),
            Some(_) => None,
        };
        Ok(Self { aws, gateway, has_websocket, has_http })
    }

    /// Returns the URL of the HTTP API, without a slash at the end.
    pub(crate) fn http_url(&self) -> Option<String> {
        let port = self.gateway.as_ref().filter(|_| self.has_http)?;
        Some(format!("http://{}", port.address))
    }

    /// Returns the URLs of the WebSocket API.
    pub(crate) fn websocket(&self) -> Option<Websocket> {
        let address = self.gateway.as_ref().filter(|_| self.has_websocket)?.address;
        Some(Websocket {
            ws_url: format!("ws://{address}/{STAGE}"),
            management_url: format!("http://{address}/{STAGE}"),
        })
    }
}

impl Port {
    /// Opens a port, or a free one if `port` is 0. `option` is the option that selects another
    /// port.
    async fn bind(what: &'static str, port: u16, option: &'static str, names: &[String]) -> Result<Self, Error> {
        let mut tries = if port == 0 { FREE_PORTS_TRIED } else { 1 };
        loop {
            tries -= 1;
            match Self::try_bind(port, names).await {
                Ok(bound) => return Ok(bound),
                Err((_, error)) if tries > 0 && error.kind() == io::ErrorKind::AddrInUse => {}
                Err((address, source)) => {
                    return Err(match source.kind() {
                        io::ErrorKind::AddrInUse => Error::PortInUse { what, address, option },
                        _ => Error::Listen { what, address, source },
                    });
                }
            }
        }
    }

    async fn try_bind(port: u16, names: &[String]) -> Result<Self, (SocketAddr, io::Error)> {
        let (first, address) = listen(Ipv4Addr::LOCALHOST.into(), port).await?;
        let mut listeners = vec![first];
        match listen(Ipv6Addr::LOCALHOST.into(), address.port()).await {
            Ok((second, _)) => listeners.push(second),
            Err((_, error)) if is_without_ipv6(&error) => {
                tracing::debug!(%error, "this machine has no IPv6 loopback address; 127.0.0.1 is used alone");
            }
            Err(refused) => return Err(refused),
        }
        Ok(Self { address, listeners, hosts: Hosts::loopback(address.port(), names) })
    }
}

async fn listen(ip: IpAddr, port: u16) -> Result<(TcpListener, SocketAddr), (SocketAddr, io::Error)> {
    let wanted = SocketAddr::from((ip, port));
    let refused = |error| (wanted, error);
    let listener = TcpListener::bind(wanted).await.map_err(refused)?;
    let address = listener.local_addr().map_err(refused)?;
    Ok((listener, address))
}

/// Returns whether IPv6 is disabled (the address does not exist) or not supported (the address
/// family is unknown).
fn is_without_ipv6(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::AddrNotAvailable
        || error.raw_os_error() == Some(nix::errno::Errno::EAFNOSUPPORT as i32)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_port_is_taken_on_both_loopback_addresses() {
        let port = Port::bind("WebSocket API", 0, "--ws-port", &[]).await.unwrap();
        assert_eq!(port.address.ip(), IpAddr::from(Ipv4Addr::LOCALHOST));
        let has_ipv6 = TcpListener::bind((Ipv6Addr::LOCALHOST, 0)).await.is_ok();
        let ports: Vec<u16> = port.listeners.iter().map(|listener| listener.local_addr().unwrap().port()).collect();
        assert_eq!(ports, vec![port.address.port(); if has_ipv6 { 2 } else { 1 }]);
    }

    #[test]
    fn a_machine_without_ipv6_is_no_failure() {
        assert!(is_without_ipv6(&io::Error::from(io::ErrorKind::AddrNotAvailable)));
        assert!(is_without_ipv6(&io::Error::from(nix::errno::Errno::EAFNOSUPPORT)));
        assert!(!is_without_ipv6(&io::Error::from(io::ErrorKind::AddrInUse)));
    }
}

//! The ports that are taken before anything else starts, so that a conflict is reported at once.
//!
//! Each port is taken on both loopback addresses, because `localhost` is `::1` first on many machines. A machine
//! without IPv6 has 127.0.0.1 alone.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use local_gateway::Hosts;
use tokio::net::TcpListener;
use topology::Topology;

use crate::Error;
use crate::options::Options;
use crate::place::STAGE;
use crate::stack::Websocket;

/// Free ports of 127.0.0.1 that are tried until one is free on `::1` too.
const FREE_PORTS_TRIED: usize = 16;

/// The listeners of one stack.
pub(crate) struct Ports {
    /// Absent if another endpoint is used.
    pub(crate) aws: Option<Port>,
    /// Present if the topology has a WebSocket API.
    pub(crate) gateway: Option<Port>,
}

/// One port on every loopback address that the machine has.
pub(crate) struct Port {
    /// On 127.0.0.1: the address that the banner and the environment name.
    pub(crate) address: SocketAddr,
    /// One per loopback address.
    pub(crate) listeners: Vec<TcpListener>,
    /// The names by which the port is addressed.
    pub(crate) hosts: Hosts,
}

impl Ports {
    pub(crate) async fn bind(options: &Options, topology: &Topology) -> Result<Self, Error> {
        let (ws_port, aws_port, names) = (options.websocket_port, options.aws_port, &options.hosts);
        let gateway = match topology.websocket {
            Some(_) => Some(Port::bind("WebSocket API", ws_port, "--ws-port", names).await?),
            None => None,
        };
        let aws = match options.aws_endpoint {
            None => Some(Port::bind("AWS endpoint", aws_port, "--aws-port", names).await?),
            Some(_) => None,
        };
        Ok(Self { aws, gateway })
    }

    /// The URLs of the WebSocket API.
    pub(crate) fn websocket(&self) -> Option<Websocket> {
        let address = self.gateway.as_ref()?.address;
        Some(Websocket {
            ws_url: format!("ws://{address}/{STAGE}"),
            management_url: format!("http://{address}/{STAGE}"),
        })
    }
}

impl Port {
    /// Listens on a port, or on a free one if `port` is 0. `option` chooses another port.
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

/// IPv6 is switched off (the address does not exist), or was never built in (the family is unknown).
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

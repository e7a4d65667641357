//! The public interface of the gateway: create, serve, observe, stop.

use std::convert::Infallible;
use std::future::Future;
use std::io;
use std::net::IpAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt as _;
use futures::stream::FuturesUnordered;
use local_invoke::Invoke;
use serde::Serialize;
use serde_json::value::RawValue;
use socket2::SockRef;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{sleep, timeout};
use tracing::{debug, warn};

use crate::config::{Api, Config, Error};
use crate::connection::Connection;
use crate::core::Core;
use crate::hooks::{Hooks, NoHooks};
use crate::server;
use crate::stats::Stats;

/// Pause after a failed `accept`. The usual cause is a lack of file descriptors, which ends when
/// other connections close.
const ACCEPT_RETRY: Duration = Duration::from_millis(50);

/// One WebSocket API. Clones are handles to the same API.
pub struct Gateway<I> {
    core: Arc<Core<I>>,
}

/// The result of stopping.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Drained {
    /// Connections that were open and received the close reason "Going away".
    pub closed: usize,
    /// True if every connection was closed and every `$disconnect` answered within the drain
    /// timeout. The rest is dropped with the runtime.
    pub complete: bool,
}

/// A snapshot of one open connection.
#[derive(Debug, Clone, Serialize)]
pub struct OpenConnection {
    /// The connection's id in events and in the management API.
    pub connection_id: String,
    /// Time of the handshake, in milliseconds since 1970.
    pub connected_at_ms: i64,
    /// Time of the last data in either direction, in milliseconds since 1970.
    pub last_active_at_ms: i64,
    /// The client's address.
    pub source_ip: IpAddr,
    /// The client's `User-Agent` header.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user_agent: Option<String>,
    /// The authorizer's context: `requestContext.authorizer`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub authorizer: Option<Box<RawValue>>,
}

impl OpenConnection {
    fn of(connection: &Connection) -> Self {
        Self {
            connection_id: connection.id.to_string(),
            connected_at_ms: connection.connected_at_ms,
            last_active_at_ms: connection.last_active_at_ms(),
            source_ip: connection.source_ip,
            user_agent: connection.user_agent.as_deref().map(str::to_owned),
            authorizer: connection.authorizer.clone(),
        }
    }
}

impl<I> Clone for Gateway<I> {
    fn clone(&self) -> Self {
        Self { core: Arc::clone(&self.core) }
    }
}

impl<I: Invoke> Gateway<I> {
    /// Creates a gateway that invokes functions through `invoker`.
    ///
    /// # Errors
    /// The first mistake in `config`.
    pub fn new(config: Config, invoker: I) -> Result<Self, Error> {
        Self::with_hooks(config, invoker, NoHooks)
    }

    /// Creates a gateway that calls `hooks` for access decisions, faults and events.
    ///
    /// # Errors
    /// The first mistake in `config`.
    pub fn with_hooks(config: Config, invoker: I, hooks: impl Hooks) -> Result<Self, Error> {
        let api = Api::check(config)?;
        Ok(Self { core: Arc::new(Core::new(api, invoker, Arc::new(hooks))) })
    }

    /// Accepts clients and callers until `shutdown` is ready, then [drains](Self::drain).
    pub async fn serve(self, listener: TcpListener, shutdown: impl Future<Output = ()>) -> Drained {
        self.serve_all(vec![listener], shutdown).await
    }

    /// Like [`Self::serve`], on several addresses.
    pub async fn serve_all(self, listeners: Vec<TcpListener>, shutdown: impl Future<Output = ()>) -> Drained {
        let mut shutdown = pin!(shutdown);
        {
            let mut accepting: FuturesUnordered<_> =
                listeners.into_iter().map(|listener| self.accept(listener)).collect();
            tokio::select! {
                () = &mut shutdown => {}
                never = accepting.next() => match never {
                    Some(never) => match never {},
                    None => shutdown.await,
                },
            }
        }
        self.drain().await
    }

    async fn accept(&self, listener: TcpListener) -> Infallible {
        loop {
            match listener.accept().await {
                Ok((stream, peer)) => self.welcome(stream, peer.ip()),
                Err(error) => {
                    warn!(%error, "cannot accept a connection: retried after a pause");
                    sleep(ACCEPT_RETRY).await;
                }
            }
        }
    }

    /// Serves HTTP and WebSocket on one stream, as if `source_ip` had connected through TCP.
    /// Returns when HTTP ends on the stream. A WebSocket continues in its own task.
    pub async fn serve_stream<S>(&self, stream: S, source_ip: IpAddr)
    where
        S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        server::serve_stream(Arc::clone(&self.core), stream, source_ip).await;
    }

    /// Closes every connection with 1001 and runs every `$disconnect`. Takes at most the drain
    /// timeout.
    pub async fn drain(&self) -> Drained {
        let closed = self.core.registry.len();
        self.core.begin_stopping();
        let complete = timeout(self.core.api.limits.drain_timeout, self.core.tasks.wait()).await.is_ok();
        if !complete {
            warn!("drain timed out: some connections did not close or some $disconnect did not answer");
        }
        Drained { closed, complete }
    }

    /// Returns at most `most` open connections, the oldest first.
    pub fn connections(&self, most: usize) -> Vec<OpenConnection> {
        let mut open: Vec<_> = self.core.registry.some(most).iter().map(|open| OpenConnection::of(open)).collect();
        open.sort_by_key(|open| open.connected_at_ms);
        open
    }

    /// Returns a snapshot of the counters.
    pub fn stats(&self) -> Stats {
        self.core.counters.snapshot(self.core.registry.len())
    }

    fn welcome(&self, stream: TcpStream, source_ip: IpAddr) {
        if let Err(error) = prepare(&stream, self.core.api.limits.socket_send_buffer_bytes) {
            debug!(%error, "cannot set an option of a client's socket: the connection continues without it");
        }
        drop(self.core.tasks.spawn(server::serve_stream(Arc::clone(&self.core), stream, source_ip)));
    }
}

fn prepare(stream: &TcpStream, send_buffer_bytes: Option<usize>) -> io::Result<()> {
    // Frames are small and a client waits for each of them, so gathering frames would only add
    // delay.
    stream.set_nodelay(true)?;
    send_buffer_bytes.map_or(Ok(()), |bytes| SockRef::from(stream).set_send_buffer_size(bytes))
}

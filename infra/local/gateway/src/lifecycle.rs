//! The lifecycle of a connection in one task: handshake, session, `$disconnect`.
//!
//! The task does not depend on the HTTP request, so `$disconnect` also runs for a client that
//! vanishes during its handshake.

use std::sync::Arc;

use hyper::header::HeaderValue;
use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper_util::rt::TokioIo;
use local_invoke::Invoke;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::oneshot;
use tokio::time::sleep;
use tracing::debug;

use crate::connection::Connection;
use crate::core::Core;
use crate::ending::Ending;
use crate::event::{self, RequestStamp};
use crate::fields::Request;
use crate::handshake::{self, Admission};
use crate::head::Recorded;
use crate::hooks::{DisconnectFault, Happening};
use crate::ids::Id;
use crate::replies::HttpResponse;
use crate::session::Session;
use crate::upgrade;

/// A valid opening handshake before its connection is open.
pub(crate) struct Opening {
    pub(crate) request: Request,
    pub(crate) key: HeaderValue,
    pub(crate) upgrade: OnUpgrade,
}

/// Runs a connection from its handshake to its `$disconnect`. The answer to the handshake is sent
/// to `answer`. `S` is the stream below HTTP.
pub(crate) async fn live<S, I>(core: Arc<Core<I>>, opening: Opening, answer: oneshot::Sender<HttpResponse>)
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    I: Invoke,
{
    // The future is on the heap and is dropped after the handshake, because an open connection
    // needs much less memory than its handshake.
    let (opened, upgrade) = Box::pin(open(&core, opening)).await;
    let (connection, response) = match opened {
        Ok(opened) => opened,
        Err(refused) => {
            let _ = answer.send(refused);
            return;
        }
    };
    // If the receiver no longer waits, the upgrade below fails too, and that failure is handled
    // there.
    let _ = answer.send(response);
    let ending = match upgrade.await.ok().and_then(stream_of::<S>) {
        Some((stream, early)) => {
            let mut session = Session::new(Arc::clone(&core), Arc::clone(&connection), stream, early).await;
            let ending = session.run().await;
            forget(&core, &connection, &ending);
            tokio::join!(session.finish(&ending), disconnect(&core, &connection, &ending));
            ending
        }
        None => {
            let ending = Ending::lost();
            forget(&core, &connection, &ending);
            disconnect(&core, &connection, &ending).await;
            ending
        }
    };
    debug!(connection = %connection.id, status = ending.status(), reason = ending.reason(), "connection closed");
}

/// Runs the handshake. Callers can post to an admitted connection before its client has the 101.
async fn open<I: Invoke>(
    core: &Core<I>,
    opening: Opening,
) -> (Result<(Arc<Connection>, HttpResponse), HttpResponse>, OnUpgrade) {
    let Opening { request, key, upgrade } = opening;
    let stamp = RequestStamp::now();
    // Both ids have the same time, so they share their first characters.
    let id = Id::at(stamp.epoch_ms);
    let buffer_bytes = core.api.limits.outbound_buffer_bytes;
    let connection = Connection::new(id, stamp.epoch_ms, request.source_ip, request.user_agent(), buffer_bytes);
    let opened = match handshake::admit(core, connection, &request, stamp).await {
        Ok(Admission { connection, subprotocol }) => {
            core.counters.connections_accepted.add_one();
            let connection = Arc::new(connection);
            core.register(&connection);
            if core.hooks.is_observing() {
                let (connection_id, user_agent) = (connection.id.as_str(), connection.user_agent.as_deref());
                core.hooks.observe(Happening::Opened { connection_id, source_ip: connection.source_ip, user_agent });
            }
            Ok((connection, upgrade::switching_protocols(&key, subprotocol.as_deref())))
        }
        Err(refusal) => {
            core.counters.connections_refused.add_one();
            let response = refusal.response(id, stamp.request_id);
            if core.hooks.is_observing() {
                let (status, source_ip) = (response.status().as_u16(), request.source_ip);
                core.hooks.observe(Happening::Refused { status, source_ip });
            }
            Err(response)
        }
    };
    (opened, upgrade)
}

/// Removes the connection. From now on posts to it are answered with 410.
fn forget<I: Invoke>(core: &Core<I>, connection: &Connection, ending: &Ending) {
    connection.outbox.close();
    core.registry.remove(connection.id);
    if core.hooks.is_observing() {
        let (connection_id, code, reason) = (connection.id.as_str(), ending.status(), ending.reason());
        core.hooks.observe(Happening::Closed { connection_id, code, reason });
    }
}

/// Invokes `$disconnect`. It is best effort, as on AWS: failures are ignored.
async fn disconnect<I: Invoke>(core: &Core<I>, connection: &Connection, ending: &Ending) {
    let Some(function) = &core.api.disconnect else { return };
    let fault = core.hooks.fault_of_disconnect(connection.id.as_str());
    match fault {
        Some(DisconnectFault::Drop) => return,
        Some(DisconnectFault::Delay(delay)) => sleep(delay).await,
        Some(DisconnectFault::Repeat(_)) | None => {}
    }
    let event = event::disconnect(&core.api, connection, ending, RequestStamp::now());
    core.counters.disconnects_invoked.add_one();
    if core.call(function, event.clone()).await.is_err() {
        core.counters.integrations_failed.add_one();
    }
    if let Some(DisconnectFault::Repeat(delay)) = fault {
        sleep(delay).await;
        core.counters.disconnects_invoked.add_one();
        let _ = core.call(function, event).await;
    }
}

/// Returns the stream below HTTP, and the bytes that the client sent right after its handshake.
fn stream_of<S>(upgraded: Upgraded) -> Option<(S, Vec<u8>)>
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let parts = upgraded.downcast::<TokioIo<Recorded<S>>>().ok()?;
    Some((parts.io.into_inner().into_inner(), parts.read_buf.to_vec()))
}

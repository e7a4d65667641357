//! The entries of a run's agenda.

use domain::{ConnectionId, Timestamp};
use roomcast_client::rules::LinkId;

use crate::executor::TaskId;
use crate::step::Step;

/// An entry of the agenda.
#[derive(Debug)]
pub(crate) enum Due {
    /// A step of the script, with the index of its member.
    Step(usize, Step),
    /// A client's next timer is due.
    Wake(usize),
    /// A handshake arrives at the gateway.
    Handshake(ConnectionId),
    /// A message of a client arrives at the gateway.
    FromClient(ConnectionId, String),
    /// A message of the gateway arrives at the client.
    ToClient(ConnectionId, String),
    /// A client has waited for the response to its handshake until its timeout.
    Waited(ConnectionId),
    /// There is no token to connect with.
    NoToken(ConnectionId),
    /// The backend replies to a client that asked for a token.
    Token(usize, LinkId),
    /// The response 101 arrives at the client.
    OpenedTo(ConnectionId),
    /// The refusal of a handshake arrives at the client, with its status.
    RefusedTo(ConnectionId, u16),
    /// The end of a connection arrives at the client.
    ClosedTo(ConnectionId),
    /// The end of a connection arrives at the gateway.
    ClosedFrom(ConnectionId),
    /// The gateway invokes `$disconnect`.
    Disconnect(ConnectionId),
    /// The timeout of an invocation has passed.
    Deadline(TaskId),
    /// The effect of a backend's command must be visible: the number of the command, and when it
    /// was sent.
    Ordered(usize, Timestamp),
    /// The check that a connection is still open after a flood.
    Flooded(ConnectionId),
    /// The reaper's schedule invokes it.
    Reap,
    /// An application starts again.
    Begin(usize),
    /// All faults end.
    Heal,
    /// The next check of the end is due.
    Owed,
    /// Nothing: the run only polls the queues and streams at this time.
    Look,
}

//! What is due at some moment.

use domain::{ConnectionId, Timestamp};
use roomcast_client::rules::LinkId;

use crate::executor::TaskId;
use crate::step::Step;

/// Something that is due at a moment.
#[derive(Debug)]
pub(crate) enum Due {
    /// Somebody does something.
    Step(usize, Step),
    /// A client wants to be called.
    Wake(usize),
    /// A handshake arrives.
    Handshake(ConnectionId),
    /// What a client said arrives.
    FromClient(ConnectionId, String),
    /// What it was sent arrives.
    ToClient(ConnectionId, String),
    /// A client has waited long enough for the answer to its handshake.
    Waited(ConnectionId),
    /// There is no token to connect with.
    NoToken(ConnectionId),
    /// The backend answers a client that asked for a token.
    Token(usize, LinkId),
    /// The handshake's 101 arrives at the client.
    OpenedTo(ConnectionId),
    /// The handshake's refusal arrives there.
    RefusedTo(ConnectionId, u16),
    /// Its end arrives at the client.
    ClosedTo(ConnectionId),
    /// Its end arrives at the gateway.
    ClosedFrom(ConnectionId),
    /// The gateway tells of its end.
    Disconnect(ConnectionId),
    /// An invocation has run out of time.
    Deadline(TaskId),
    /// An order of a backend, and when it was given.
    Ordered(usize, Timestamp),
    /// It was too fast: whether it still is connected.
    Flooded(ConnectionId),
    /// The reaper's schedule.
    Reap,
    /// An application begins anew.
    Begin(usize),
    /// Everything heals.
    Heal,
    /// What is owed must be there by now.
    Owed,
    /// Nothing: queues are looked at anyway.
    Look,
}

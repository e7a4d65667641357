//! One connection, seen from the client and from the gateway.

use authorizer::Handshake;
use domain::Timestamp;
use protocol::context::Context;

use crate::rights::Rights;

/// One connection, seen from the client and from the gateway.
#[derive(Debug, Clone)]
pub(crate) struct Socket {
    /// The index of its member.
    pub(crate) member: usize,
    /// When the handshake arrived at the gateway.
    pub(crate) connected_at: Timestamp,
    /// True if the connection is open for the gateway.
    pub(crate) open: bool,
    /// True if the handshake still waits for its response.
    pub(crate) opening: bool,
    /// True if the connection is open for the client.
    pub(crate) held: bool,
    /// True if the client knows that the handshake succeeded.
    pub(crate) answered: bool,
    /// True if the socket takes all messages and delivers none.
    pub(crate) black_hole: bool,
    /// When a message last passed, in either direction.
    pub(crate) active_at: Timestamp,
    /// The gateway's buffer for the client is full until this time.
    pub(crate) full_until: Timestamp,
    /// The earliest arrival of the next message: messages arrive in the order in which they were
    /// sent.
    pub(crate) arrives_at: Timestamp,
    /// True if the gateway or the network closed the connection.
    pub(crate) closed_by_us: bool,
    /// The handshake that the client sent.
    pub(crate) handshake: Handshake,
    /// The context that the authorizer returned.
    pub(crate) context: Option<Box<Context>>,
    /// The permissions of its tokens.
    pub(crate) rights: Rights,
}

impl Socket {
    /// A socket whose handshake is on its way to the gateway.
    #[must_use]
    pub(crate) fn opening(member: usize, handshake: Handshake, now: Timestamp) -> Self {
        Self {
            member,
            connected_at: now,
            open: false,
            opening: true,
            held: true,
            answered: false,
            black_hole: false,
            active_at: now,
            full_until: now,
            arrives_at: now,
            closed_by_us: false,
            handshake,
            context: None,
            rights: Rights::default(),
        }
    }
}

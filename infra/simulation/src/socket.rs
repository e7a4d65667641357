//! One connection, at both its ends.

use authorizer::Handshake;
use domain::Timestamp;
use protocol::context::Context;

use crate::rights::Rights;

/// One connection, at both its ends.
#[derive(Debug, Clone)]
pub(crate) struct Socket {
    /// Whose.
    pub(crate) member: usize,
    /// When the handshake arrived.
    pub(crate) connected_at: Timestamp,
    /// Whether the gateway takes it for open.
    pub(crate) open: bool,
    /// Whether its handshake still waits.
    pub(crate) opening: bool,
    /// Whether its client takes it for open.
    pub(crate) held: bool,
    /// Whether its client was told that it is open.
    pub(crate) answered: bool,
    /// Whether it takes everything and delivers nothing.
    pub(crate) black_hole: bool,
    /// When something last passed.
    pub(crate) active_at: Timestamp,
    /// Its buffer is full until then.
    pub(crate) full_until: Timestamp,
    /// What is sent to it arrives after what was sent before.
    pub(crate) arrives_at: Timestamp,
    /// Whether it was closed from our side, or cut.
    pub(crate) closed_by_us: bool,
    /// What its client said of itself when it connected.
    pub(crate) handshake: Handshake,
    /// What the authorizer said of it.
    pub(crate) context: Option<Box<Context>>,
    /// What its tokens allow.
    pub(crate) rights: Rights,
}

impl Socket {
    /// One whose handshake is on its way.
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

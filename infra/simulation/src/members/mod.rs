//! Members: real client rules, each with a network of its own.

mod acts;
mod hears;
mod links;

use std::collections::{BTreeMap, BTreeSet};

use domain::{ConnectionId, PublicationId, RoomId, UserId};
use roomcast_client::rules::{Client, LinkId};

use crate::check::Heard;

/// One member.
#[derive(Debug)]
pub(crate) struct Member {
    /// Whose it is.
    pub(crate) user: &'static str,
    pub(super) seed: u64,
    pub(super) client: Option<Client>,
    pub(super) links: BTreeMap<LinkId, ConnectionId>,
    pub(super) wanted: BTreeSet<RoomId>,
    pub(super) unanswered: BTreeSet<(RoomId, PublicationId)>,
    pub(super) lives: Vec<Heard>,
    pub(super) wakes_at_ms: Option<u64>,
    pub(super) joined_at_ms: u64,
}

impl Member {
    /// One that has not begun.
    #[must_use]
    pub(crate) fn new(at: usize, user: &'static str, seed: u64) -> Self {
        Self {
            user,
            seed: seed ^ (at as u64) << 32,
            client: None,
            links: BTreeMap::new(),
            wanted: BTreeSet::new(),
            unanswered: BTreeSet::new(),
            lives: Vec::new(),
            wakes_at_ms: None,
            joined_at_ms: 0,
        }
    }

    /// Whose it is.
    #[must_use]
    pub(crate) fn user_id(&self) -> UserId {
        testkit::samples::user(self.user)
    }

    /// Whether its application runs.
    #[must_use]
    pub(crate) fn is_up(&self) -> bool {
        self.client.is_some()
    }

    /// What it heard in this life, or the last one.
    ///
    /// # Panics
    /// Before the first.
    #[must_use]
    pub(crate) fn heard(&self) -> &Heard {
        &self.lives[self.lives.len() - 1]
    }

    /// What it heard in each of its lives.
    #[must_use]
    pub(crate) fn lives(&self) -> &[Heard] {
        &self.lives
    }

    /// Rooms it wants to hear.
    #[must_use]
    pub(crate) fn wanted(&self) -> &BTreeSet<RoomId> {
        &self.wanted
    }

    /// What it published in this life, and has no answer for.
    #[must_use]
    pub(crate) fn unanswered(&self) -> &BTreeSet<(RoomId, PublicationId)> {
        &self.unanswered
    }

    /// How many publications it was told of.
    #[must_use]
    pub(crate) fn heard_in_all(&self) -> u64 {
        self.lives.iter().map(|heard| heard.messages().len() as u64).sum()
    }

    fn newest(&self) -> Option<ConnectionId> {
        self.links.last_key_value().map(|(_, connection)| connection.clone())
    }

    fn link_of(&self, connection: &ConnectionId) -> Option<LinkId> {
        self.links.iter().find(|(_, one)| *one == connection).map(|(link, _)| *link)
    }
}

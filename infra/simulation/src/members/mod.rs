//! Members: real client rules, each with a network of its own.

mod acts;
mod hears;
mod links;

use std::collections::{BTreeMap, BTreeSet};

use domain::{ConnectionId, PublicationId, RoomId, UserId};
use roomcast_client::rules::{Client, LinkId, Ticket};

use crate::check::Heard;
use crate::tokens::Stranger;

/// One member.
#[derive(Debug)]
pub(crate) struct Member {
    /// Whose it is.
    pub(crate) user: &'static str,
    /// Why it is to be turned away, if it is.
    pub(crate) stranger: Option<Stranger>,
    /// Whether that was done.
    pub(crate) turned_away: bool,
    /// Plain rooms that its next token will not allow.
    pub(crate) denied: BTreeSet<RoomId>,
    /// Those that one of its tokens did not.
    pub(crate) ever_denied: BTreeSet<RoomId>,
    /// Requests that were on their way when it renewed its token are made again.
    pub(crate) judged_anew_until_ms: u64,
    /// Every connection it ever had.
    pub(crate) own: BTreeSet<ConnectionId>,
    pub(super) seed: u64,
    pub(crate) client: Option<Client>,
    pub(crate) links: BTreeMap<LinkId, ConnectionId>,
    pub(super) wanted: BTreeSet<RoomId>,
    pub(super) unanswered: BTreeSet<(RoomId, PublicationId)>,
    /// Rooms of which it was told that there is more to ask for.
    pub(crate) replayed_in_part: BTreeSet<RoomId>,
    /// Whether one of its sockets takes everything and delivers nothing, or did.
    pub(crate) vanished: bool,
    /// Questions of its that have no answer.
    pub(crate) asked: BTreeSet<Ticket>,
    pub(crate) lives: Vec<Heard>,
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
            stranger: None,
            turned_away: false,
            denied: BTreeSet::new(),
            ever_denied: BTreeSet::new(),
            judged_anew_until_ms: 0,
            own: BTreeSet::new(),
            client: None,
            links: BTreeMap::new(),
            wanted: BTreeSet::new(),
            unanswered: BTreeSet::new(),
            replayed_in_part: BTreeSet::new(),
            vanished: false,
            asked: BTreeSet::new(),
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

    /// It hears a room no more, because a token of its did not allow it: whether one did not.
    pub(super) fn gives_up(&mut self, room: &RoomId) -> bool {
        let foreseen = self.ever_denied.contains(room);
        if foreseen {
            self.wanted.remove(room);
            self.lives.last_mut().into_iter().for_each(|heard| heard.forgets(room));
        }
        foreseen
    }

    fn newest(&self) -> Option<ConnectionId> {
        self.links.last_key_value().map(|(_, connection)| connection.clone())
    }

    fn link_of(&self, connection: &ConnectionId) -> Option<LinkId> {
        self.links.iter().find(|(_, one)| *one == connection).map(|(link, _)| *link)
    }
}

//! Members: the rules of the real client library, each with its own network.

mod acts;
mod hears;
mod links;

use std::collections::{BTreeMap, BTreeSet};

use domain::{ConnectionId, PublicationId, RoomId, Timestamp, UserId};
use roomcast_client::rules::{Client, LinkId, Ticket};

use crate::check::Heard;
use crate::tokens::Stranger;

/// One member: a device of a user, with its application.
#[derive(Debug)]
pub(crate) struct Member {
    /// The name of its user.
    pub(crate) user: &'static str,
    /// The reason for which its connection must be refused, if there is one.
    pub(crate) stranger: Option<Stranger>,
    /// True if its connection was refused.
    pub(crate) turned_away: bool,
    /// Plain rooms that its next token will not allow.
    pub(crate) denied: BTreeSet<RoomId>,
    /// Plain rooms that any of its tokens did not allow.
    pub(crate) ever_denied: BTreeSet<RoomId>,
    /// Until this time, the client may repeat requests that were on their way when it renewed its
    /// token.
    pub(crate) judged_anew_until_ms: u64,
    /// Every connection that it ever had.
    pub(crate) own: BTreeSet<ConnectionId>,
    pub(super) seed: u64,
    pub(crate) client: Option<Client>,
    pub(crate) links: BTreeMap<LinkId, ConnectionId>,
    pub(super) wanted: BTreeSet<RoomId>,
    pub(super) unanswered: BTreeSet<(RoomId, PublicationId)>,
    /// Rooms whose replay has more pages that the client may request.
    pub(crate) replayed_in_part: BTreeSet<RoomId>,
    /// When its client last learned of a room from the notice that a backend joined it.
    pub(crate) brought: BTreeMap<RoomId, Timestamp>,
    /// True if one of its sockets ever took all messages and delivered none.
    pub(crate) vanished: bool,
    /// Requests for history and member lists without a reply.
    pub(crate) asked: BTreeSet<Ticket>,
    pub(crate) lives: Vec<Heard>,
    pub(super) wakes_at_ms: Option<u64>,
    pub(super) joined_at_ms: u64,
}

impl Member {
    /// A member whose application has not started.
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
            brought: BTreeMap::new(),
            vanished: false,
            asked: BTreeSet::new(),
            lives: Vec::new(),
            wakes_at_ms: None,
            joined_at_ms: 0,
        }
    }

    /// The id of its user.
    #[must_use]
    pub(crate) fn user_id(&self) -> UserId {
        testkit::samples::user(self.user)
    }

    /// Reports whether its application runs.
    #[must_use]
    pub(crate) fn is_up(&self) -> bool {
        self.client.is_some()
    }

    /// Everything that the application received since its last start.
    ///
    /// # Panics
    /// If the application never started.
    #[must_use]
    pub(crate) fn heard(&self) -> &Heard {
        &self.lives[self.lives.len() - 1]
    }

    /// Everything that the application received, for each of its starts.
    #[must_use]
    pub(crate) fn lives(&self) -> &[Heard] {
        &self.lives
    }

    /// Rooms that it wants to be in.
    #[must_use]
    pub(crate) fn wanted(&self) -> &BTreeSet<RoomId> {
        &self.wanted
    }

    /// Publications since the last start without a reply.
    #[must_use]
    pub(crate) fn unanswered(&self) -> &BTreeSet<(RoomId, PublicationId)> {
        &self.unanswered
    }

    /// The number of publications that it received, in all its lives.
    #[must_use]
    pub(crate) fn heard_in_all(&self) -> u64 {
        self.lives.iter().map(|heard| heard.messages().len() as u64).sum()
    }

    /// Gives up a room that a token did not allow. Returns whether one of its tokens did not.
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

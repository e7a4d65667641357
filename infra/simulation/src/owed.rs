//! Checks at the end of a run: everything owed was delivered, and everything of closed connections
//! was removed.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use domain::{ConnectionId, RoomId};
use testkit::samples;

use crate::check::{Heard, Truth};
use crate::due::Due;
use crate::kind::{Broken, Kind};
use crate::members::Member;
use crate::run::Run;
use crate::silent::Cause;
use crate::stake::Stake;
use crate::step::{PLACES, ROOMS};
use crate::story::standing;

/// Owed publications are delivered within this time after all faults have ended: the messages of a
/// killed function return to their queue after 30 s.
pub(crate) const OWED_WITHIN: Duration = Duration::from_secs(90);
/// The same after lost jobs or sockets that no error reported: a client detects such a loss with
/// its next keep-alive.
pub(crate) const OWED_AFTER_KEEP_ALIVE: Duration = Duration::from_secs(630);
/// A closed connection is removed within this time: 20 min of silence, 10 min until the gateway
/// closes an idle connection before that, and one run of the reaper.
const GHOSTS_GONE: Duration = Duration::from_secs(33 * 60);

/// A client that has replaced its connection has read everything it missed within this time.
const REPLACED_WITHIN: Duration = Duration::from_secs(30);

/// Progress of the checks at the end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Checked {
    /// No check has run.
    #[default]
    Nothing,
    /// The check after 90 s has run.
    Soon,
    /// The check after the next keep-alive has run.
    Owed,
}

impl Run {
    /// Runs the next check of the end: after 90 s, after the next keep-alive, and after stale
    /// connections must be removed.
    pub(crate) fn check_what_is_owed(&mut self) {
        let next = match self.feeds.checked {
            Checked::Nothing => {
                self.check_heads(false);
                if self.shared.lock().faults.is_calm() {
                    self.check_counts();
                }
                self.check_served();
                self.check_deliveries(false);
                self.feeds.checked = Checked::Soon;
                OWED_AFTER_KEEP_ALIVE - OWED_WITHIN
            }
            Checked::Soon => {
                self.check_heads(true);
                self.check_told_ends();
                self.check_dead_letters();
                self.check_the_order();
                self.check_the_repeats();
                self.check_nothing_said_is_stored();
                self.check_deliveries(true);
                self.feeds.checked = Checked::Owed;
                GHOSTS_GONE
            }
            Checked::Owed => {
                self.check_the_end();
                self.ended = true;
                return;
            }
        };
        self.shared.lock().after_ms(u64::try_from(next.as_millis()).unwrap_or(u64::MAX), Due::Owed);
    }

    /// Each member has received everything through the head of each of its rooms. Members with an
    /// excuse are compared only after the next keep-alive, when `everybody` is true.
    fn check_heads(&mut self, everybody: bool) {
        use domain::ports::Rooms;
        self.pass_over_own_to_the_heads();
        let mut excuses = std::mem::take(&mut self.excuses);
        for (at, member) in self.members.iter().enumerate().filter(|(_, member)| member.is_up()) {
            for room in member.wanted() {
                if !everybody {
                    let cause = self.excuses(at, room);
                    *excuses.entry(cause).or_default() += 1;
                    if cause.is_some() {
                        continue;
                    }
                }
                let head = futures::executor::block_on(self.pipeline.store.head(room)).ok().flatten();
                let head = head.map(|head| head.position());
                let heard = member.heard().position(room);
                if head.as_ref().is_some_and(|head| head.sequence.get() > 0) {
                    let inbox = room.inbox_owner().is_some();
                    self.shared.lock().weigh(if inbox { Stake::Inbox } else { Stake::Owed });
                }
                if heard.is_none() || heard != head.as_ref() {
                    let what = format!("member {at} ({}) has received {room} through {}", member.user, standing(heard));
                    self.broke(Kind::Lost, format!("{what}, the head is at {}", standing(head.as_ref())));
                }
            }
        }
        self.excuses = excuses;
    }

    /// The reason for which a member may stand behind the head of a room until its next keep-alive.
    fn excuses(&self, at: usize, room: &RoomId) -> Option<Cause> {
        let member = &self.members[at];
        let indexed = member.links.values().any(|connection| self.was_indexed(connection, room));
        let causes = [
            (self.lost_a_job(member, room), Cause::JobLost),
            (self.silent.is_restored(room), Cause::Restored),
            (self.has_vanished(member), Cause::Vanished),
            (self.was_moved(at, room), Cause::Ordered),
            (self.has_lapsed(member, room), Cause::TokenLapsed),
            (!indexed, Cause::NotIndexed),
        ];
        causes.into_iter().find(|(applies, _)| *applies).map(|(_, cause)| cause)
    }

    /// Reports whether a job was lost that delivers the last publication of a room to a member. The
    /// loss of an earlier publication shows as a gap.
    fn lost_a_job(&self, member: &Member, room: &RoomId) -> bool {
        use domain::ports::Rooms;
        let head = futures::executor::block_on(self.pipeline.store.head(room)).ok().flatten();
        let stood = member.links.values().map(|connection| (connection.clone(), self.shards_of(connection, room)));
        let stood: Vec<_> = stood.collect();
        head.is_some_and(|head| self.silent.lost_job(room, &head.position(), &stood))
    }

    /// Reports whether a backend moved a member after the last publication of a room: a command
    /// removed its connection or joined it again, or its client learned of the room from the
    /// notice of a command. Earlier moves show as a gap.
    fn was_moved(&self, at: usize, room: &RoomId) -> bool {
        let member = &self.members[at];
        if !self.backend.ordered_in(&member.user_id(), room) {
            return false;
        }
        let Some(published) = self.served.last_at(room) else { return false };
        let stays = |connection: &ConnectionId| {
            let membership = self.pipeline.store.membership(connection, room);
            let belonging = self.belonged.get(&(connection.clone(), room.clone()));
            let is_new = belonging.is_none_or(|one| one.since > published);
            membership.is_some_and(|membership| !(membership.granted && is_new))
        };
        let noticed = member.brought.get(room).is_some_and(|at| *at >= published);
        noticed || !(room.is_everyone() || member.links.values().all(stays))
    }

    /// Reports whether the socket of a member delivers nothing, or has just been replaced.
    fn has_vanished(&self, member: &Member) -> bool {
        let core = self.shared.lock();
        let replaced = core.now.minus(REPLACED_WITHIN);
        let vanished = member.own.iter().filter_map(|connection| core.sockets.get(connection));
        let vanished = vanished.filter(|socket| socket.black_hole).any(|socket| socket.held);
        let since = member.links.values().filter_map(|connection| core.sockets.get(connection));
        vanished || (member.vanished && since.map(|socket| socket.connected_at).max() > Some(replaced))
    }

    /// Reports whether a member may have missed the last publication of a room because none of its
    /// tokens was valid then.
    fn has_lapsed(&self, member: &Member, room: &RoomId) -> bool {
        let Some(published) = self.served.last_at(room) else { return false };
        let core = self.shared.lock();
        let now = core.now.plus(core.tokens_seen_within());
        let mut connections = member.links.values().filter_map(|connection| core.sockets.get(connection));
        connections.any(|socket| socket.rights.lapsed_after(published, now))
    }

    fn pass_over_own_to_the_heads(&mut self) {
        use domain::ports::Rooms;
        for at in 0..self.members.len() {
            for room in self.members[at].wanted().clone() {
                let head = futures::executor::block_on(self.pipeline.store.head(&room)).ok().flatten();
                head.into_iter().for_each(|head| self.pass_over_own(at, &room, &head.position()));
            }
        }
    }

    /// Connections whose end the gateway has reported are not stored any more.
    fn check_told_ends(&self) {
        let stored = self.pipeline.store.connections();
        for ghost in stored.iter().filter(|one| self.said_gone.contains(&one.id)) {
            self.broke(
                Kind::GhostLeft,
                format!("{} is still stored although `$disconnect` reported its end", ghost.id),
            );
        }
        let calm = self.shared.lock().faults.is_calm();
        let is_in = |member: &&Member| member.is_up() && !member.wanted().is_empty();
        let told = self.members.iter().flat_map(Member::lives).any(|heard| heard.was_told_who_is_there());
        if calm && !told && self.members.iter().any(|member| is_in(&member)) {
            self.broke(Kind::WrongCount, "no member ever received the presence of a room".to_owned());
        }
    }

    fn weigh(&self, stake: Stake) {
        self.shared.lock().weigh(stake);
    }

    fn broke(&self, kind: Kind, what: String) {
        self.shared.lock().broke(kind, what);
    }

    /// Each accepted publication has exactly one position, and each received publication equals the
    /// one at its position. At the `end` no request waits for its reply.
    fn check_deliveries(&self, end: bool) {
        let store = &self.pipeline.store;
        let truths: BTreeMap<RoomId, Truth> = PLACES
            .iter()
            .map(|name| samples::room(name))
            .map(|room| (room.clone(), Truth::of(store.publications(&room))))
            .collect();
        for (at, member) in self.members.iter().enumerate() {
            let name = format!("member {at} ({})", member.user);
            for heard in member.lives() {
                self.check_what_was_told(&name, heard, &truths);
                for (room, pid) in heard.accepted() {
                    let positions = truths.get(room).map_or(0, |truth| truth.positions(&member.user_id(), pid));
                    self.check_positions(positions, &format!("{pid} by {} in {room}, accepted,", member.user));
                }
            }
            if member.stranger.is_some_and(|_| !member.turned_away) {
                self.broke(Kind::Unanswered, format!("{name} was never refused: {:?}", member.stranger));
            }
            if !member.is_up() {
                continue;
            }
            for ticket in member.asked.iter().filter(|_| end) {
                self.broke(Kind::Unanswered, format!("{name} has no reply to request {}", ticket.0));
            }
            for (room, pid) in member.unanswered() {
                if !end && self.excuses(at, room).is_some() {
                    continue;
                }
                self.broke(Kind::Unanswered, format!("{name} has no reply for {pid} in {room}"));
            }
        }
        for (room, id) in &self.backend.published {
            self.weigh(Stake::FromBackend);
            let publications = store.publications(room);
            let positions = publications.iter().filter(|one| one.id.as_ref() == id).count() as u64;
            // A publication that was refused on its way is a dead letter, for an operator to
            // inspect.
            if positions == 0 && (self.is_dead(id) || self.feeds.was_passed_over(id)) {
                continue;
            }
            self.check_positions(positions, &format!("event {id} in {room}"));
        }
    }

    fn check_what_was_told(&self, name: &str, heard: &Heard, truths: &BTreeMap<RoomId, Truth>) {
        for message in heard.messages() {
            self.weigh(Stake::Heard);
            let differs = truths.get(&message.room).and_then(|truth| truth.differs(message));
            let restored = self.restored.contains(&message.room);
            if let Some(Broken { kind, what }) = differs.filter(|_| !restored) {
                self.broke(kind, format!("{name}: {what}"));
            }
        }
    }

    fn check_positions(&self, positions: u64, what: &str) {
        self.weigh(Stake::Positioned);
        match positions {
            0 => self.broke(Kind::Lost, format!("{what} never got a position")),
            1 => {}
            more => self.broke(Kind::Duplicated, format!("{what} has {more} positions")),
        }
    }

    /// No closed connection is stored, every open connection is stored, and counts are correct.
    fn check_the_end(&mut self) {
        let store = self.pipeline.store.clone();
        let stored: BTreeSet<ConnectionId> = store.connections().into_iter().map(|one| one.id).collect();
        let open: BTreeSet<ConnectionId> = {
            let core = self.shared.lock();
            let open = core.sockets.iter().filter(|(_, socket)| socket.open && socket.held && !socket.black_hole);
            open.map(|(id, _)| id.clone()).collect()
        };
        stored.intersection(&open).for_each(|_| self.weigh(Stake::Kept));
        for ghost in stored.difference(&open) {
            self.broke(Kind::GhostLeft, format!("{ghost} is closed but still stored"));
        }
        let memberships = store.memberships();
        for membership in &memberships {
            let connection = &membership.member.connection;
            if !open.contains(connection) {
                self.broke(
                    Kind::GhostLeft,
                    format!("{connection} is closed but still a member of {}", membership.room),
                );
            }
        }
        self.check_counts();
    }

    /// The count of each room is its number of members. Without faults, the last count that each
    /// member received is the same number.
    fn check_counts(&self) {
        use domain::ports::Presences;
        let store = &self.pipeline.store;
        let memberships = store.memberships();
        for name in ROOMS {
            let room = samples::room(name);
            let there = memberships.iter().filter(|one| one.room == room).count() as u64;
            let counted = futures::executor::block_on(store.presence(&room)).map(|presence| presence.members());
            if there > 0 {
                self.weigh(Stake::Counted);
            }
            if counted.as_ref().is_ok_and(|counted| *counted != there) {
                self.broke(Kind::WrongCount, format!("{room} has {there} members, and {counted:?} were counted"));
            }
            // A count is posted once to each member: a member that missed it because of a fault
            // does not receive it again. Members that are slow, or whose room has a trouble, are
            // exempt from this check.
            let slow = self.shared.lock().slow.map(|(slow, _)| slow);
            let calm = self.shared.lock().faults.is_calm() && !self.has_trouble(&room);
            for (at, member) in self.members.iter().enumerate().filter(|(_, member)| calm && member.is_up()) {
                let told = member.heard().counts.get(&room);
                if slow != Some(at) && member.wanted().contains(&room) && told.is_some_and(|told| *told != there) {
                    self.broke(
                        Kind::WrongCount,
                        format!("member {at} received the count {told:?} of {room}, which has {there} members"),
                    );
                }
            }
        }
    }
}

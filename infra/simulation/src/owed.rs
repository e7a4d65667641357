//! What must hold in the end: what is owed is there, and what is gone forgotten.

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

/// After everything has healed, what is owed is there within this: a killed function's messages come back after 30 s.
pub(crate) const OWED_WITHIN: Duration = Duration::from_secs(90);
/// The same if jobs or sockets were lost without a word: then a client finds out with its next keep-alive.
pub(crate) const OWED_AFTER_KEEP_ALIVE: Duration = Duration::from_secs(360);
/// Who is gone is forgotten within this: 12 min of silence, the gateway's 10 min before that, and a run of the reaper.
const GHOSTS_GONE: Duration = Duration::from_secs(25 * 60);

/// A client that has replaced a socket has read what it missed within this.
const REPLACED_WITHIN: Duration = Duration::from_secs(30);

/// How far the end has been checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Checked {
    /// Not at all.
    #[default]
    Nothing,
    /// What is owed soon.
    Soon,
    /// Everything that is owed.
    Owed,
}

impl Run {
    /// What is owed must be there, soon or with the next keep-alive, and what is gone forgotten some time later.
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

    /// Everybody has heard everything; who may have lost something without a word has until the next keep-alive.
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
                    let what = format!("member {at} ({}) has heard {room} through {}", member.user, standing(heard));
                    self.broke(Kind::Lost, format!("{what}, it stands at {}", standing(head.as_ref())));
                }
            }
        }
        self.excuses = excuses;
    }

    /// Why a member may stand behind the head of a room until its next keep-alive.
    fn excuses(&self, at: usize, room: &RoomId) -> Option<Cause> {
        let member = &self.members[at];
        let indexed = member.links.values().any(|connection| self.was_indexed(connection, room));
        let causes = [
            (self.lost_a_job(member, room), Cause::JobLost),
            (self.silent.is_restored(room), Cause::Restored),
            (self.has_vanished(member), Cause::Vanished),
            (self.backend.ordered_in(&member.user_id(), room), Cause::Ordered),
            (self.has_lapsed(member, room), Cause::TokenLapsed),
            (!indexed, Cause::NotIndexed),
        ];
        causes.into_iter().find(|(applies, _)| *applies).map(|(_, cause)| cause)
    }

    /// Whether a job was lost that delivers the last publication of a room to a member. A loss before it shows as a gap.
    fn lost_a_job(&self, member: &Member, room: &RoomId) -> bool {
        use domain::ports::Rooms;
        let head = futures::executor::block_on(self.pipeline.store.head(room)).ok().flatten();
        let stood = member.links.values().map(|connection| (connection.clone(), self.shards_of(connection, room)));
        let stood: Vec<_> = stood.collect();
        head.is_some_and(|head| self.silent.lost_job(room, &head.position(), &stood))
    }

    /// Whether the socket of a member delivers nothing, or has just been replaced.
    fn has_vanished(&self, member: &Member) -> bool {
        let core = self.shared.lock();
        let replaced = core.now.minus(REPLACED_WITHIN);
        let vanished = member.own.iter().filter_map(|connection| core.sockets.get(connection));
        let vanished = vanished.filter(|socket| socket.black_hole).any(|socket| socket.held);
        let since = member.links.values().filter_map(|connection| core.sockets.get(connection));
        vanished || (member.vanished && since.map(|socket| socket.connected_at).max() > Some(replaced))
    }

    /// Whether the last publication of a room may have passed a member by, because none of its tokens was good then.
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

    /// Whoever the gateway said was gone is not stored.
    fn check_told_ends(&self) {
        let stored = self.pipeline.store.connections();
        for ghost in stored.iter().filter(|one| self.said_gone.contains(&one.id)) {
            self.broke(Kind::GhostLeft, format!("{} is stored, and its end was told", ghost.id));
        }
        let calm = self.shared.lock().faults.is_calm();
        let is_in = |member: &&Member| member.is_up() && !member.wanted().is_empty();
        let told = self.members.iter().flat_map(Member::lives).any(|heard| heard.was_told_who_is_there());
        if calm && !told && self.members.iter().any(|member| is_in(&member)) {
            self.broke(Kind::WrongCount, "nobody was ever told who is there".to_owned());
        }
    }

    fn weigh(&self, stake: Stake) {
        self.shared.lock().weigh(stake);
    }

    fn broke(&self, kind: Kind, what: String) {
        self.shared.lock().broke(kind, what);
    }

    /// What was accepted has its position, and what was told is what stands there. In the `end` nobody waits for an answer.
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
                self.broke(Kind::Unanswered, format!("{name} was never turned away: {:?}", member.stranger));
            }
            if !member.is_up() {
                continue;
            }
            for ticket in member.asked.iter().filter(|_| end) {
                self.broke(Kind::Unanswered, format!("{name} has no answer to question {}", ticket.0));
            }
            for (room, pid) in member.unanswered() {
                if !end && self.excuses(at, room).is_some() {
                    continue;
                }
                self.broke(Kind::Unanswered, format!("{name} has no answer for {pid} in {room}"));
            }
        }
        for (room, id) in &self.backend.published {
            self.weigh(Stake::FromBackend);
            let publications = store.publications(room);
            let positions = publications.iter().filter(|one| one.id.as_ref() == id).count() as u64;
            // What was refused on its way is a dead letter, for an operator to look at.
            if positions == 0 && self.is_dead(id) {
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

    /// Nobody is stored who is gone, everybody who is there is, and counts are true.
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
            self.broke(Kind::GhostLeft, format!("{ghost} is gone, and still stored"));
        }
        let memberships = store.memberships();
        for membership in &memberships {
            let connection = &membership.member.connection;
            if !open.contains(connection) {
                self.broke(Kind::GhostLeft, format!("{connection} is gone, and still a member of {}", membership.room));
            }
        }
        self.check_counts();
    }

    /// What is counted of each room is how many are in it; and what its members were last told, where nothing goes wrong.
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
            // What members are told of it is posted once: whom a fault kept from it is not told again.
            // Nor whom it kept from it that it is slow, or that the room has trouble.
            let slow = self.shared.lock().slow.map(|(slow, _)| slow);
            let calm = self.shared.lock().faults.is_calm() && !self.has_trouble(&room);
            for (at, member) in self.members.iter().enumerate().filter(|(_, member)| calm && member.is_up()) {
                let told = member.heard().counts.get(&room);
                if slow != Some(at) && member.wanted().contains(&room) && told.is_some_and(|told| *told != there) {
                    self.broke(Kind::WrongCount, format!("member {at} was told {told:?} of {room}, there are {there}"));
                }
            }
        }
    }
}

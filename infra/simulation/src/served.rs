//! Checks the server alone, whatever clients repair later: each publication was posted to each
//! member that was in the room throughout, or a late job or a dead letter names the member.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::PoisonError;
use std::time::Duration;

use domain::ports::Rooms;
use domain::{ConnectionId, Job, Position, RoomId, Sequence, Shard, Timestamp};
use futures::executor::block_on;
use testkit::samples;

use crate::kind::Kind;
use crate::run::Run;
use crate::silent::{covers, names};
use crate::stake::Stake;
use crate::step::PLACES;
use crate::wire::Posted;

/// A token that expires this soon after a publication may expire before the publication is
/// delivered.
const DELIVERED_WITHIN: Duration = Duration::from_secs(20);

/// A publication with its position, and the members of its room that the index showed when it got
/// the position.
#[derive(Debug)]
pub(crate) struct Owed {
    room: RoomId,
    at: Position,
    when: Timestamp,
    members: Vec<(ConnectionId, Shard)>,
}

/// Publications in the order in which they got their positions.
#[derive(Debug, Default)]
pub(crate) struct Served {
    heads: BTreeMap<RoomId, Position>,
    owed: Vec<Owed>,
    /// Rooms whose heads were restored without their logs: publications at old positions get other
    /// positions.
    mixed_up: BTreeSet<RoomId>,
}

impl Served {
    /// When the last publication of a room got its position.
    pub(crate) fn last_at(&self, room: &RoomId) -> Option<Timestamp> {
        self.owed.iter().rev().find(|owed| owed.room == *room).map(|last| last.when)
    }
}

impl Run {
    /// Records publications that have just got their positions, with the members of their rooms.
    pub(crate) fn note_positions(&mut self) {
        if !std::mem::take(&mut self.shared.lock().appended) {
            return;
        }
        let now = self.now();
        for room in PLACES.map(samples::room) {
            let Some(head) = block_on(self.pipeline.store.head(&room)).ok().flatten() else { continue };
            let head = head.position();
            let before = self.served.heads.insert(room.clone(), head.clone());
            let from = match before {
                Some(before) if before.epoch == head.epoch => before.sequence,
                _ => Sequence::new(head.sequence.get().saturating_sub(1)),
            };
            if from >= head.sequence {
                continue;
            }
            self.silent.goes_on(&room);
            let members = self.members_known(&room, now);
            for sequence in from.get() + 1..=head.sequence.get() {
                let at = Position { epoch: head.epoch.clone(), sequence: Sequence::new(sequence) };
                self.served.owed.push(Owed { room: room.clone(), at, when: now, members: members.clone() });
            }
        }
    }

    /// Records that a room was restored: the sequence of its head is not a new publication.
    pub(crate) fn note_restored(&mut self, room: &RoomId, mixed_up: bool) {
        if mixed_up {
            self.served.mixed_up.insert(room.clone());
        }
        match block_on(self.pipeline.store.head(room)).ok().flatten() {
            Some(head) => self.served.heads.insert(room.clone(), head.position()),
            None => self.served.heads.remove(room),
        };
    }

    /// Members of a room that every index shows by now, and whose tokens stay valid for some time.
    fn members_known(&self, room: &RoomId, now: Timestamp) -> Vec<(ConnectionId, Shard)> {
        let (lag, slack) = {
            let core = self.shared.lock();
            (core.index_lags(), core.tokens_seen_within() + DELIVERED_WITHIN)
        };
        let known = |since: Option<Timestamp>| since.is_some_and(|since| since.plus(lag) <= now);
        let lasts = |expires_at: Option<Timestamp>| expires_at.is_none_or(|at| at > now.plus(slack));
        if room.is_everyone() {
            let shards = domain::Shards::initial(room);
            let connections = self.pipeline.store.connections();
            let there =
                connections.into_iter().filter(|one| known(self.opened.get(&one.id).copied()) && lasts(one.expires_at));
            return there.map(|one| (one.id.clone(), shards.place(&one.id))).collect();
        }
        let since = |connection: &ConnectionId| {
            let belonging = self.belonged.get(&(connection.clone(), room.clone()))?;
            Some(belonging.since).filter(|_| belonging.left.is_none())
        };
        let memberships = self.pipeline.store.memberships();
        let there = memberships.into_iter().filter(|one| one.room == *room && lasts(one.member.expires_at));
        let there = there.filter(|one| known(since(&one.member.connection)));
        there.map(|one| (one.member.connection, one.shard)).collect()
    }

    /// Reports whether every index showed a connection in a room when the last publication of the
    /// room got its position.
    pub(crate) fn was_indexed(&self, connection: &ConnectionId, room: &RoomId) -> bool {
        let last = self.served.owed.iter().rev().find(|owed| owed.room == *room);
        last.is_none_or(|last| last.members.iter().any(|(member, _)| member == connection))
    }

    /// Checks that each publication was posted to each member that was in the room throughout, or
    /// that a late job or a dead letter names the member.
    pub(crate) fn check_served(&self) {
        let (late, dead) = (self.jobs_queued(), self.jobs_dead());
        for owed in &self.served.owed {
            let current = self.served.heads.get(&owed.room).is_some_and(|head| head.epoch == owed.at.epoch);
            let expired = self.now().since(owed.when) >= domain::limits::RETENTION - self.shared.lock().clocks_differ();
            let mixed_up = self.served.mixed_up.contains(&owed.room);
            if !current || expired || mixed_up {
                continue;
            }
            for (connection, shard) in &owed.members {
                if self.was_there_throughout(connection, owed) {
                    self.shared.lock().weigh(Stake::Served);
                    self.check_served_to(connection, *shard, owed, &late, &dead);
                }
            }
        }
    }

    fn check_served_to(&self, connection: &ConnectionId, shard: Shard, owed: &Owed, late: &[Job], dead: &[Job]) {
        let (sequence, epoch) = (owed.at.sequence, owed.at.epoch.to_string());
        let place = (owed.room.clone(), epoch, sequence);
        let mut core = self.shared.lock();
        let posted = core.wire.attempts(connection, &place).any(|posted| posted != Posted::Not);
        let shards: BTreeSet<Shard> = [shard].into();
        let is_for = |job: &Job| job.room == owed.room && covers(job, &owed.at) && names(job, connection, &shards);
        let member = [(connection.clone(), shards.clone())];
        let lost = self.silent.lost_job(&owed.room, &owed.at, &member);
        if posted || lost || late.iter().any(is_for) || dead.iter().any(is_for) {
            return;
        }
        let what = format!("{connection} in shard {shard} of {} was not posted {}", owed.room, sequence.get());
        core.broke(Kind::Unserved, format!("{what}, is not late for it, and no dead letter names it"));
    }

    /// Reports whether a member stayed in the room since the publication, is connected, and had a
    /// valid token all the time.
    fn was_there_throughout(&self, connection: &ConnectionId, owed: &Owed) -> bool {
        let stays = if owed.room.is_everyone() {
            !self.pipeline.store.is_buried(connection) && self.opened.contains_key(connection)
        } else {
            let place = (connection.clone(), owed.room.clone());
            self.belonged.get(&place).is_some_and(|one| one.left.is_none() && one.since <= owed.when)
        };
        let core = self.shared.lock();
        let slack = core.tokens_seen_within();
        let until = core.now.plus(slack);
        let socket = core.sockets.get(connection).filter(|socket| socket.open);
        stays && socket.is_some_and(|socket| !socket.rights.lapses_between(owed.when.minus(slack), until))
    }

    /// Jobs that wait in the queues or are in progress.
    fn jobs_queued(&self) -> Vec<Job> {
        let queues = &self.pipeline.queues;
        let mut jobs = queues.deliveries.bodies();
        jobs.extend(queues.deliveries_wide.bodies());
        jobs
    }

    /// Jobs that have become dead letters.
    fn jobs_dead(&self) -> Vec<Job> {
        let dead = self.pipeline.queues.dead.lock().unwrap_or_else(PoisonError::into_inner);
        let letters = dead.iter().filter(|letter| letter.source.starts_with("deliveries"));
        let mut jobs: Vec<Job> = letters.filter_map(|letter| protocol::queue::decode(&letter.body).ok()).collect();
        jobs.extend(self.feeds.dead_jobs());
        jobs
    }
}

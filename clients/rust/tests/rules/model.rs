//! A simple model of a server: rooms with a log, connections with memberships, replies of a few
//! messages.

use std::collections::{BTreeMap, BTreeSet};

use domain::{
    Code, ConnectionId, Data, Epoch, Position, Publication, PublicationId, Reject, RoomId, Sequence, Timestamp, UserId,
};
use protocol::block::Block;
use protocol::reply::{Accepted, Done, History, Joined, Renewed, Reply, Synced, SyncedRooms, Who};
use protocol::request::{Action, Request};
use protocol::server::{System, system_text};
use roomcast_client::rules::LinkId;

/// Publications in one reply, for all its rooms together.
const REPLAYED: usize = 3;
/// Life of a token.
pub(crate) const TOKEN_MS: u64 = 300_000;
/// Maximum distance of a resume. A position further back is lost.
pub(crate) const RESUMABLE: u64 = 60;

#[derive(Debug)]
pub(crate) struct Log {
    pub(crate) epoch: Epoch,
    pub(crate) rows: Vec<Publication>,
    /// Rows up to this one have expired.
    pub(crate) expired_through: u64,
}

#[derive(Debug, Default)]
pub(crate) struct Server {
    pub(crate) rooms: BTreeMap<RoomId, Log>,
    /// Every publication id that was ever accepted.
    seen: BTreeSet<(RoomId, PublicationId)>,
    members: BTreeMap<LinkId, BTreeMap<RoomId, u64>>,
    epochs: u64,
}

/// A publication that got its position, with its receivers.
#[derive(Debug)]
pub(crate) struct Sequenced {
    pub(crate) block: Block,
    pub(crate) to: Vec<LinkId>,
}

impl Server {
    pub(crate) fn log(&mut self, room: &RoomId) -> &mut Log {
        if !self.rooms.contains_key(room) {
            self.restart(room);
        }
        self.rooms.get_mut(room).unwrap()
    }

    /// Restarts the room's history in another epoch.
    pub(crate) fn restart(&mut self, room: &RoomId) {
        self.epochs += 1;
        let epoch = Epoch::from_random(self.epochs * 7_919);
        self.rooms.insert(room.clone(), Log { epoch, rows: Vec::new(), expired_through: 0 });
    }

    pub(crate) fn head(&mut self, room: &RoomId) -> Position {
        let log = self.log(room);
        Position { epoch: log.epoch.clone(), sequence: Sequence::new(log.rows.len() as u64) }
    }

    pub(crate) fn forget(&mut self, link: LinkId) {
        self.members.remove(&link);
    }

    /// Sequences a publication, unless it is a repeat. The fan-out does not see memberships younger
    /// than `lag_ms`.
    pub(crate) fn publish(
        &mut self,
        room: &RoomId,
        id: &PublicationId,
        data: &Data,
        now_ms: u64,
        lag_ms: u64,
    ) -> Option<Sequenced> {
        if !self.seen.insert((room.clone(), id.clone())) {
            return None;
        }
        let head = self.head(room);
        let publication = Publication {
            position: Position { epoch: head.epoch, sequence: head.sequence.next() },
            id: id.clone(),
            by: UserId::parse("bob").unwrap(),
            sender: Some(ConnectionId::parse("c").unwrap()),
            echo: true,
            accepted_at: Timestamp::from_ms(now_ms),
            sequenced_at: Timestamp::from_ms(now_ms),
            data: data.clone(),
        };
        let block = Block::of(room, std::slice::from_ref(&publication)).remove(0);
        self.log(room).rows.push(publication);
        let hears = |(link, rooms): (&LinkId, &BTreeMap<RoomId, u64>)| {
            rooms.get(room).filter(|joined_ms| **joined_ms + lag_ms <= now_ms).map(|_| *link)
        };
        Some(Sequenced { block, to: self.members.iter().filter_map(hears).collect() })
    }

    /// Serves one request. Returns the text of its reply, and the publications that it made.
    pub(crate) fn serve(&mut self, link: LinkId, text: &str, now_ms: u64, lag_ms: u64) -> (String, Vec<Sequenced>) {
        let Request { id, action } = Request::parse(text).unwrap_or_else(|refused| panic!("{refused}: {text}"));
        let mut budget = REPLAYED;
        let mut published = Vec::new();
        let done = match action {
            Action::Sync { rooms } => {
                let synced = |(room, since): (RoomId, Option<Position>)| {
                    let joined = self.join(link, &room, since.as_ref(), &mut budget, now_ms);
                    (room, Synced::Joined(joined))
                };
                Done::Synced(SyncedRooms { rooms: rooms.into_iter().map(synced).collect() })
            }
            Action::Join { room, since } => Done::Joined(self.join(link, &room, since.as_ref(), &mut budget, now_ms)),
            Action::Leave { room } => {
                self.members.entry(link).or_default().remove(&room);
                Done::Left { room }
            }
            Action::History { room, limit, .. } => Done::History(self.history(&room, limit)),
            Action::Ping { at } => return (self.pong(at), published),
            Action::Publish { room, items, .. } => {
                let accepted = items.iter().map(|item| item.id.clone()).collect();
                let sequenced = |item: &domain::Item| self.publish(&room, &item.id, &item.data, now_ms, lag_ms);
                published.extend(items.iter().filter_map(sequenced));
                Done::Accepted(Accepted { accepted, repeated: Vec::new() })
            }
            Action::Who { room, .. } => {
                let members = self.members.values().filter(|rooms| rooms.contains_key(&room)).count() as u64;
                Done::Who(Who { room, members, users: Some(Vec::new()), next: None })
            }
            Action::Auth { .. } => {
                Done::Renewed(Renewed { expires_at: Timestamp::from_ms(now_ms + TOKEN_MS), left: Vec::new() })
            }
            Action::Whisper { .. } | Action::Classic { .. } => panic!("{text}"),
        };
        (Reply::done(id, done).to_text(), published)
    }

    /// A refusal of a request, for the moment or because the connection is not known.
    pub(crate) fn refuse(text: &str, code: Code) -> String {
        let id = Request::parse(text).ok().and_then(|request| request.id);
        let reject = match code {
            Code::Unavailable => Reject::unavailable(500),
            other => Reject::new(other, "no"),
        };
        Reply::refusal(id, reject).to_text()
    }

    fn join(
        &mut self,
        link: LinkId,
        room: &RoomId,
        since: Option<&Position>,
        budget: &mut usize,
        now_ms: u64,
    ) -> Joined {
        self.members.entry(link).or_default().entry(room.clone()).or_insert(now_ms);
        let head = self.head(room);
        let log = self.log(room);
        let mut joined = Joined {
            room: room.clone(),
            ep: head.epoch.clone(),
            seq: head.sequence,
            members: None,
            recovered: None,
            next: None,
            b: Vec::new(),
        };
        let Some(since) = since else { return joined };
        let resumable = since.epoch == head.epoch
            && since.sequence <= head.sequence
            && head.sequence.beyond(since.sequence) <= RESUMABLE
            && (since.sequence == head.sequence || since.sequence.get() >= log.expired_through);
        joined.recovered = Some(resumable);
        if resumable {
            let rest = &log.rows[since.sequence.get() as usize..];
            let run = &rest[..rest.len().min(*budget)];
            *budget -= run.len();
            let through = since.sequence.plus(run.len() as u64);
            joined.next = (through < head.sequence).then_some(through);
            joined.b = Block::of(room, run);
        }
        joined
    }

    fn history(&mut self, room: &RoomId, limit: usize) -> History {
        let head = self.head(room);
        let rows = &self.log(room).rows;
        let page = &rows[rows.len().saturating_sub(limit)..];
        let history = Block::of(room, page);
        History { room: room.clone(), ep: head.epoch, seq: head.sequence, before: None, history }
    }

    fn pong(&mut self, at: Vec<(RoomId, Position)>) -> String {
        let heads: Vec<_> = at.into_iter().map(|(room, at)| (self.head(&room), room, at)).collect();
        let behind = heads.into_iter().filter(|(head, _, at)| head.epoch != at.epoch || head.sequence > at.sequence);
        system_text(&System::Pong { behind: behind.map(|(head, room, _)| (room, head)).collect() })
    }
}

//! Implements every port for [`Faulty`].

use std::collections::{HashMap, HashSet};
use std::future::{Future, pending};
use std::time::Duration;

use bytes::Bytes;
use domain::ports::{
    Appended, Bans, Chance, Charged, Charges, Clock, Connections, DeadLetter, DeadLetters, Directory, Error, Exchanged,
    Expiries, Gateway, Holds, Jobs, Joined, Known, Lapsed, Memberships, Opened, Page, Receipt, Renewals, Result,
    Retries, Rooms, Submissions,
};
use domain::{
    Append, Ban, Charge, Connection, ConnectionId, DedupeKey, Delivery, Endpoint, Enlisted, Epoch, Extension, Head,
    Holding, Identity, Intake, Job, Load, Member, Membership, Position, Probe, Publication, Range, Remembered, RoomId,
    Sequence, Shard, Shards, Submission, Suspect, Timestamp, UserId,
};

use super::{Decide, Fault, Faulty, How, Operation};

impl<P: Bans, F: Decide> Bans for Faulty<P, F> {
    async fn ban(&self, ban: &Ban, now: Timestamp) -> Result<()> {
        self.call_at_once(Operation::Ban, self.port.ban(ban, now)).await
    }

    async fn bans_of(&self, user: &UserId, now: Timestamp) -> Result<Vec<Ban>> {
        self.call_at_once(Operation::BansOf, self.port.bans_of(user, now)).await
    }

    async fn bans_since(&self, since: Timestamp) -> Result<Vec<Ban>> {
        self.call_at_once(Operation::BansSince, self.port.bans_since(since)).await
    }
}

impl<P: Charges, F: Decide> Charges for Faulty<P, F> {
    async fn charge(&self, connection: &ConnectionId, charge: Charge, now: Timestamp) -> Result<Charged> {
        self.call_at_once(Operation::Charge, self.port.charge(connection, charge, now)).await
    }

    async fn charge_user(
        &self,
        user: &UserId,
        charge: Charge,
        is_busy: bool,
        now: Timestamp,
    ) -> Result<Option<Duration>> {
        self.call_at_once(Operation::ChargeUser, self.port.charge_user(user, charge, is_busy, now)).await
    }

    async fn room_load(&self, room: &RoomId) -> Result<Load> {
        self.call_at_once(Operation::RoomLoad, self.port.room_load(room)).await
    }

    async fn note_room_busy(&self, room: &RoomId, load: &Load) -> Result<()> {
        self.call_at_once(Operation::NoteRoomBusy, self.port.note_room_busy(room, load)).await
    }
}

impl<P: Connections, F: Decide> Connections for Faulty<P, F> {
    async fn open(&self, connection: &Connection, memberships: &[Membership]) -> Result<Opened> {
        self.call_at_once(Operation::Open, self.port.open(connection, memberships)).await
    }

    async fn find(&self, connection: &ConnectionId) -> Result<Option<Connection>> {
        self.call_at_once(Operation::Find, self.port.find(connection)).await
    }

    async fn touch(&self, connection: &ConnectionId, now: Timestamp) -> Result<Known> {
        self.call_at_once(Operation::Touch, self.port.touch(connection, now)).await
    }

    async fn bury(&self, connection: &ConnectionId, now: Timestamp) -> Result<()> {
        self.call_at_once(Operation::Bury, self.port.bury(connection, now)).await
    }

    async fn silent(&self, shard: u16, before: Timestamp, limit: usize) -> Result<Vec<Suspect>> {
        self.call_at_once(Operation::Silent, self.port.silent(shard, before, limit)).await
    }
}

impl<P: Directory, F: Decide> Directory for Faulty<P, F> {
    async fn enlist(&self, user: &UserId, entry: &Enlisted) -> Result<()> {
        self.call_at_once(Operation::Enlist, self.port.enlist(user, entry)).await
    }

    async fn delist(&self, user: &UserId, connection: &ConnectionId) -> Result<()> {
        self.call_at_once(Operation::Delist, self.port.delist(user, connection)).await
    }

    async fn entries_of(&self, user: &UserId, now: Timestamp) -> Result<Vec<Enlisted>> {
        self.call_at_once(Operation::EntriesOf, self.port.entries_of(user, now)).await
    }
}

impl<P: Holds, F: Decide> Holds for Faulty<P, F> {
    async fn intakes(&self, rooms: &[RoomId]) -> Result<HashMap<RoomId, Intake>> {
        self.call_at_once(Operation::Intakes, self.port.intakes(rooms)).await
    }

    async fn hold(&self, room: &RoomId, count: u32, now: Timestamp) -> Result<u64> {
        self.call_at_once(Operation::Hold, self.port.hold(room, count, now)).await
    }

    async fn pass_gate(&self, room: &RoomId, began: Timestamp) -> Result<()> {
        self.call_at_once(Operation::PassGate, self.port.pass_gate(room, began)).await
    }

    async fn release(&self, room: &RoomId, through: u64) -> Result<()> {
        self.call_at_once(Operation::Release, self.port.release(room, through)).await
    }
}

impl<P: Memberships, F: Decide> Memberships for Faulty<P, F> {
    async fn join(&self, memberships: &[Membership]) -> Vec<Result<Joined>> {
        let call = async { self.port.join(memberships).await.into_iter().collect::<Result<Vec<Joined>>>() };
        match self.call_at_once(Operation::Join, call).await {
            Ok(joined) => joined.into_iter().map(Ok).collect(),
            Err(error) => memberships.iter().map(|_| Err(again(&error))).collect(),
        }
    }

    async fn take_back(&self, memberships: &[Membership]) -> Result<()> {
        let half = self.port.take_back(first_half(memberships));
        self.call(Operation::TakeBack, self.port.take_back(memberships), half).await
    }

    async fn leave(&self, connection: &ConnectionId, rooms: &[RoomId]) -> Result<()> {
        let half = self.port.leave(connection, first_half(rooms));
        self.call(Operation::Leave, self.port.leave(connection, rooms), half).await
    }

    async fn rooms_of(&self, connection: &ConnectionId) -> Result<Vec<RoomId>> {
        self.call_at_once(Operation::RoomsOf, self.port.rooms_of(connection)).await
    }

    async fn page(&self, room: &RoomId, shard: Shard, after: Option<&ConnectionId>) -> Result<Page> {
        self.call_at_once(Operation::Page, self.port.page(room, shard, after)).await
    }

    async fn count(&self, room: &RoomId, shard: Shard) -> Result<u64> {
        self.call_at_once(Operation::Count, self.port.count(room, shard)).await
    }

    async fn members_among(&self, room: &RoomId, connections: &[ConnectionId]) -> Result<Vec<Member>> {
        self.call_at_once(Operation::MembersAmong, self.port.members_among(room, connections)).await
    }
}

impl<P: Renewals, F: Decide> Renewals for Faulty<P, F> {
    async fn renew(&self, connection: &ConnectionId, identity: &Identity, now: Timestamp) -> Result<Exchanged> {
        self.call_at_once(Operation::Renew, self.port.renew(connection, identity, now)).await
    }

    async fn holdings(&self, connection: &ConnectionId) -> Result<Vec<Holding>> {
        self.call_at_once(Operation::Holdings, self.port.holdings(connection)).await
    }

    async fn extend(
        &self,
        connection: &ConnectionId,
        extensions: &[Extension],
        expires_at: Option<Timestamp>,
    ) -> Result<Vec<RoomId>> {
        let half = self.port.extend(connection, first_half(extensions), expires_at);
        self.call(Operation::Extend, self.port.extend(connection, extensions, expires_at), half).await
    }
}

impl<P: Expiries, F: Decide> Expiries for Faulty<P, F> {
    async fn expired(&self, shard: u16, now: Timestamp, limit: usize) -> Result<Vec<Lapsed>> {
        self.call_at_once(Operation::Expired, self.port.expired(shard, now, limit)).await
    }
}

impl<P: Rooms, F: Decide> Rooms for Faulty<P, F> {
    async fn head(&self, room: &RoomId) -> Result<Option<Head>> {
        self.call_at_once(Operation::Head, self.port.head(room)).await
    }

    async fn heads(&self, rooms: &[RoomId]) -> Result<HashMap<RoomId, Head>> {
        self.call_at_once(Operation::Heads, self.port.heads(rooms)).await
    }

    async fn create(&self, room: &RoomId, epoch: &Epoch, now: Timestamp) -> Result<Head> {
        self.call_at_once(Operation::Create, self.port.create(room, epoch, now)).await
    }

    async fn keep(&self, room: &RoomId, now: Timestamp) -> Result<()> {
        self.call_at_once(Operation::Keep, self.port.keep(room, now)).await
    }

    async fn grow(&self, room: &RoomId, from: Shards, to: Shards) -> Result<()> {
        self.call_at_once(Operation::Grow, self.port.grow(room, from, to)).await
    }

    async fn known(&self, keys: &[DedupeKey]) -> Result<HashMap<DedupeKey, Remembered>> {
        self.call_at_once(Operation::Known, self.port.known(keys)).await
    }

    async fn logged(&self, room: &RoomId, positions: &[Position]) -> Result<HashSet<Position>> {
        self.call_at_once(Operation::Logged, self.port.logged(room, positions)).await
    }

    async fn forget_ids(&self, ids: &HashMap<DedupeKey, Remembered>) -> Result<()> {
        self.call_at_once(Operation::ForgetIds, self.port.forget_ids(ids)).await
    }

    async fn append(&self, append: &Append) -> Result<Appended> {
        self.call_at_once(Operation::Append, self.port.append(append)).await
    }

    async fn mark_sent(&self, room: &RoomId, epoch: &Epoch, through: Sequence, now: Timestamp) -> Result<()> {
        self.call_at_once(Operation::MarkSent, self.port.mark_sent(room, epoch, through, now)).await
    }

    async fn delivered(&self, room: &RoomId, shard: Shard, epoch: &Epoch) -> Result<Option<Range>> {
        self.call_at_once(Operation::Delivered, self.port.delivered(room, shard, epoch)).await
    }

    async fn mark_delivered(&self, room: &RoomId, shard: Shard, range: &Range, now: Timestamp) -> Result<()> {
        self.call_at_once(Operation::MarkDelivered, self.port.mark_delivered(room, shard, range, now)).await
    }

    async fn log(&self, room: &RoomId, range: &Range, limit: usize, now: Timestamp) -> Result<Vec<Publication>> {
        self.call_at_once(Operation::Log, self.port.log(room, range, limit, now)).await
    }

    async fn replica_log(
        &self,
        room: &RoomId,
        range: &Range,
        limit: usize,
        now: Timestamp,
    ) -> Result<Vec<Publication>> {
        self.call_at_once(Operation::Log, self.port.replica_log(room, range, limit, now)).await
    }

    async fn replica_log_backwards(
        &self,
        room: &RoomId,
        epoch: &Epoch,
        through: Sequence,
        limit: usize,
        now: Timestamp,
    ) -> Result<Vec<Publication>> {
        let call = self.port.replica_log_backwards(room, epoch, through, limit, now);
        self.call_at_once(Operation::LogBackwards, call).await
    }

    async fn log_backwards(
        &self,
        room: &RoomId,
        epoch: &Epoch,
        through: Sequence,
        limit: usize,
        now: Timestamp,
    ) -> Result<Vec<Publication>> {
        let call = self.port.log_backwards(room, epoch, through, limit, now);
        self.call_at_once(Operation::LogBackwards, call).await
    }
}

impl<P: Submissions, F: Decide> Submissions for Faulty<P, F> {
    async fn submit(&self, submission: &Submission) -> Result<()> {
        self.call_at_once(Operation::Submit, self.port.submit(submission)).await
    }
}

impl<P: DeadLetters, F: Decide> DeadLetters for Faulty<P, F> {
    async fn bury_letter(&self, letter: &DeadLetter) -> Result<()> {
        self.call_at_once(Operation::BuryLetter, self.port.bury_letter(letter)).await
    }
}

impl<P: Jobs, F: Decide> Jobs for Faulty<P, F> {
    async fn dispatch(&self, jobs: &[Job]) -> Result<()> {
        let half = self.port.dispatch(first_half(jobs));
        self.call(Operation::Dispatch, self.port.dispatch(jobs), half).await
    }
}

impl<P: Retries, F: Decide> Retries for Faulty<P, F> {
    async fn retry_after(&self, receipt: &Receipt, pause: Duration) -> Result<()> {
        self.call_at_once(Operation::RetryAfter, self.port.retry_after(receipt, pause)).await
    }
}

impl<P: Gateway, F: Decide> Gateway for Faulty<P, F> {
    async fn post(&self, endpoint: &Endpoint, connection: &ConnectionId, frame: Bytes) -> Delivery {
        let call = self.port.post(endpoint, connection, frame);
        let (made, fault) = self.begin(Operation::Post).await;
        let delivery = match fault {
            Fault::Pass => call.await,
            Fault::Before(how) | Fault::Halfway(how) => how.fail_post().await,
            Fault::After(how) => {
                call.await;
                how.fail_post().await
            }
        };
        self.decide.after(made).await;
        delivery
    }

    async fn probe(&self, endpoint: &Endpoint, connection: &ConnectionId) -> Result<Probe> {
        let call = self.port.probe(endpoint, connection);
        let (made, fault) = self.begin(Operation::Probe).await;
        let probe = match fault {
            Fault::Pass => call.await,
            Fault::Before(How::Throttled) | Fault::Halfway(How::Throttled) | Fault::After(How::Throttled) => {
                Ok(Probe::Throttled)
            }
            Fault::Before(how) | Fault::Halfway(how) | Fault::After(how) => how.fail(Operation::Probe).await,
        };
        self.decide.after(made).await;
        probe
    }

    async fn close(&self, endpoint: &Endpoint, connection: &ConnectionId) -> Result<()> {
        self.call_at_once(Operation::Close, self.port.close(endpoint, connection)).await
    }
}

impl<P: Clock, F: Decide> Clock for Faulty<P, F> {
    fn now(&self) -> Timestamp {
        self.port.now()
    }

    fn sleep(&self, pause: Duration) -> impl Future<Output = ()> + Send {
        self.port.sleep(pause)
    }
}

impl<P: Chance, F: Decide> Chance for Faulty<P, F> {
    fn bits(&self) -> u64 {
        self.port.bits()
    }
}

impl How {
    async fn fail_post(self) -> Delivery {
        match self {
            Self::Throttled => Delivery::Throttled,
            Self::Unavailable | Self::Refused => Delivery::Failed,
            Self::NoAnswer => pending().await,
        }
    }
}

/// Copies an error, for several operations that failed together.
fn again(error: &Error) -> Error {
    match error {
        Error::Throttled { operation } => Error::Throttled { operation },
        Error::Unavailable { operation, source } => Error::Unavailable { operation, source: source.to_string().into() },
        Error::Refused { operation, source } => Error::Refused { operation, source: source.to_string().into() },
    }
}

pub(super) fn first_half<T>(list: &[T]) -> &[T] {
    &list[..list.len() / 2]
}

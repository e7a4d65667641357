//! Records of the connections table: connections to clean up after, rooms to update, and activity
//! for backends.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use domain::flow::leave_all;
use domain::ports::{
    Activities, Chance, Checks, Clock, Directory, Error, Jobs, Memberships, Presences, Rooms, Rosters,
};
use domain::{Activity, Change, Check, ConnectionId, RoomId, Shard, UserId};
use futures::future::join4;
use futures::{StreamExt, stream};
use protocol::stream::Record;
use telemetry::{Summary, field, metric};

use crate::look::Tally;
use crate::{AT_ONCE, Keeper};

/// Pause before an update is repeated that failed and may succeed.
const LOOKS_AGAIN: Duration = Duration::from_secs(1);

/// The work that the records of one event ask for. Each item has the index of its first record,
/// where a repeat begins.
#[derive(Debug, Default)]
struct Asked {
    closed: Vec<(usize, ConnectionId)>,
    /// Connections whose entries leave the directory of their user.
    delisted: Vec<(usize, UserId, ConnectionId)>,
    joined: BTreeMap<ConnectionId, usize>,
    rooms: BTreeMap<RoomId, (usize, BTreeSet<Shard>)>,
    activities: Vec<(usize, Activity)>,
}

impl<T, Q, A, C, R> Keeper<T, Q, A, C, R>
where
    T: Directory + Memberships + Rooms + Rosters + Presences,
    Q: Jobs + Checks,
    A: Activities,
    C: Clock,
    R: Chance,
{
    /// Does the work that the records ask for, and returns the sequence numbers from which it must
    /// be repeated.
    pub(crate) async fn changed(&self, records: Vec<Record>, summary: &mut Summary) -> Vec<String> {
        let asked = self.asked(&records, summary);
        let Asked { mut closed, delisted, joined, rooms, activities } = asked;
        let (gone, unseen) = self.gone(joined).await;
        closed.extend(gone);
        let ((forgotten, left), listed, (told, count), (looked, tally)) =
            join4(self.clean_up(closed), self.delist(delisted), self.tell(activities), self.look_at_all(rooms)).await;
        summary.add(metric::MEMBERS_FORGOTTEN, forgotten);
        summary.add(metric::ACTIVITIES_TOLD, count);
        tally.write(summary);
        let failed: BTreeSet<usize> = left.into_iter().chain(listed).chain(unseen).chain(told).chain(looked).collect();
        let number = |at: usize| records.get(at).map(|record| record.sequence_number.clone());
        failed.into_iter().filter_map(number).collect()
    }

    fn asked(&self, records: &[Record], summary: &mut Summary) -> Asked {
        let mut asked = Asked::default();
        for (at, record) in records.iter().enumerate() {
            match (self.read)(record) {
                Ok(Some(change)) => asked.add(at, &change, record, |activity| self.kinds.has(activity.kind)),
                Ok(None) => {}
                Err(error) => {
                    // The record will never be readable. The next update of its room finds the
                    // change.
                    tracing::error!({ field::ERROR.0 } = %error, "could not read a record; it is skipped, and the next update of its room finds the change");
                    summary.add(metric::MESSAGES_POISONOUS, 1);
                }
            }
        }
        asked
    }

    /// Returns the joined connections that are gone. A join that was killed before it checked its
    /// connection has left memberships that nothing else finds, if the connection was removed
    /// meanwhile. The second value is the index to repeat from if the read failed. After a refusal
    /// a check repeats the read.
    async fn gone(&self, joined: BTreeMap<ConnectionId, usize>) -> (Vec<(usize, ConnectionId)>, Option<usize>) {
        let connections: Vec<ConnectionId> = joined.keys().cloned().collect();
        if connections.is_empty() {
            return (Vec::new(), None);
        }
        match self.tables.members_among(&RoomId::everyone(), &connections).await {
            Ok(members) => {
                let there: BTreeSet<ConnectionId> = members.into_iter().map(|member| member.connection).collect();
                let gone = joined.into_iter().filter(|(connection, _)| !there.contains(connection));
                (gone.map(|(connection, at)| (at, connection)).collect(), None)
            }
            Err(error) => {
                let connections = connections.len();
                tracing::error!({ field::ERROR.0 } = %error, connections, "could not read the connections that joined rooms; their records are delivered again, or a check reads them again");
                let joined = joined.into_iter().map(|(connection, at)| (at, connection));
                let again = if error.is_transient() {
                    joined.map(|(at, _)| at).min()
                } else {
                    self.clean_up_later(joined.collect()).await
                };
                (Vec::new(), again)
            }
        }
    }

    /// Removes the memberships that are left of gone connections. Returns their number, and the
    /// indexes of the records that failed.
    async fn clean_up(&self, closed: Vec<(usize, ConnectionId)>) -> (u64, Vec<usize>) {
        let leaving = stream::iter(closed).map(|(at, connection)| async move {
            let left = leave_all(&self.tables, &connection).await;
            (at, connection, left)
        });
        let mut leaving = leaving.buffer_unordered(AT_ONCE);
        let (mut forgotten, mut failed, mut refused) = (0, Vec::new(), Vec::new());
        while let Some((at, connection, left)) = leaving.next().await {
            match left {
                Ok(rooms) => forgotten += rooms as u64,
                Err(error) => {
                    tracing::error!({ field::CONNECTION_ID.0 } = %connection, { field::ERROR.0 } = %error, "could not remove the memberships of a gone connection; its record is delivered again, or a check repeats the removal");
                    // An error that no retry helps must not hold up the stream.
                    if error.is_transient() { failed.push(at) } else { refused.push((at, connection)) }
                }
            }
        }
        failed.extend(self.clean_up_later(refused).await);
        (forgotten, failed)
    }

    /// Removes connections from the directory of their users, and returns the indexes of the
    /// records that failed. An entry that cannot be removed at all expires some time later.
    async fn delist(&self, delisted: Vec<(usize, UserId, ConnectionId)>) -> Vec<usize> {
        let removing = stream::iter(delisted).map(|(at, user, connection)| async move {
            let error = self.tables.delist(&user, &connection).await.err()?;
            tracing::warn!({ field::CONNECTION_ID.0 } = %connection, { field::ERROR.0 } = %error, "could not remove a closed connection from the directory of its user; its record is delivered again, or its entry expires");
            error.is_transient().then_some(at)
        });
        removing.buffer_unordered(AT_ONCE).filter_map(std::future::ready).collect().await
    }

    /// Queues a check for connections after a call for them was refused. Returns the index of the
    /// first record if that failed.
    async fn clean_up_later(&self, ended: Vec<(usize, ConnectionId)>) -> Option<usize> {
        let first = ended.iter().map(|(at, _)| *at).min()?;
        let ended = ended.into_iter().map(|(_, connection)| connection).collect();
        let check = Check::for_connections(ended, self.clock.now());
        let error = self.queues.check_after(&check, Duration::ZERO).await.err()?;
        tracing::error!({ field::ERROR.0 } = %error, "could not queue a check that removes memberships of closed connections; the stream delivers their records again");
        Some(first)
    }

    /// Removes the memberships of those of these connections that are gone, and returns their
    /// number. A connection that fails does not affect the others.
    pub(crate) async fn clean_up_again(&self, ended: &BTreeSet<ConnectionId>) -> Result<u64, Error> {
        let ended: Vec<ConnectionId> = ended.iter().cloned().collect();
        let there = self.tables.members_among(&RoomId::everyone(), &ended).await?;
        let gone = ended.into_iter().filter(|connection| !there.iter().any(|member| member.connection == *connection));
        let leaving = stream::iter(gone).map(|connection| async move { leave_all(&self.tables, &connection).await });
        let left: Vec<Result<usize, Error>> = leaving.buffer_unordered(AT_ONCE).collect().await;
        left.into_iter().try_fold(0, |sum, rooms| Ok(sum + rooms? as u64))
    }

    /// Publishes activity to backends. Returns the index of the first record if that failed, and
    /// the number of published activities. After a refusal a check repeats the publication.
    async fn tell(&self, activities: Vec<(usize, Activity)>) -> (Option<usize>, u64) {
        let Some(first) = activities.first().map(|(at, _)| *at) else { return (None, 0) };
        let activities: Vec<Activity> = activities.into_iter().map(|(_, activity)| activity).collect();
        match self.topic.tell(&activities).await {
            Ok(()) => (None, activities.len() as u64),
            Err(error) if error.is_transient() => {
                tracing::error!({ field::ERROR.0 } = %error, "could not publish activity to backends; the records are delivered again");
                (Some(first), 0)
            }
            Err(error) => (self.tell_later(activities, &error).await.err().map(|_| first), 0),
        }
    }

    /// Queues a check for activity that the topic refused: nothing else waits for it.
    pub(crate) async fn tell_later(&self, untold: Vec<Activity>, refusal: &Error) -> Result<(), Error> {
        tracing::error!({ field::ERROR.0 } = %refusal, "the topic refused activity; a check publishes it again");
        self.queues.check_after(&Check::for_activity(untold, self.clock.now()), Duration::ZERO).await
    }

    async fn look_at_all(&self, rooms: BTreeMap<RoomId, (usize, BTreeSet<Shard>)>) -> (Vec<usize>, Tally) {
        let looks = stream::iter(rooms).map(|(room, (at, shards))| async move {
            let mut tally = Tally::default();
            let looked = self.look_or_put_off(&room, shards, &mut tally).await;
            (at, room, looked, tally)
        });
        let mut looks = looks.buffer_unordered(AT_ONCE);
        let (mut failed, mut all) = (Vec::new(), Tally::default());
        while let Some((at, room, looked, tally)) = looks.next().await {
            all.add(&tally);
            if let Err(error) = looked {
                tracing::error!({ field::ROOM_ID.0 } = %room, { field::ERROR.0 } = %error, "could not queue a check after a failed update of a room; the records are delivered again");
                failed.push(at);
            }
        }
        (failed, all)
    }

    /// A room that cannot be updated does not hold up the stream, whether or not a retry will help.
    /// The update becomes a check, and after some more tries a dead letter that names the room and
    /// its shards.
    async fn look_or_put_off(&self, room: &RoomId, changed: BTreeSet<Shard>, tally: &mut Tally) -> Result<(), Error> {
        match self.look(room, changed.clone(), None, tally).await {
            Err(error) => {
                tracing::error!({ field::ROOM_ID.0 } = %room, { field::ERROR.0 } = %error, "could not update the presence of a room; a check repeats the update");
                let check = Check { changed, ..Check::at(room, self.clock.now()) };
                let pause = if error.is_transient() { LOOKS_AGAIN } else { Duration::ZERO };
                self.queues.check_after(&check, pause).await
            }
            Ok(()) => Ok(()),
        }
    }
}

impl Asked {
    fn add(&mut self, at: usize, change: &Change, record: &Record, wanted: impl Fn(&Activity) -> bool) {
        if let Change::Closed { connection, user, .. } = change {
            self.closed.push((at, connection.clone()));
            self.delisted.push((at, user.clone(), connection.clone()));
        }
        if let Change::Joined { connection, .. } = change {
            self.joined.entry(connection.clone()).or_insert(at);
        }
        if let Some((room, shard)) = change.counts() {
            let (_, shards) = self.rooms.entry(room.clone()).or_insert((at, BTreeSet::new()));
            shards.insert(shard);
        }
        let activity = Activity::of_change(change, &record.event_id, record.at);
        self.activities.extend(activity.filter(wanted).map(|activity| (at, activity)));
    }
}

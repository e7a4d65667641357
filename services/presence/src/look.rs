//! Updates the presence of a room: reads it, counts the changed shards, and writes it unless
//! another invocation has written it meanwhile.
//!
//! The check that must follow is queued before the write, so that a crash leaves one check too many
//! and never one too few. The write also stores the announcement that the members are owed, and the
//! announcement is sent after it. After a crash in between, the next update sends it. An update
//! that loses the race for the write announces nothing.

use std::collections::BTreeSet;
use std::time::Duration;

use domain::ports::{
    Activities, Chance, Checks, Clock, Directory, Error, Jobs, Memberships, Presences, Result, Rooms, Rosters, Written,
};
use domain::{Activity, Check, Head, Job, Owed, Presence, RoomId, Shard, Step, Timestamp, Work};
use telemetry::{Summary, field, metric};

use crate::Keeper;

/// Tries of an update: another write may overtake each of them.
const RACES: u32 = 8;
/// The longest pause between two tries.
const RACE_PAUSE: Duration = Duration::from_millis(40);

/// Another write overtook every try of an update.
#[derive(Debug, thiserror::Error)]
#[error("another invocation wrote the presence during each of {RACES} tries")]
struct Raced;

/// The counts of updates.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    counted: u64,
    announced: u64,
    conflicts: u64,
    checks: u64,
    activities: u64,
    jobs: u64,
    forgotten: u64,
}

impl Tally {
    /// Counts removed memberships.
    pub(crate) fn add_forgotten(&mut self, count: u64) {
        self.forgotten += count;
    }

    /// Counts published activities.
    pub(crate) fn add_activities(&mut self, count: u64) {
        self.activities += count;
    }

    pub(crate) fn add(&mut self, other: &Self) {
        self.counted += other.counted;
        self.announced += other.announced;
        self.conflicts += other.conflicts;
        self.checks += other.checks;
        self.activities += other.activities;
        self.jobs += other.jobs;
        self.forgotten += other.forgotten;
    }

    pub(crate) fn write(&self, summary: &mut Summary) {
        summary.add(metric::ROOMS_COUNTED, self.counted);
        summary.add(metric::PRESENCE_ANNOUNCED, self.announced);
        summary.add(metric::PRESENCE_CONFLICTED, self.conflicts);
        summary.add(metric::CHECKS_QUEUED, self.checks);
        summary.add(metric::ACTIVITIES_TOLD, self.activities);
        summary.add(metric::JOBS_QUEUED, self.jobs);
        summary.add(metric::MEMBERS_FORGOTTEN, self.forgotten);
    }
}

impl<T, Q, A, C, R> Keeper<T, Q, A, C, R>
where
    T: Directory + Memberships + Rooms + Rosters + Presences,
    Q: Jobs + Checks,
    A: Activities,
    C: Clock,
    R: Chance,
{
    /// Updates a room because shards of it changed, or because a check was due.
    pub(crate) async fn look(
        &self,
        room: &RoomId,
        changed: BTreeSet<Shard>,
        check: Option<Timestamp>,
        tally: &mut Tally,
    ) -> Result<()> {
        for _ in 0..RACES {
            if let Written::Stored = self.look_once(room, &changed, check, tally).await? {
                return Ok(());
            }
            tally.conflicts += 1;
            self.clock.sleep(RACE_PAUSE.mul_f64(self.chance.fraction())).await;
        }
        Err(Error::Unavailable { operation: "update of a room's presence", source: Raced.into() })
    }

    async fn look_once(
        &self,
        room: &RoomId,
        changed: &BTreeSet<Shard>,
        check: Option<Timestamp>,
        tally: &mut Tally,
    ) -> Result<Written> {
        let mut known = self.tables.presence(room).await?;
        let owed = known.owed.take();
        if let Some(owed) = &owed {
            self.pay(room, &known, owed, tally).await?;
        }
        let now = self.clock.now();
        // The check has come. The next update must not wait for it again, by whatever clock.
        let came = check.is_some_and(|due| known.checks.contains(&due));
        let woken = check.is_none_or(|due| known.woken(due, now));
        known.heard(changed.iter().copied(), now);
        let mut next = match known.step(now) {
            Step::Count if woken => {
                tally.counted += 1;
                let (fresh, joined_at) = self.census(room, &known).await?;
                let next = known.counted_with(fresh, &joined_at, now);
                self.compare_later(room, &known, &next, now, tally).await?;
                next
            }
            Step::Wait(_) if woken => known,
            // Nothing has changed but the announcement that was owed, or the check that was
            // awaited.
            _ if owed.is_some() || came => known,
            _ => return Ok(Written::Stored),
        };
        self.write(room, &mut next, now, tally).await
    }

    /// Queues comparisons of the shards that this update has settled. Two updates at the same
    /// moment may queue them twice.
    async fn compare_later(
        &self,
        room: &RoomId,
        before: &Presence,
        next: &Presence,
        now: Timestamp,
        tally: &mut Tally,
    ) -> Result<()> {
        for (at, compared) in next.comparisons(before, now) {
            let check = Check { compared, ..Check::at(room, at) };
            self.queues.check_after(&check, at.since(self.clock.now())).await?;
            tally.checks += 1;
        }
        Ok(())
    }

    /// Compares the counts of shards with the last ones, and updates the shards that differ. If
    /// none differs, nothing is written.
    pub(crate) async fn compare(&self, room: &RoomId, shards: &BTreeSet<Shard>, tally: &mut Tally) -> Result<()> {
        let counts = self.counts(room, shards.iter().copied()).await?;
        let differing = self.tables.presence(room).await?.differing(&counts);
        if differing.is_empty() {
            return Ok(());
        }
        self.look(room, differing, None, tally).await
    }

    /// Queues the check that must follow, writes the presence, and sends the announcement.
    async fn write(&self, room: &RoomId, next: &mut Presence, now: Timestamp, tally: &mut Tally) -> Result<Written> {
        if let Some(at) = next.ask_for_check(now) {
            let check = Check::at(room, at);
            self.queues.check_after(&check, at.since(self.clock.now())).await?;
            tally.checks += 1;
        }
        if let Written::Stale = self.tables.write_presence(room, next).await? {
            return Ok(Written::Stale);
        }
        next.version += 1;
        if let Some(owed) = next.owed.take() {
            self.pay(room, next, &owed, tally).await?;
            tally.announced += 1;
            // If this write fails, the next update sends the announcement again, and the queue
            // drops the jobs that it has.
            if let Err(error) = self.tables.write_presence(room, next).await {
                tracing::warn!({ field::ROOM_ID.0 } = %room, { field::ERROR.0 } = %error, "could not store that an announcement was sent; the next update sends it again");
            }
        }
        Ok(Written::Stored)
    }

    /// Queues the announcement for the members, and publishes the activity for backends that asked
    /// for it.
    async fn pay(&self, room: &RoomId, known: &Presence, owed: &Owed, tally: &mut Tally) -> Result<()> {
        if owed.told.members > 0 {
            // Connections may be in a room before it has a head.
            let head = self.tables.head(room).await?.unwrap_or_else(|| Head::none(room));
            let Owed { version, at, told, .. } = owed.clone();
            let mut jobs = Job::for_each_shard(room, head.shards, &Work::Presence { version, at, told });
            jobs.retain(|job| known.census.contains_key(&job.shard));
            self.queues.dispatch(&jobs).await?;
            tally.jobs += jobs.len() as u64;
        }
        if let Some(activity) = Activity::of_room(room, owed).filter(|activity| self.kinds.has(activity.kind)) {
            match self.topic.tell(std::slice::from_ref(&activity)).await {
                Ok(()) => tally.activities += 1,
                Err(error) if error.is_transient() => return Err(error),
                // The members of the room must not wait for it.
                Err(error) => self.tell_later(vec![activity], &error).await?,
            }
        }
        Ok(())
    }
}

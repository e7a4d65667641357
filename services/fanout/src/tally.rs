//! The counts of one group's work.

use domain::{Delivery, Publication, Range, RoomId, Shard, Timestamp};
use telemetry::{Metric, Summary, field, metric};

/// Numbers of posts by result.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Outcomes([u64; Self::METRICS.len()]);

/// The counts of one group's work.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    pub(crate) posts: Outcomes,
    pub(crate) jobs: u64,
    pub(crate) dropped: u64,
    pub(crate) repeated: u64,
    pub(crate) late: u64,
    pub(crate) gone: u64,
    pub(crate) evicted: u64,
    pub(crate) poison: u64,
    pub(crate) slowest_ms: u64,
    /// Ids of delivered publications. `ranges` has the delivered ranges of rooms.
    pub(crate) ids: Vec<String>,
    pub(crate) ranges: Vec<String>,
    /// The shard of the group, and the bytes that the gateway accepted for it.
    pub(crate) shard: Option<(RoomId, Shard)>,
    pub(crate) bytes: u64,
}

/// Formats a range for the field `publication.range`.
pub(crate) fn range_text(room: &RoomId, range: &Range) -> String {
    let first = range.after.get().saturating_add(1);
    format!("{room} {}.{first}-{}", range.epoch, range.through)
}

impl Tally {
    pub(crate) fn post(&mut self, delivery: Delivery) {
        self.posts.add(delivery);
    }

    pub(crate) fn add(&mut self, other: &Self) {
        self.add_posts(&other.posts);
        self.jobs += other.jobs;
        self.dropped += other.dropped;
        self.repeated += other.repeated;
        self.late += other.late;
        self.gone += other.gone;
        self.evicted += other.evicted;
        self.poison += other.poison;
        self.slowest_ms = self.slowest_ms.max(other.slowest_ms);
        self.ids.extend_from_slice(&other.ids);
        self.ranges.extend_from_slice(&other.ranges);
    }

    pub(crate) fn add_posts(&mut self, posts: &Outcomes) {
        self.posts.0.iter_mut().zip(posts.0).for_each(|(all, more)| *all += more);
    }

    /// Counts publications whose delivery ended at `now`.
    pub(crate) fn delivered(&mut self, room: &RoomId, rows: &[Publication], now: Timestamp) {
        self.jobs += 1;
        if let (Some(first), Some(last)) = (rows.first(), rows.last()) {
            let (first, last) = (&first.position, &last.position);
            let range = Range { epoch: first.epoch.clone(), after: first.sequence.before(), through: last.sequence };
            self.ranges.push(range_text(room, &range));
        }
        self.ids.extend(rows.iter().take(telemetry::LISTED).map(|row| row.id.to_string()));
        let slowest = rows.iter().map(|row| now.since(row.accepted_at).as_millis() as u64).max();
        self.slowest_ms = self.slowest_ms.max(slowest.unwrap_or_default());
    }

    pub(crate) fn write(&self, summary: &mut Summary) {
        for (metric, count) in Outcomes::METRICS.into_iter().zip(self.posts.0).filter(|(_, count)| *count > 0) {
            summary.add(metric::POSTS_SENT, count);
            summary.add(metric, count);
        }
        summary.add(metric::JOBS_DELIVERED, self.jobs);
        summary.add(metric::JOBS_DROPPED, self.dropped);
        summary.add(metric::JOBS_REPEATED, self.repeated);
        summary.add(metric::MEMBERS_LATE, self.late);
        summary.add(metric::CONNECTIONS_GONE, self.gone);
        summary.add(metric::CONNECTIONS_EVICTED, self.evicted);
        summary.add(metric::MESSAGES_POISONOUS, self.poison);
        summary.most(metric::DELIVERY_TOOK_MS, self.slowest_ms);
        self.ids.iter().for_each(|id| summary.list(field::PUBLICATION_ID, id.as_str()));
        self.ranges.iter().for_each(|range| summary.list(field::PUBLICATION_RANGE, range.as_str()));
        if let Some((room, shard)) = self.shard.as_ref().filter(|_| self.jobs + self.posts.sum() > 0) {
            let (posts, delivered) = (self.posts.sum(), self.posts.delivered());
            let Self { bytes, late, slowest_ms, .. } = self;
            summary.list(field::ROOM_TALLY, format!("{room} {shard} {posts} {delivered} {bytes} {late} {slowest_ms}"));
        }
    }
}

impl Outcomes {
    const METRICS: [Metric; 6] = [
        metric::POSTS_DELIVERED,
        metric::POSTS_GONE,
        metric::POSTS_NOT_READY,
        metric::POSTS_THROTTLED,
        metric::POSTS_TOO_LARGE,
        metric::POSTS_FAILED,
    ];

    fn sum(self) -> u64 {
        self.0.iter().sum()
    }

    fn delivered(self) -> u64 {
        self.0[0]
    }

    pub(crate) fn add(&mut self, delivery: Delivery) {
        let place = match delivery {
            Delivery::Delivered => 0,
            Delivery::Gone => 1,
            Delivery::NotReady => 2,
            Delivery::Throttled => 3,
            Delivery::TooLarge => 4,
            Delivery::Failed => 5,
        };
        self.0[place] += 1;
    }
}

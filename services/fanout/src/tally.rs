//! What one group's work came to.

use std::collections::BTreeMap;

use domain::{Delivery, Publication, Timestamp};
use telemetry::{Metric, Summary, metric};

/// What one group's work came to.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    pub(crate) posts: BTreeMap<Delivery, u64>,
    pub(crate) jobs: u64,
    pub(crate) dropped: u64,
    pub(crate) late: u64,
    pub(crate) gone: u64,
    pub(crate) evicted: u64,
    pub(crate) poison: u64,
    pub(crate) slowest_ms: u64,
}

impl Tally {
    /// One post was made.
    pub(crate) fn post(&mut self, delivery: Delivery) {
        *self.posts.entry(delivery).or_default() += 1;
    }

    /// Adds the posts of somebody else's tally.
    pub(crate) fn add_posts(&mut self, posts: &BTreeMap<Delivery, u64>) {
        for (delivery, count) in posts {
            *self.posts.entry(*delivery).or_default() += count;
        }
    }

    /// These publications have been delivered by now.
    pub(crate) fn delivered(&mut self, rows: &[Publication], now: Timestamp) {
        self.jobs += 1;
        let slowest = rows.iter().map(|row| now.since(row.accepted_at).as_millis() as u64).max();
        self.slowest_ms = self.slowest_ms.max(slowest.unwrap_or_default());
    }

    pub(crate) fn write(&self, summary: &mut Summary) {
        for (delivery, count) in &self.posts {
            summary.add(metric::POSTS_SENT, *count);
            summary.add(of(*delivery), *count);
        }
        summary.add(metric::JOBS_DELIVERED, self.jobs);
        summary.add(metric::JOBS_DROPPED, self.dropped);
        summary.add(metric::MEMBERS_LATE, self.late);
        summary.add(metric::CONNECTIONS_GONE, self.gone);
        summary.add(metric::CONNECTIONS_EVICTED, self.evicted);
        summary.add(metric::MESSAGES_POISONOUS, self.poison);
        summary.most(metric::DELIVERY_TOOK_MS, self.slowest_ms);
    }
}

fn of(delivery: Delivery) -> Metric {
    match delivery {
        Delivery::Delivered => metric::POSTS_DELIVERED,
        Delivery::Gone => metric::POSTS_GONE,
        Delivery::NotReady => metric::POSTS_NOT_READY,
        Delivery::Throttled => metric::POSTS_THROTTLED,
        Delivery::TooLarge => metric::POSTS_TOO_LARGE,
        Delivery::Failed => metric::POSTS_FAILED,
    }
}

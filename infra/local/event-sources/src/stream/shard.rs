//! Processes one shard. Its records are distributed to lanes by item. Each lane processes one batch
//! at a time. The checkpoint stays before the first record that is not done.

use std::collections::VecDeque;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;
use std::time::Duration;

use aws_sdk_dynamodbstreams::types::Record;
use local_invoke::Invoke;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::progress::Progress;
use super::reader::Position;
use super::{Mapping, StartingPosition, event};
use crate::cut;

/// A record that was read and converted to JSON.
#[derive(Debug)]
pub(super) struct Read {
    /// The record's place in the progress of its shard.
    pub(super) place: u64,
    pub(super) sequence_number: String,
    /// Seconds since 1970.
    pub(super) created_s: i64,
    pub(super) json: String,
}

/// The report of a lane to its shard.
#[derive(Debug)]
pub(super) struct Report {
    pub(super) lane: usize,
    /// Places of records that are done.
    pub(super) done: Vec<u64>,
    /// True if the lane is free for the next batch.
    pub(super) is_free: bool,
}

/// Records that wait for their invocation, in order.
#[derive(Debug, Default)]
struct Lane {
    waiting: VecDeque<(Instant, Read)>,
    is_busy: bool,
}

/// Most records of a shard in memory, done or not. Reading pauses at this number.
const MAX_OPEN: usize = 10_000;

/// The state of a shard that is being processed.
struct Shard {
    name: Arc<str>,
    lanes: Vec<Lane>,
    progress: Progress,
    batch_size: usize,
    window: Duration,
    /// True if the last record of the shard was read.
    is_read: bool,
}

impl<I: Invoke> Mapping<I> {
    /// Reads and processes a shard to its end, or until the mapping is stopped. Returns the shard's
    /// name.
    pub(super) async fn shard(self: Arc<Self>, name: String, start: StartingPosition) -> String {
        let checkpoint = self.checkpoints.load(&self.checkpoint_key(), &name);
        let position = checkpoint.map_or(Position::Start(start), Position::After);
        let mut tasks = JoinSet::new();
        let (sender, mut pages) = mpsc::channel(1);
        tasks.spawn(Arc::clone(&self).read(name.clone(), position, sender));
        let (reports, mut reported) = mpsc::unbounded_channel();
        let mut shard = Shard::new(&name, &self.source);
        while !shard.is_over(self.stop.is_cancelled()) {
            while tasks.try_join_next().is_some() {}
            if !self.stop.is_cancelled() {
                for (lane, records) in shard.ready(Instant::now()) {
                    tasks.spawn(Arc::clone(&self).deliver(Arc::clone(&shard.name), lane, records, reports.clone()));
                }
            }
            tokio::select! {
                page = pages.recv(), if shard.wants_more() && !self.stop.is_cancelled() => match page {
                    Some(records) => self.take(&mut shard, &records),
                    None => shard.is_read = true,
                },
                Some(report) = reported.recv() => self.settle(&mut shard, report),
                () = until(shard.next_window()) => {}
                () = self.stop.cancelled(), if !self.stop.is_cancelled() => {}
            }
        }
        name
    }

    /// Distributes new records to their lanes. Records that match no filter are done at once.
    fn take(&self, shard: &mut Shard, records: &[Record]) {
        self.counters.records.add(records.len());
        let mut unwanted = Vec::new();
        for record in records {
            let change = record.dynamodb();
            let sequence_number = change.and_then(|change| change.sequence_number()).unwrap_or_default().to_owned();
            let place = shard.progress.read(sequence_number.clone());
            let json = event::record(record, &self.source, &self.region);
            if !self.filters.matches(&json) {
                unwanted.push(place);
                continue;
            }
            let created_s =
                change.and_then(|change| change.approximate_creation_date_time()).map_or(0, |time| time.secs());
            let read = Read { place, sequence_number, created_s, json: json.to_string() };
            let lane = lane_of(&event::item_key(record), shard.lanes.len());
            shard.lanes[lane].waiting.push_back((Instant::now(), read));
        }
        self.counters.filtered.add(unwanted.len());
        self.done(shard, unwanted);
    }

    fn settle(&self, shard: &mut Shard, report: Report) {
        if report.is_free {
            shard.lanes[report.lane].is_busy = false;
        }
        self.done(shard, report.done);
    }

    fn done(&self, shard: &mut Shard, places: Vec<u64>) {
        let Some(checkpoint) = shard.progress.done(places) else { return };
        if let Err(error) = self.checkpoints.save(&self.checkpoint_key(), &shard.name, &checkpoint) {
            tracing::warn!(stream = self.source.event_source_arn, %error, "cannot save a checkpoint: records are delivered again after a restart");
        }
    }

    fn checkpoint_key(&self) -> String {
        format!("{} {}", self.source.function, self.source.stream_arn)
    }
}

impl Shard {
    fn new(name: &str, source: &super::StreamSource) -> Self {
        Self {
            name: name.into(),
            lanes: (0..source.parallelization_factor).map(|_| Lane::default()).collect(),
            progress: Progress::default(),
            batch_size: source.batch_size as usize,
            window: source.batch_window,
            is_read: false,
        }
    }

    /// Returns a batch for each free lane that has enough records, or whose first record has waited
    /// long enough.
    fn ready(&mut self, now: Instant) -> Vec<(usize, Vec<Read>)> {
        let mut batches = Vec::new();
        for (number, lane) in self.lanes.iter_mut().enumerate() {
            let Some((since, _)) = lane.waiting.front() else { continue };
            let sizes: Vec<usize> =
                lane.waiting.iter().take(self.batch_size).map(|(_, read)| read.json.len()).collect();
            let fits = cut::events(&sizes, self.batch_size).first().map_or(0, ExactSizeIterator::len);
            let is_full = fits == self.batch_size || fits < sizes.len();
            if !lane.is_busy && (is_full || self.is_read || *since + self.window <= now) {
                lane.is_busy = true;
                batches.push((number, lane.waiting.drain(..fits).map(|(_, read)| read).collect()));
            }
        }
        batches
    }

    /// Returns the time at which the next batch is due if no more records arrive.
    fn next_window(&self) -> Option<Instant> {
        let free = self.lanes.iter().filter(|lane| !lane.is_busy);
        free.filter_map(|lane| lane.waiting.front()).map(|(since, _)| *since + self.window).min()
    }

    fn wants_more(&self) -> bool {
        !self.is_read && self.progress.open() < MAX_OPEN.max(2 * self.batch_size * self.lanes.len())
    }

    fn is_over(&self, is_stopped: bool) -> bool {
        let is_busy = self.lanes.iter().any(|lane| lane.is_busy);
        let is_empty = self.lanes.iter().all(|lane| lane.waiting.is_empty());
        !is_busy && (is_stopped || (self.is_read && is_empty))
    }
}

/// Returns the lane of an item. All changes of an item go to the same lane.
fn lane_of(item_key: &str, lanes: usize) -> usize {
    let mut hasher = DefaultHasher::new();
    item_key.hash(&mut hasher);
    usize::try_from(hasher.finish() % lanes as u64).unwrap_or(0)
}

async fn until(when: Option<Instant>) {
    match when {
        Some(when) => tokio::time::sleep_until(when).await,
        None => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stream::StreamSource;

    const WINDOW: Duration = Duration::from_secs(2);

    fn shard(window: Duration) -> Shard {
        let source = StreamSource { batch_size: 3, batch_window: window, ..StreamSource::new("arn", "f") };
        Shard::new("s", &source)
    }

    fn add(shard: &mut Shard, arrived: Instant, count: u64) {
        for place in 0..count {
            let read = Read { place, sequence_number: place.to_string(), created_s: 0, json: "{}".to_owned() };
            shard.lanes[0].waiting.push_back((arrived, read));
        }
    }

    fn sizes(shard: &mut Shard, now: Instant) -> Vec<usize> {
        shard.ready(now).iter().map(|(_, records)| records.len()).collect()
    }

    #[test]
    fn without_a_window_a_free_lane_takes_what_there_is() {
        let (mut shard, now) = (shard(Duration::ZERO), Instant::now());
        add(&mut shard, now, 2);
        assert_eq!(sizes(&mut shard, now), [2]);
    }

    #[test]
    fn a_busy_lane_gathers_until_it_is_free() {
        let (mut shard, now) = (shard(Duration::ZERO), Instant::now());
        add(&mut shard, now, 5);
        assert_eq!(sizes(&mut shard, now), [3]);
        assert!(sizes(&mut shard, now).is_empty());
        shard.lanes[0].is_busy = false;
        assert_eq!(sizes(&mut shard, now), [2]);
    }

    #[test]
    fn a_window_gathers_until_it_closes_or_the_batch_is_full() {
        let (mut shard, now) = (shard(WINDOW), Instant::now());
        add(&mut shard, now, 2);
        assert!(sizes(&mut shard, now).is_empty());
        assert_eq!(shard.next_window(), Some(now + WINDOW));
        assert_eq!(sizes(&mut shard, now + WINDOW), [2]);
        shard.lanes[0].is_busy = false;
        add(&mut shard, now, 3);
        assert_eq!(sizes(&mut shard, now), [3]);
    }

    #[test]
    fn items_are_dealt_evenly_and_always_to_the_same_lane() {
        let mut counts = [0; 4];
        for item in 0..1_000 {
            let lane = lane_of(&item.to_string(), 4);
            assert_eq!(lane, lane_of(&item.to_string(), 4));
            counts[lane] += 1;
        }
        assert!(counts.iter().all(|count| (150..350).contains(count)), "{counts:?}");
    }
}

//! The stream of events: one ring buffer for all readers. Each reader has its own position.
//!
//! An event is built and recorded only if a reader wants its kind. A reader that is too slow loses
//! the oldest events and receives their number. The stack never waits for a reader.

use std::collections::{BTreeMap, VecDeque};
use std::pin::pin;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use bytes::{BufMut, Bytes, BytesMut};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use super::event::{Event, Kind, Kinds};

/// Most events in the ring, for a reader that is slow or reconnects.
const KEPT_EVENTS: usize = 20_000;
/// Most bytes in the ring. An event has up to about 10 KiB.
const KEPT_BYTES: usize = 16 * 1024 * 1024;
/// How long recording continues after the last reader has left, so that a page that reloads misses
/// nothing.
const LINGER: Duration = Duration::from_secs(10);
/// Time without events after which a comment is sent, so that a reader notices a broken connection.
const KEEP_ALIVE: Duration = Duration::from_secs(15);
/// Most bytes that a reader receives at once.
const CHUNK_BYTES: usize = 64 * 1024;

/// A handle to the stream. Clones are handles to the same stream.
#[derive(Clone, Default)]
pub(crate) struct Feed {
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    /// The kinds that are recorded.
    recorded: AtomicU32,
    ring: Mutex<Ring>,
    arrived: Notify,
}

#[derive(Default)]
struct Ring {
    frames: VecDeque<Frame>,
    bytes: usize,
    /// The id of the last event; the first has 1.
    last_id: u64,
    readers: BTreeMap<u64, Kinds>,
    next_reader: u64,
    /// Time at which the last reader left.
    idle_since: Option<Instant>,
}

struct Frame {
    kind: Kind,
    text: Bytes,
}

/// A reader's position in the stream.
pub(crate) struct Reader {
    feed: Feed,
    number: u64,
    kinds: Kinds,
    /// The id of the last event that the reader received.
    last_id: u64,
}

impl Feed {
    /// Returns whether events of this kind are recorded.
    pub(crate) fn records(&self, kind: Kind) -> bool {
        Kinds::from_bits(self.shared.recorded.load(Ordering::Relaxed)).contains(kind)
    }

    /// Returns whether any event is recorded.
    pub(crate) fn is_recording(&self) -> bool {
        self.shared.recorded.load(Ordering::Relaxed) != 0
    }

    /// Records an event. Builds it only if a reader wants its kind.
    pub(crate) fn record<'a>(&self, kind: Kind, event: impl FnOnce() -> Event<'a>) {
        if !self.records(kind) {
            return;
        }
        // The event contains only texts and numbers, so serialising cannot fail.
        let json = serde_json::to_string(&event()).unwrap_or_default();
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let at_ms = now.as_micros() as f64 / 1_000.0;
        let mut ring = self.lock();
        if ring.has_lingered() {
            return self.stop_recording(&mut ring);
        }
        let id = ring.last_id + 1;
        let rest = json.strip_prefix('{').unwrap_or_default();
        let text = format!("id: {id}\ndata: {{\"id\":{id},\"at_ms\":{at_ms:.3},{rest}\n\n");
        ring.push(Frame { kind, text: text.into() });
        drop(ring);
        self.shared.arrived.notify_waiters();
    }

    /// Creates a reader of these kinds. It starts after the event `after`, or else after the last
    /// event.
    pub(crate) fn reader(&self, kinds: Kinds, after: Option<u64>) -> Reader {
        let mut ring = self.lock();
        if ring.has_lingered() {
            self.stop_recording(&mut ring);
        }
        if ring.readers.is_empty() && ring.idle_since.is_none() {
            // All events that were not recorded count as one lost event.
            ring.last_id += 1;
        }
        let number = ring.next_reader;
        ring.next_reader += 1;
        ring.readers.insert(number, kinds);
        ring.idle_since = None;
        self.shared.recorded.fetch_or(kinds.bits(), Ordering::Relaxed);
        let last_id = after.map_or(ring.last_id, |after| after.min(ring.last_id));
        Reader { feed: self.clone(), number, kinds, last_id }
    }

    fn leave(&self, number: u64) {
        let mut ring = self.lock();
        ring.readers.remove(&number);
        if ring.readers.is_empty() {
            ring.idle_since = Some(Instant::now());
        } else {
            let kinds = ring.readers.values().fold(Kinds::default(), |all, kinds| all.union(*kinds));
            self.shared.recorded.store(kinds.bits(), Ordering::Relaxed);
        }
    }

    fn stop_recording(&self, ring: &mut Ring) {
        self.shared.recorded.store(0, Ordering::Relaxed);
        ring.idle_since = None;
        ring.frames = VecDeque::new();
        ring.bytes = 0;
    }

    fn lock(&self) -> MutexGuard<'_, Ring> {
        self.shared.ring.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Ring {
    fn has_lingered(&self) -> bool {
        self.readers.is_empty() && self.idle_since.is_some_and(|since| since.elapsed() > LINGER)
    }

    fn push(&mut self, frame: Frame) {
        self.last_id += 1;
        self.bytes += frame.text.len();
        self.frames.push_back(frame);
        while self.frames.len() > KEPT_EVENTS || self.bytes > KEPT_BYTES {
            let Some(oldest) = self.frames.pop_front() else { return };
            self.bytes -= oldest.text.len();
        }
    }

    /// Returns the id of the oldest event in the ring.
    fn first_id(&self) -> u64 {
        self.last_id + 1 - self.frames.len() as u64
    }
}

impl Reader {
    /// Returns the next events in the form in which they are sent, or `None` when `stop` is
    /// cancelled.
    pub(crate) async fn next(&mut self, stop: &CancellationToken) -> Option<Bytes> {
        loop {
            let feed = self.feed.clone();
            let mut arrived = pin!(feed.shared.arrived.notified());
            arrived.as_mut().enable();
            if let Some(chunk) = self.take() {
                return Some(chunk);
            }
            tokio::select! {
                () = &mut arrived => {}
                () = stop.cancelled() => return None,
                () = tokio::time::sleep(KEEP_ALIVE) => return Some(Bytes::from_static(b":\n\n")),
            }
        }
    }

    /// Returns the events since the last call.
    fn take(&mut self) -> Option<Bytes> {
        let ring = self.feed.lock();
        let mut chunk = BytesMut::new();
        let lost = ring.first_id().saturating_sub(self.last_id + 1);
        if lost > 0 {
            self.last_id += lost;
            let id = self.last_id;
            let text = format!("id: {id}\ndata: {{\"id\":{id},\"type\":\"dropped\",\"count\":{lost}}}\n\n");
            chunk.put_slice(text.as_bytes());
        }
        let behind = usize::try_from(ring.last_id - self.last_id).unwrap_or_default();
        for frame in ring.frames.iter().skip(ring.frames.len() - behind.min(ring.frames.len())) {
            if chunk.len() > CHUNK_BYTES {
                break;
            }
            self.last_id += 1;
            if self.kinds.contains(frame.kind) {
                chunk.put_slice(&frame.text);
            }
        }
        (!chunk.is_empty()).then(|| chunk.freeze())
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        self.feed.leave(self.number);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(feed: &Feed, message_id: &str) {
        feed.record(Kind::MessageDeleted, || Event::MessageDeleted { queue: "work", message_id, group: None });
    }

    async fn read(reader: &mut Reader) -> String {
        let chunk = reader.next(&CancellationToken::new()).await.unwrap();
        String::from_utf8(chunk.to_vec()).unwrap()
    }

    #[tokio::test]
    async fn a_reader_sees_what_happens_from_its_beginning_in_order_with_growing_ids() {
        let feed = Feed::default();
        record(&feed, "before");
        let mut reader = feed.reader(Kinds::ALL, None);
        record(&feed, "a");
        record(&feed, "b");
        let text = read(&mut reader).await;
        let events: Vec<serde_json::Value> = text
            .lines()
            .filter_map(|line| line.strip_prefix("data: "))
            .map(|json| serde_json::from_str(json).unwrap())
            .collect();
        let seen: Vec<_> = events.iter().map(|event| event["message_id"].as_str().unwrap()).collect();
        assert_eq!(seen, ["a", "b"]);
        assert_eq!(events[0]["id"].as_u64().unwrap() + 1, events[1]["id"].as_u64().unwrap());
        assert!(text.starts_with(&format!("id: {}\n", events[0]["id"])), "{text}");
    }

    #[test]
    fn nothing_is_built_unless_a_reader_wants_its_kind() {
        let feed = Feed::default();
        let built = || panic!("it is built");
        feed.record(Kind::Posted, built);
        let reader = feed.reader(Kinds::parse("log").unwrap(), None);
        feed.record(Kind::Posted, built);
        assert!(feed.records(Kind::Log) && !feed.records(Kind::Posted));
        let other = feed.reader(Kinds::parse("posted").unwrap(), None);
        assert!(feed.records(Kind::Log) && feed.records(Kind::Posted));
        drop(reader);
        assert!(!feed.records(Kind::Log) && feed.records(Kind::Posted));
        drop(other);
        assert!(feed.is_recording(), "a page that reloads misses nothing");
    }

    #[tokio::test]
    async fn a_reader_that_is_too_slow_loses_the_oldest_and_learns_how_many() {
        const LOST: usize = 7;
        let feed = Feed::default();
        let mut reader = feed.reader(Kinds::ALL, None);
        for number in 0..KEPT_EVENTS + LOST {
            record(&feed, &number.to_string());
        }
        let text = read(&mut reader).await;
        let dropped = text.lines().nth(1).unwrap();
        assert!(dropped.ends_with(&format!("\"type\":\"dropped\",\"count\":{LOST}}}")), "{dropped}");
        let next = text.lines().find(|line| line.contains("message_deleted")).unwrap();
        assert!(next.contains(&format!("\"message_id\":\"{LOST}\"")), "{next}");
    }

    #[tokio::test]
    async fn a_reader_that_comes_back_goes_on_where_it_was() {
        let feed = Feed::default();
        let mut reader = feed.reader(Kinds::ALL, None);
        record(&feed, "a");
        read(&mut reader).await;
        let last_id = reader.last_id;
        drop(reader);
        record(&feed, "b");
        let text = read(&mut feed.reader(Kinds::ALL, Some(last_id))).await;
        assert!(text.contains("\"b\"") && !text.contains("\"a\"") && !text.contains("dropped"), "{text}");
    }

    #[tokio::test]
    async fn events_of_other_kinds_are_passed_over() {
        let feed = Feed::default();
        let mut all = feed.reader(Kinds::ALL, None);
        let mut faults = feed.reader(Kinds::parse("fault_fired").unwrap(), None);
        record(&feed, "a");
        feed.record(Kind::FaultFired, || Event::FaultFired { fault: "F33", what: "throttled" });
        assert_eq!(read(&mut all).await.matches("data: ").count(), 2);
        let text = read(&mut faults).await;
        assert!(text.contains("F33") && !text.contains("message_deleted"), "{text}");
    }

    #[tokio::test]
    async fn a_stream_ends_when_the_stack_stops() {
        let (feed, stop) = (Feed::default(), CancellationToken::new());
        let mut reader = feed.reader(Kinds::ALL, None);
        stop.cancel();
        assert_eq!(reader.next(&stop).await, None);
    }
}

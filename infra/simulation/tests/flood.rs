//! A backend that floods one room by every door, at ten times the rate of the room: no other room
//! waits for it, its own room goes on at its rate and in order, and nothing is lost
//! without a word.
//!
//! Each queue works on as many batches at a time as the topology states, each for a tenth of a
//! second. Each publication of the flood has an author of its own, so none is sent together with
//! another: each is a message.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests fail by panicking")]

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use domain::ports::{Charges, Clock, Receipt, Rooms, Submissions};
use domain::{Epoch, Job, Publisher, RoomId, Sequence, Shard, Submission, Timestamp, limits};
use events::{Events, Source};
use fanout::Fanout;
use lambda_kit::batch::{Failed, Message};
use lambda_kit::deadline::Deadline;
use lambda_kit::start::{Batches, Records};
use outbox::Outbox;
use protocol::backend::Wrapping;
use protocol::stream::StreamEvent;
use sequencer::Sequencer;
use serde::Serialize;
use serde_json::{Value, json};
use simulation::AT_ONCE;
use telemetry::Summary;
use testkit::memory::Fifo;
use testkit::{World, samples};

/// How long a worker takes for a batch.
const TICK: Duration = Duration::from_millis(100);
const TICKS_PER_SECOND: u64 = 10;
/// Virtual minutes of the flood. `ROOMCAST_FLOOD_MINUTES` sets another number, for example 60.
const FLOOD_MINUTES: u64 = 10;
/// Publications of the flood in a tick: ten times the rate.
const PER_TICK: u64 = 10 * limits::ROOM_RATE.count_per_second() / TICKS_PER_SECOND;
/// FIFO groups of the flood.
const GROUPS: u64 = 7;
const OTHERS: [&str; 3] = ["lobby", "team:7", "den"];
const HOT: &str = "hot";
/// What others wait at the most.
const PROMISED: Duration = Duration::from_secs(10);

struct Flood {
    world: World,
    events: VecDeque<(String, String)>,
    rows: VecDeque<Value>,
    /// When each publication of another room was sent.
    sent: BTreeMap<String, Timestamp>,
    /// How far other rooms are delivered.
    delivered: BTreeMap<&'static str, Sequence>,
    waits: BTreeMap<String, Duration>,
    hot: u64,
    dead: u64,
    reasons: BTreeMap<String, u64>,
    /// How often members of the room tried to publish, and were let in.
    members: (u64, u64),
}

impl Flood {
    async fn new() -> Self {
        let mut world = World::new();
        // A tick is all the time that a batch takes.
        world.store = world.store.with_transaction_hold(Duration::ZERO);
        for room in OTHERS.into_iter().chain([HOT]) {
            let now = world.clock.now();
            world.store.create(&samples::room(room), &samples::epoch("k7Qf"), now).await.unwrap();
            let member = world.connect(&format!("c-{room}"), &room.replace(':', "-")).await;
            world.join(&member, room).await;
        }
        world.clock.advance(limits::NOT_READY);
        let delivered = OTHERS.map(|room| (room, Sequence::ZERO)).into();
        let (events, rows, sent, waits, reasons) = Default::default();
        Self { world, events, rows, sent, delivered, waits, hot: 0, dead: 0, reasons, members: (0, 0) }
    }

    fn event(&mut self, room: &str, id: String) {
        let body = json!({ "room": room, "id": id, "by": format!("by-{id}"), "data": 1 }).to_string();
        self.events.push_back((id, body));
    }

    fn ordered(&mut self, room: &str, id: String, group: &str) {
        let body = json!({ "room": room, "id": id, "by": format!("by-{id}"), "data": 1 }).to_string();
        self.world.queues.events_ordered.send(group.to_owned(), id, body);
    }

    fn row(&mut self, room: &str, id: &str) {
        let number = (self.rows.len() + 1).to_string();
        let keys = json!({ "id": { "S": id } });
        let image =
            json!({ "id": keys["id"], "room": { "S": room }, "by": { "S": format!("by-{id}") }, "data": { "N": "1" } });
        self.rows.push_back(json!({
            "eventID": number, "eventName": "INSERT", "eventSource": "aws:dynamodb",
            "dynamodb": { "SequenceNumber": number, "Keys": keys, "NewImage": image, "ApproximateCreationDateTime": 1_764_000_000 },
        }));
    }

    /// A tenth of a second: the flood, and every second something new in every other room by each
    /// door and by a member.
    async fn tick(&mut self, tick: u64, floods: bool) {
        for _ in 0..if floods { PER_TICK } else { 0 } {
            self.hot += 1;
            let n = self.hot;
            match n % 5 {
                0 => self.row(HOT, &format!("r{n}")),
                1 => self.ordered(HOT, format!("o{n}"), &format!("g{}", n % GROUPS)),
                _ => self.event(HOT, format!("h{n}")),
            }
        }
        if floods && tick.is_multiple_of(TICKS_PER_SECOND) {
            self.others_publish(tick).await;
            self.a_member_publishes(tick).await;
        }
        self.hear().await;
        let queues = self.world.queues.clone();
        self.sequence(&queues.publications, "publications").await;
        self.sequence(&queues.publications_held, "publications-held").await;
        self.deliver(&queues.deliveries).await;
        self.world.clock.advance(TICK);
        self.note_delivered().await;
        self.count_letters();
    }

    async fn others_publish(&mut self, tick: u64) {
        for room in OTHERS {
            let ids = ["e", "o", "r", "m"].map(|door| format!("{door}{tick}-{room}"));
            self.sent.extend(ids.clone().map(|id| (id, self.world.clock.now())));
            let [event, ordered, row, said] = ids;
            self.event(room, event);
            self.ordered(room, ordered, room);
            self.row(room, &row);
            self.world.queues.submit(&samples::submission(room, "ada", &[&said])).await.unwrap();
        }
    }

    /// As the ingest function admits it.
    async fn a_member_publishes(&mut self, tick: u64) {
        let World { store, queues, clock, .. } = self.world.clone();
        let (room, ada) = (samples::room(HOT), Publisher::user(&samples::user("ada")));
        let load = store.room_load(&room).await.unwrap();
        self.members.0 += 1;
        if load.admit(&room, &ada, 1, clock.now()).is_ok() {
            self.members.1 += 1;
            queues.submit(&samples::submission(HOT, "ada", &[&format!("m{tick}")])).await.unwrap();
        }
    }

    fn deadline(&self) -> Deadline {
        Deadline::at(self.world.clock.now().plus(Duration::from_secs(5)))
    }

    async fn hear(&mut self) {
        let World { store, queues, gateway, clock, chance, .. } = self.world.clone();
        let source = Source::of_queue("commands", Wrapping::Raw);
        let events = Events::new(store.clone(), queues.clone(), gateway, clock.clone(), chance, source);
        let (most, batch) = at_once("events");
        for _ in 0..most {
            let taken = self.events.len().min(batch);
            let messages: Vec<Message> =
                self.events.drain(..taken).map(|(id, body)| loose(id, body, clock.now())).collect();
            let failed = events.handle(vec![messages], self.deadline(), &mut Summary::new("events")).await;
            assert!(failed.is_empty());
        }
        let (most, batch) = at_once("events-ordered");
        self.batches(&queues.events_ordered, most, batch, &events).await;
        let records: Vec<Value> = self.rows.drain(..self.rows.len().min(100)).collect();
        let records: StreamEvent = serde_json::from_value(json!({ "Records": records })).unwrap();
        let outbox = Outbox::new(store, queues, clock);
        assert!(outbox.handle_records(records.records, self.deadline(), &mut Summary::new("outbox")).await.is_empty());
    }

    async fn sequence(&self, queue: &Fifo<Submission>, name: &str) {
        let World { store, queues, clock, chance, .. } = self.world.clone();
        let sequencer = Sequencer::new(store, queues, clock, chance);
        let (most, batch) = at_once(name);
        self.batches(queue, most, batch, &sequencer).await;
    }

    async fn deliver(&self, queue: &Fifo<Job>) {
        let World { store, queues, gateway, clock, chance, .. } = self.world.clone();
        let fanout = Fanout::new(store, queues, gateway, clock, chance);
        let (most, batch) = at_once("deliveries");
        self.batches(queue, most, batch, &fanout).await;
    }

    /// As many batches as are worked on at a time. A group that was worked off is free with the
    /// next tick.
    async fn batches<T: Clone + Serialize>(&self, queue: &Fifo<T>, most: usize, batch: usize, worker: &impl Batches) {
        let mut done: Vec<(Receipt, Option<Failed>)> = Vec::new();
        for _ in 0..most {
            let taken = queue.take_at_most(batch);
            if taken.is_empty() {
                break;
            }
            let mut groups: Vec<Vec<Message>> = Vec::new();
            for message in taken.iter().map(message) {
                match groups.iter_mut().find(|group| group[0].group == message.group) {
                    Some(group) => group.push(message),
                    None => groups.push(vec![message]),
                }
            }
            let failed = worker.handle(groups, self.deadline(), &mut Summary::new("flood")).await;
            done.extend(taken.into_iter().map(|taken| {
                let failed = failed.iter().find(|failed| failed.message.id == taken.id).cloned();
                (taken.receipt, failed)
            }));
        }
        for (receipt, failed) in done {
            match failed {
                Some(failed) => queue.show_after(&receipt, failed.retry_after.unwrap()),
                None => queue.finish(&receipt),
            };
        }
    }

    /// Notes how long each publication of another room was on its way to the members.
    async fn note_delivered(&mut self) {
        let World { store, clock, .. } = self.world.clone();
        for (name, delivered) in &mut self.delivered {
            let (room, epoch) = (samples::room(name), samples::epoch("k7Qf"));
            let Some(through) = store.delivered(&room, Shard::FIRST, &epoch).await.unwrap().map(|range| range.through)
            else {
                continue;
            };
            let range = samples::range(&epoch, delivered.get(), through.get());
            if through > *delivered {
                for row in store.log(&room, &range, usize::MAX, Timestamp::default()).await.unwrap() {
                    let id = row.id.to_string();
                    self.waits.insert(id.clone(), clock.now().since(self.sent[&id]));
                }
                *delivered = through;
            }
        }
    }

    fn count_letters(&mut self) {
        for letter in self.world.queues.dead.lock().unwrap().drain(..) {
            self.dead += 1;
            *self.reasons.entry(letter.reason).or_default() += 1;
        }
    }

    async fn log(&self, room: &RoomId) -> Vec<String> {
        let epoch: Epoch = samples::epoch("k7Qf");
        let head = self.world.store.head(room).await.unwrap().unwrap();
        let range = samples::range(&epoch, 0, head.sequence.get());
        let rows = self.world.store.log(room, &range, usize::MAX, Timestamp::default()).await.unwrap();
        rows.iter().map(|row| row.id.to_string()).collect()
    }
}

fn at_once(name: &str) -> (usize, usize) {
    let (_, most, batch) = AT_ONCE.iter().find(|(queue, ..)| *queue == name).unwrap();
    (*most, *batch)
}

fn loose(id: String, body: String, now: Timestamp) -> Message {
    let receipt = Receipt { queue: "events".to_owned(), handle: id.clone() };
    let attributes = BTreeMap::new();
    Message { id, receipt, group: String::new(), receives: 1, first_received_at: now, attributes, body }
}

fn message<T: Serialize>(taken: &testkit::memory::Message<T>) -> Message {
    let body = serde_json::to_value(&taken.body).unwrap();
    Message {
        id: taken.id.clone(),
        receipt: taken.receipt.clone(),
        group: taken.group.clone(),
        receives: taken.receive_count,
        first_received_at: taken.first_taken_at.unwrap(),
        attributes: BTreeMap::new(),
        // What backends send is text already.
        body: body.as_str().map_or_else(|| protocol::queue::encode(&taken.body).unwrap(), str::to_owned),
    }
}

/// The numbers of the publications of a line of the flood.
fn numbers(log: &[String], door: char, is_of: impl Fn(u64) -> bool) -> Vec<u64> {
    let number = |id: &String| id.strip_prefix(door)?.parse::<u64>().ok();
    log.iter().filter_map(number).filter(|number| is_of(*number)).collect()
}

#[test]
fn a_backend_that_floods_one_room_keeps_no_other_room_waiting_and_loses_nothing_without_a_word() {
    futures::executor::block_on(async {
        let minutes = std::env::var("ROOMCAST_FLOOD_MINUTES").map_or(FLOOD_MINUTES, |text| text.parse().unwrap());
        let length = Duration::from_secs(minutes * 60);
        let mut flood = Flood::new().await;
        let ticks = length.as_secs() * TICKS_PER_SECOND;
        for tick in 0..ticks {
            flood.tick(tick, true).await;
        }
        for tick in ticks..ticks + 20 * TICKS_PER_SECOND {
            flood.tick(tick, false).await;
        }
        let missing: Vec<&String> = flood.sent.keys().filter(|id| !flood.waits.contains_key(*id)).collect();
        assert!(missing.is_empty(), "not delivered to other rooms: {missing:?}");
        let (slowest, wait) = flood.waits.iter().max_by_key(|(_, wait)| **wait).unwrap();
        assert!(*wait < PROMISED, "{slowest} waited {wait:?}");
        let log = flood.log(&samples::room(HOT)).await;
        let rate = limits::ROOM_RATE.count_per_second() * length.as_secs();
        assert!(log.len() as u64 > rate * 8 / 10, "the room goes on at its rate: {} of {rate}", log.len());
        assert!((log.len() as u64) < rate * 12 / 10, "and no faster: {} of {rate}", log.len());
        let (tried, let_in) = flood.members;
        assert!(let_in * 2 > tried, "members of the room publish too: {let_in} of {tried}");
        for (door, groups) in [('o', GROUPS), ('r', 1)] {
            for group in 0..groups {
                let numbers = numbers(&log, door, |number| number % groups == group);
                assert!(numbers.is_sorted() && !numbers.is_empty(), "line {group} of door {door} keeps its order");
            }
        }
        let left = flood.world.queues.publications_held.bodies().len() + flood.world.queues.publications.bodies().len();
        let of_members = log.iter().filter(|id| id.starts_with('m')).count();
        assert_eq!((left + log.len() - of_members) as u64 + flood.dead, flood.hot, "nothing is lost without a word");
        assert!(left as u64 <= limits::HELD_PER_ROOM + limits::HELD_PER_ROOM / 10, "{left} wait");
        assert!(
            flood.reasons.keys().all(|reason| reason.contains("room hot is beyond its rate")),
            "{:?}",
            flood.reasons
        );
        eprintln!(
            "{} publications of the flood: {} sequenced, {left} wait, {} dead letters; the slowest of {} others took {wait:?}",
            flood.hot,
            log.len() - of_members,
            flood.dead,
            flood.waits.len()
        );
    });
}

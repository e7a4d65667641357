//! The depth of the delivery queue while a room of 16 shards gets all that its rate allows, and its
//! members cannot be posted all of it: the queue stays far below the messages that SQS searches,
//! and another room does not wait.
//!
//! The numbers of a deployment are scaled down: a shard has 20 members instead of 500, and a
//! process makes 40 posts a second instead of 1,000. The functions, their places, their deadlines
//! and the size of their batches are the deployed ones. Each publication of the flood has an author
//! of its own, so none is sent together with another.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests fail by panicking")]

use std::collections::BTreeMap;
use std::time::Duration;

use domain::ports::{Clock, Rooms, Submissions};
use domain::{Job, Limits, PostRate, RoomId, Sequence, Shard, Shards, Submission, Timestamp, Work, limits};
use events::{Events, Source};
use fanout::Fanout;
use futures::executor::block_on;
use futures::future::{join, join_all};
use lambda_kit::batch::Message;
use lambda_kit::deadline::Deadline;
use lambda_kit::start::Batches;
use protocol::backend::Wrapping;
use sequencer::Sequencer;
use serde::Serialize;
use serde_json::json;
use simulation::AT_ONCE;
use telemetry::Summary;
use testkit::memory::Fifo;
use testkit::{World, samples};

const HOT: &str = "hot";
const OTHER: &str = "den";
const SHARDS: u16 = 16;
const MEMBERS: usize = SHARDS as usize * 20;
/// Posts a second of one process: two seconds for four shards, as 1,000 take for 4 x 500 members.
const POSTS: u32 = 40;
const BURST: u32 = 100;
/// Virtual minutes of the flood. `ROOMCAST_BACKLOG_MINUTES` sets another number, for example 60.
const MINUTES: u64 = 1;
/// The rate of a room, in publications of a tick.
const TICK: Duration = Duration::from_millis(100);
const PER_TICK: u64 = limits::ROOM_RATE.count_per_second() / 10;
/// The time that an empty queue is not polled.
const POLL: Duration = Duration::from_millis(20);
/// What the calls of a sequencer take for a batch, and those of a fan-out beside its posts.
const CALLS: Duration = Duration::from_millis(60);
/// The jobs of a room that may wait, and the next one of each shard.
const MOST_JOBS: usize = limits::JOBS_PER_ROOM as usize + SHARDS as usize;
/// The longest wait of another room.
const PROMISED: Duration = Duration::from_secs(10);

/// The door through which the flood comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Door {
    /// Members publish at the rate of the room.
    Members,
    /// A backend publishes at twice the rate, and most of it is held.
    Backend,
}

/// The results of a flood.
#[derive(Debug, Default)]
struct Outcome {
    /// The largest number of main jobs, and of late jobs.
    main: usize,
    late: usize,
    /// How far the last shard was behind the head at the end.
    behind: u64,
    sequenced: u64,
    /// The longest wait of a publication of the other room.
    wait: Duration,
}

struct Flood {
    world: World,
    until: Timestamp,
    data_bytes: usize,
}

impl Flood {
    async fn new(minutes: u64, data_bytes: usize) -> Self {
        let mut world = World::new();
        world.store = world.store.with_transaction_hold(Duration::ZERO);
        for (room, shards) in [(HOT, SHARDS), (OTHER, 1)] {
            let room = samples::room(room);
            let head = world.store.create(&room, &samples::epoch("k7Qf"), samples::NOW).await.unwrap();
            world.store.grow(&room, head.shards, Shards::new(shards)).await.unwrap();
        }
        for n in 0..MEMBERS {
            let member = world.connect(&format!("c{n}"), &format!("u{n}")).await;
            world.join(&member, HOT).await;
        }
        let member = world.connect("other", "ada").await;
        world.join(&member, OTHER).await;
        world.clock.advance(limits::NOT_READY);
        world.gateway.set_latency(Duration::from_millis(20));
        let until = world.clock.now().plus(Duration::from_secs(60 * minutes));
        Self { world, until, data_bytes }
    }

    fn goes_on(&self) -> bool {
        self.world.clock.now() < self.until
    }

    /// Works off a queue in one place, batch after batch.
    async fn work<T: Clone + Serialize>(&self, name: &str, queue: &Fifo<T>, worker: &impl Batches) {
        let clock = &self.world.clock;
        let (_, _, batch) = AT_ONCE.into_iter().find(|(queue, ..)| *queue == name).unwrap();
        while self.goes_on() {
            let taken = queue.take_at_most(batch);
            if taken.is_empty() {
                clock.sleep(POLL).await;
                continue;
            }
            clock.sleep(CALLS).await;
            let mut groups: Vec<Vec<Message>> = Vec::new();
            for message in taken.iter().map(message) {
                match groups.iter_mut().find(|group| group[0].group == message.group) {
                    Some(group) => group.push(message),
                    None => groups.push(vec![message]),
                }
            }
            let deadline = Deadline::at(clock.now().plus(Duration::from_secs(5)));
            let failed = worker.handle(groups, deadline, &mut Summary::new("backlog")).await;
            for taken in taken {
                match failed.iter().find(|failed| failed.message.id == taken.id) {
                    Some(failed) => queue.show_after(&taken.receipt, failed.retry_after.unwrap()),
                    None => queue.finish(&taken.receipt),
                };
            }
        }
    }

    async fn sequence(&self, name: &str, queue: &Fifo<Submission>) {
        let World { store, queues, clock, chance, .. } = self.world.clone();
        self.work(name, queue, &Sequencer::new(store, queues, clock, chance)).await;
    }

    async fn deliver(&self) {
        let World { store, queues, gateway, clock, chance, .. } = self.world.clone();
        let queue = queues.deliveries.clone();
        let limits = Limits { post_rate: PostRate::new(POSTS, BURST), ..Limits::default() };
        let fanout = Fanout::new(store, queues, gateway, clock, chance).with_limits(limits);
        self.work("deliveries", &queue, &fanout).await;
    }

    async fn publish(&self, door: Door) {
        let World { store, queues, gateway, clock, chance, .. } = self.world.clone();
        let events = Events::new(
            store,
            queues.clone(),
            gateway,
            clock.clone(),
            chance,
            Source::of_queue("commands", Wrapping::Raw),
        );
        let data = "x".repeat(self.data_bytes);
        let mut n = 0;
        while self.goes_on() {
            let mut batch = Vec::new();
            for _ in 0..if door == Door::Backend { 2 * PER_TICK } else { PER_TICK } {
                n += 1;
                let body = json!({ "room": HOT, "id": format!("h{n}"), "by": format!("by-{n}"), "data": data });
                batch.push(event(format!("h{n}"), body.to_string(), clock.now()));
                if door == Door::Members {
                    let mut said = samples::submission(HOT, &format!("by-{n}"), &[&format!("h{n}")]);
                    said.items[0].data = samples::data(&json!(data).to_string());
                    queues.submit(&said).await.unwrap();
                }
            }
            if door == Door::Backend {
                let deadline = Deadline::at(clock.now().plus(Duration::from_secs(5)));
                assert!(events.handle(vec![batch], deadline, &mut Summary::new("backlog")).await.is_empty());
            }
            queues.dead.lock().unwrap().clear();
            clock.sleep(TICK).await;
        }
    }

    /// Publishes to the other room every second, and measures how long each publication takes.
    async fn look_on(&self) -> Outcome {
        let World { store, queues, clock, .. } = self.world.clone();
        let (other, epoch) = (samples::room(OTHER), samples::epoch("k7Qf"));
        let mut outcome = Outcome::default();
        let mut sent: BTreeMap<u64, Timestamp> = BTreeMap::new();
        while self.goes_on() {
            let n = sent.len() as u64 + 1;
            sent.insert(n, clock.now());
            queues.submit(&samples::submission(OTHER, "ada", &[&format!("p{n}")])).await.unwrap();
            for _ in 0..10 {
                clock.sleep(TICK).await;
                let through = store.delivered(&other, Shard::FIRST, &epoch).await.unwrap();
                let through = through.map_or(0, |range| range.through.get());
                let waiting = sent.range(through + 1..).map(|(_, at)| clock.now().since(*at)).max();
                outcome.wait = outcome.wait.max(waiting.unwrap_or_default());
            }
            let (main, late): (Vec<Job>, Vec<Job>) =
                queues.deliveries.bodies().into_iter().partition(|job| matches!(job.work, Work::Shard { .. }));
            outcome.main = outcome.main.max(main.len());
            outcome.late = outcome.late.max(late.len());
        }
        let hot = samples::room(HOT);
        outcome.sequenced = store.head(&hot).await.unwrap().unwrap().sequence.get();
        outcome.behind = outcome.sequenced - self.slowest(&hot).await.get();
        outcome
    }

    async fn slowest(&self, room: &RoomId) -> Sequence {
        let epoch = samples::epoch("k7Qf");
        let mut slowest = Sequence::new(u64::MAX);
        for shard in Shards::new(SHARDS).iter() {
            let done = self.world.store.delivered(room, shard, &epoch).await.unwrap();
            slowest = slowest.min(done.map_or(Sequence::ZERO, |range| range.through));
        }
        slowest
    }

    async fn run(self, door: Door) -> Outcome {
        let queues = self.world.queues.clone();
        let most = |name: &str| AT_ONCE.iter().find(|(queue, ..)| *queue == name).map_or(1, |(_, most, _)| *most);
        let fanouts = join_all((0..most("deliveries")).map(|_| self.deliver()));
        let sequencers = join_all((0..2).map(|_| self.sequence("publications", &queues.publications)));
        let held = join_all((0..2).map(|_| self.sequence("publications-held", &queues.publications_held)));
        let functions = join(fanouts, join(sequencers, held));
        let (outcome, _) = join(self.look_on(), join(self.publish(door), functions)).await;
        outcome
    }
}

fn event(id: String, body: String, now: Timestamp) -> Message {
    let receipt = domain::ports::Receipt { queue: "events".to_owned(), handle: id.clone() };
    let attributes = BTreeMap::new();
    Message { id, receipt, group: String::new(), receives: 1, first_received_at: now, attributes, body }
}

fn message<T: Serialize>(taken: &testkit::memory::Message<T>) -> Message {
    Message {
        id: taken.id.clone(),
        receipt: taken.receipt.clone(),
        group: taken.group.clone(),
        receives: taken.receive_count,
        first_received_at: taken.first_taken_at.unwrap(),
        attributes: BTreeMap::new(),
        body: protocol::queue::encode(&taken.body).unwrap(),
    }
}

#[test]
fn a_room_that_gets_more_than_its_members_can_be_posted_leaves_the_queue_and_other_rooms_alone() {
    let minutes = std::env::var("ROOMCAST_BACKLOG_MINUTES").map_or(MINUTES, |text| text.parse().unwrap());
    for (door, data_bytes) in [(Door::Members, 100), (Door::Members, 20_000), (Door::Backend, 100)] {
        let flood = async { Flood::new(minutes, data_bytes).await.run(door).await };
        let outcome = block_on(flood);
        eprintln!("{door:?}, {data_bytes} bytes: {outcome:?}");
        assert!(outcome.main <= MOST_JOBS, "{} jobs waited", outcome.main);
        // A publication of 20 kB fills a frame, so members become late. The other room waits for
        // the older late jobs of the busy room.
        if data_bytes == 100 {
            assert!(outcome.wait < PROMISED, "another room waited {:?}", outcome.wait);
        }
        let rate = limits::ROOM_RATE.count_per_second() * 60 * minutes;
        assert!(outcome.sequenced * 10 > rate * 8, "{} of {rate} were sequenced", outcome.sequenced);
    }
}

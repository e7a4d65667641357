//! Slow posts and slow tables: the deadline is kept, each member is delivered or late, and no shard
//! delays another.

use std::collections::{BTreeMap, HashSet};
use std::time::Duration;

use domain::ports::{Clock, Jobs, Rooms};
use domain::{Connection, ConnectionId, Delivery, Job, Limits, Line, Shards, Timestamp, Work, limits};
use fanout::Fanout;
use lambda_kit::batch::{Failed, Message};
use lambda_kit::deadline::Deadline;
use lambda_kit::start::Batches;
use telemetry::{Summary, metric};
use testkit::faults::{Fault, Faulty, How, Operation, Plan};
use testkit::memory::Behaviour;
use testkit::{World, samples};

use crate::scene::Scene;

const TIMEOUT: Duration = Duration::from_secs(5);
const ROOMS: [&str; 4] = ["a", "b", "c", "d"];
const MEMBERS: usize = 500;

/// A batch of four shards of 500 members, one publication each.
struct Batch {
    world: World,
    members: Vec<Vec<Connection>>,
}

/// The result of a batch.
struct Outcome {
    failed: Vec<Failed>,
    took: Duration,
    delivered: BTreeMap<ConnectionId, Duration>,
    late: HashSet<ConnectionId>,
}

impl Batch {
    async fn new() -> Self {
        let world = World::new();
        let mut members = Vec::new();
        for name in ROOMS {
            let room = samples::room(name);
            let head = world.store.create(&room, &samples::epoch("k7Qf"), samples::NOW).await.unwrap();
            let append = samples::append(&room, &head, &[samples::data("1")], world.clock.now());
            world.store.append(&append).await.unwrap();
            let range = samples::range(&head.epoch, 0, 1);
            world.queues.dispatch(&Job::for_shards(&room, &range, Shards::new(1))).await.unwrap();
            let mut of_room = Vec::new();
            for n in 0..MEMBERS {
                let connection = world.connect(&format!("{name}{n}"), &format!("u{n}")).await;
                world.join(&connection, name).await;
                of_room.push(connection);
            }
            members.push(of_room);
        }
        world.clock.advance(limits::NOT_READY);
        Self { world, members }
    }

    /// Makes the first members hang, room by room.
    fn hang(&self, count: usize) {
        for member in self.members.iter().flatten().take(count) {
            self.world.gateway.behave(&member.id, Behaviour::Hangs);
        }
    }

    async fn run(&self, plan: Plan) -> Outcome {
        let world = &self.world;
        let (queues, gateway) = (world.queues.clone(), world.gateway.clone());
        let tables = Faulty::new(world.store.clone(), plan);
        let fanout = Fanout::new(tables, queues, gateway, world.clock.clone(), world.chance.clone());
        let groups = world.queues.deliveries.take().iter().map(|taken| vec![message(taken)]).collect();
        let began = world.clock.now();
        let failed = fanout.handle(groups, Deadline::at(began.plus(TIMEOUT)), &mut Summary::new("fanout")).await;
        let took = world.clock.now().since(began);
        let delivered = world.gateway.posts().into_iter().filter(|post| post.delivery == Delivery::Delivered);
        Outcome {
            failed,
            took,
            delivered: delivered.map(|post| (post.connection, post.at.since(began))).collect(),
            late: late(world),
        }
    }
}

impl Outcome {
    /// Checks that the timeout is kept, that no message returns, and that each member is delivered
    /// or late.
    fn check(&self, batch: &Batch) {
        assert!(self.failed.is_empty(), "{} messages return", self.failed.len());
        assert!(self.took < TIMEOUT - limits::REPORT_TIME, "{:?}", self.took);
        for member in batch.members.iter().flatten() {
            assert_ne!(self.delivered.contains_key(&member.id), self.late.contains(&member.id), "{}", member.id);
        }
    }

    /// The 99th percentile of the delivery times of the members of these rooms.
    fn p99(&self, batch: &Batch, rooms: std::ops::Range<usize>) -> Duration {
        let members = batch.members[rooms].iter().flatten();
        let mut took: Vec<Duration> = members.map(|member| self.delivered[&member.id]).collect();
        took.sort_unstable();
        took[took.len() * 99 / 100]
    }
}

fn late(world: &World) -> HashSet<ConnectionId> {
    let members = world.queues.line(Line::Narrow).bodies().into_iter().filter_map(|job| match job.work {
        Work::Late { members, .. } => Some(members),
        _ => None,
    });
    members.flatten().map(|member| member.connection).collect()
}

fn message(taken: &testkit::memory::Message<Job>) -> Message {
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

#[tokio::test]
async fn slow_posts_keep_the_deadline_and_each_member_is_delivered_or_late() {
    for latency_ms in [100, 300, 390, 1_000] {
        let batch = Batch::new().await;
        batch.world.gateway.set_latency(Duration::from_millis(latency_ms));
        let outcome = batch.run(Plan::new()).await;
        outcome.check(&batch);
        if latency_ms <= 300 {
            assert!(outcome.late.is_empty(), "{} are late at {latency_ms} ms", outcome.late.len());
        }
    }
}

#[tokio::test]
async fn members_that_hang_cost_no_other_room_of_the_batch() {
    for latency_ms in [20, 100, 300] {
        let control = Batch::new().await;
        control.world.gateway.set_latency(Duration::from_millis(latency_ms));
        let undisturbed = control.run(Plan::new()).await;
        for hanging in [1, 250, 1_000] {
            let batch = Batch::new().await;
            batch.world.gateway.set_latency(Duration::from_millis(latency_ms));
            batch.hang(hanging);
            let outcome = batch.run(Plan::new()).await;
            outcome.check(&batch);
            let others = hanging.div_ceil(MEMBERS)..ROOMS.len();
            let (before, after) = (undisturbed.p99(&control, others.clone()), outcome.p99(&batch, others));
            assert!(after <= before.mul_f64(1.25), "{hanging} hang at {latency_ms} ms: {after:?} after {before:?}");
        }
    }
}

#[tokio::test]
async fn a_group_that_gets_no_answer_is_stopped_and_the_others_of_its_batch_are_done() {
    let batch = Batch::new().await;
    let outcome = batch.run(Plan::new().nth(Operation::Page, 2, Fault::Before(How::NoAnswer))).await;
    assert_eq!(outcome.failed.len(), 1, "the group returns");
    assert!(outcome.took < TIMEOUT, "{:?}", outcome.took);
    assert_eq!(outcome.delivered.len(), 3 * MEMBERS);
}

#[tokio::test]
async fn a_shard_far_behind_returns_at_the_deadline_and_goes_on_where_it_was() {
    let scene = Scene::with(40).await;
    let members = scene.members(30).await;
    scene.world.gateway.set_latency(Duration::from_millis(350));
    scene.queue(0, 20).await;
    scene.queue(20, 40).await;
    // One page of the log is one frame, and takes 2 s.
    let few = Limits { posts_in_flight: 5, log_page_rows: 4, log_rows_along: 3, ..Limits::default() };
    let mut returned = 0;
    for _ in 0..10 {
        let began = scene.world.clock.now();
        let (failed, _) = scene.run_within(few).await;
        assert!(scene.world.clock.now().since(began) < TIMEOUT - limits::REPORT_TIME);
        if failed.is_empty() {
            break;
        }
        assert!(failed.iter().all(|failed| failed.retry_after == Some(Duration::ZERO)), "they go on at once");
        returned += 1;
    }
    assert!(returned > 2, "{returned}");
    scene.world.gateway.set_latency(Duration::ZERO);
    late_until_quiet(&scene).await;
    for member in &members {
        let frames = scene.world.heard(&member.id);
        assert_eq!(frames.len(), 10, "each page once: {frames:?}");
    }
}

/// Works off late jobs until none is left.
async fn late_until_quiet(scene: &Scene) {
    for _ in 0..20 {
        scene.run().await;
        if scene.world.queues.deliveries.is_empty() {
            return;
        }
        scene.world.clock.advance(Duration::from_secs(10));
    }
    panic!("there are late jobs for ever");
}

#[tokio::test]
async fn a_slow_gateway_closes_no_connection() {
    let scene = Scene::with(1).await;
    let members = scene.members(3).await;
    scene.world.gateway.set_latency(Duration::from_secs(1));
    scene.queue(0, 1).await;
    let until: Timestamp = scene.world.clock.now().plus(Duration::from_secs(600));
    while scene.world.clock.now() < until {
        scene.run().await;
        scene.world.clock.advance(Duration::from_secs(5));
    }
    scene.world.gateway.set_latency(Duration::ZERO);
    late_until_quiet(&scene).await;
    let (_, summary) = scene.run().await;
    assert_eq!(summary.counted(metric::CONNECTIONS_EVICTED), 0);
    for member in &members {
        assert!(scene.world.gateway.is_open(&member.id) && !scene.world.heard(&member.id).is_empty());
    }
}

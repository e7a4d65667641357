//! A room with members and a log, and the function that works off its jobs.

use std::collections::BTreeMap;
use std::time::Duration;

use domain::ports::{Clock, DeadLetter, DeadLetters, Jobs, Rooms};
use domain::{Connection, Head, Job, Limits, Line, Range, Shards, Work, limits};
use fanout::Fanout;
use lambda_kit::batch::{Failed, Message};
use lambda_kit::deadline::Deadline;
use lambda_kit::start::Batches;
use telemetry::Summary;
use testkit::faults::{Faulty, Plan};
use testkit::{World, samples};

pub(crate) struct Scene {
    pub(crate) world: World,
    pub(crate) head: Head,
}

impl Scene {
    /// A room whose log holds this many publications.
    pub(crate) async fn with(count: usize) -> Self {
        let world = World::new();
        let room = samples::room("lobby");
        let head = world.store.create(&room, &samples::epoch("k7Qf"), samples::NOW).await.unwrap();
        let data: Vec<_> = (0..count).map(|n| samples::data(&n.to_string())).collect();
        if data.is_empty() {
            return Self { world, head };
        }
        let append = samples::append(&room, &head, &data, world.clock.now());
        world.store.append(&append).await.unwrap();
        Self { world, head: append.head_after() }
    }

    pub(crate) async fn members(&self, count: usize) -> Vec<Connection> {
        members(&self.world, count).await
    }

    pub(crate) async fn queue(&self, after: u64, through: u64) {
        let range: Range = samples::range(&self.head.epoch, after, through);
        self.world.queues.dispatch(&Job::for_shards(&samples::room("lobby"), &range, Shards::new(1))).await.unwrap();
    }

    pub(crate) async fn run(&self) -> (Vec<Failed>, Summary) {
        run_with(&self.world, Plan::new()).await
    }

    pub(crate) async fn run_with(&self, plan: Plan) -> (Vec<Failed>, Summary) {
        run_with(&self.world, plan).await
    }

    /// Works off the jobs that are due now, over tables and queues that fail by plan.
    pub(crate) async fn run_with_queues(&self, tables: Plan, queues: Plan) -> (Vec<Failed>, Summary) {
        run(&self.world, tables, queues, Limits::default()).await
    }

    /// Works off the jobs that are due now, with other limits than those of functions.
    pub(crate) async fn run_within(&self, limits: Limits) -> (Vec<Failed>, Summary) {
        run(&self.world, Plan::new(), Plan::new(), limits).await
    }

    pub(crate) fn late_jobs(&self) -> usize {
        let late = |job: &Job| matches!(job.work, Work::Late { .. });
        self.world.queues.deliveries.bodies().iter().filter(|job| late(job)).count()
    }

    pub(crate) fn letters(&self) -> Vec<DeadLetter> {
        self.world.queues.dead.lock().unwrap().clone()
    }
}

/// Members of `lobby` that have been connected for a while.
pub(crate) async fn members(world: &World, count: usize) -> Vec<Connection> {
    let mut members = Vec::new();
    for n in 0..count {
        let connection = world.connect(&format!("c{n}"), &format!("u{n}")).await;
        world.join(&connection, "lobby").await;
        members.push(connection);
    }
    world.clock.advance(limits::NOT_READY);
    members
}

/// Works off the jobs that are due now, over tables that fail by plan. Failed jobs return after
/// their pause.
pub(crate) async fn run_with(world: &World, plan: Plan) -> (Vec<Failed>, Summary) {
    run(world, plan, Plan::new(), Limits::default()).await
}

async fn run(world: &World, tables: Plan, queues: Plan, limits: Limits) -> (Vec<Failed>, Summary) {
    run_over(world, tables, Faulty::new(world.queues.clone(), queues), limits).await
}

/// Works off the jobs that are due now, and sends through other queues.
pub(crate) async fn run_over<Q>(world: &World, tables: Plan, queues: Q, limits: Limits) -> (Vec<Failed>, Summary)
where
    Q: Jobs + DeadLetters,
{
    let tables = Faulty::new(world.store.clone(), tables);
    let gateway = world.gateway.clone();
    let fanout = Fanout::new(tables, queues, gateway, world.clock.clone(), world.chance.clone()).with_limits(limits);
    let mut groups: Vec<Vec<Message>> = Vec::new();
    let line = world.queues.line(Line::Narrow);
    let taken = line.take();
    for message in taken.iter().map(message) {
        match groups.iter_mut().find(|group| group[0].group == message.group) {
            Some(group) => group.push(message),
            None => groups.push(vec![message]),
        }
    }
    let deadline = Deadline::at(world.clock.now().plus(Duration::from_secs(5)));
    let mut summary = Summary::new("fanout");
    let failed = fanout.handle(groups, deadline, &mut summary).await;
    for taken in taken {
        match failed.iter().find(|failed| failed.message.id == taken.id) {
            Some(failed) => line.show_after(&taken.receipt, failed.retry_after.unwrap()),
            None => line.finish(&taken.receipt),
        };
    }
    (failed, summary)
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

//! The world, with the function under test at the end of its stream and of its queue of checks.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use domain::ports::{Clock, Memberships, Receipt};
use domain::{Announcement, Change, Check, Connection, ConnectionId, Device, Kinds, Line, RoomId, Shard, UserId, Work};
use lambda_kit::batch::{Failed, Message};
use lambda_kit::deadline::Deadline;
use lambda_kit::start::{Batches, Records};
use presence::Keeper;
use protocol::stream::{Attribute, Event, Image, Record};
use telemetry::Summary;
use testkit::chance::Seeded;
use testkit::clock::TurnedClock;
use testkit::faults::{Faulty, Plan};
use testkit::memory::{Queues, Store, Topic};
use testkit::{World, samples};

pub(crate) type Function = Keeper<Faulty<Store, Plan>, Faulty<Queues, Plan>, Faulty<Topic, Plan>, TurnedClock, Seeded>;

pub(crate) struct Scene {
    pub(crate) world: World,
    pub(crate) function: Function,
    events: std::cell::Cell<u64>,
}

impl Scene {
    pub(crate) fn new() -> Self {
        Self::with(World::new(), Plan::new())
    }

    /// A function whose calls fail by plan.
    pub(crate) fn with(world: World, plan: Plan) -> Self {
        let function = Keeper::new(
            Faulty::new(world.store.clone(), plan.clone()),
            Faulty::new(world.queues.clone(), plan.clone()),
            Faulty::new(world.topic.clone(), plan),
            world.clock.clone(),
            world.chance.clone(),
            decode,
        );
        Self { world, function: function.telling(Kinds::all()), events: std::cell::Cell::new(0) }
    }

    pub(crate) async fn joined(&self, id: &str, user: &str, room: &str) -> Connection {
        let connection = self.world.connect(id, user).await;
        self.world.join(&connection, room).await;
        connection
    }

    pub(crate) async fn leave(&self, connection: &Connection, room: &str) {
        self.world.store.leave(&connection.id, &[samples::room(room)]).await.unwrap();
    }

    /// The changes that the stream has not delivered yet, as records; each with an id of its own.
    pub(crate) fn records(&self) -> Vec<Record> {
        let record = |change| {
            self.events.set(self.events.get() + 1);
            encode(&change, self.events.get(), self.world.clock.now())
        };
        self.world.store.take_changes().into_iter().map(record).collect()
    }

    pub(crate) async fn hand_over(&self, records: Vec<Record>) -> (Vec<String>, Summary) {
        let mut summary = Summary::new("presence");
        let failed = self.function.handle_records(records, self.deadline(), &mut summary).await;
        (failed, summary)
    }

    /// Delivers all records of the stream, and those that follow from them, a hundred at a time.
    /// Records that fail are delivered again.
    pub(crate) async fn stream(&self) {
        let mut waiting = self.records();
        while !waiting.is_empty() {
            for batch in waiting.chunks(100) {
                let mut rest = batch.to_vec();
                while let Some(first) = self.hand_over(rest.clone()).await.0.first().cloned() {
                    let at = rest.iter().position(|record| record.sequence_number == first).unwrap();
                    rest.drain(..at);
                }
            }
            waiting = self.records();
        }
    }

    /// Delivers the checks that are due. Checks that fail are delivered again at once.
    pub(crate) async fn checks(&self) {
        let mut due: Vec<Message> = self.world.queues.checks.take().iter().map(message).collect();
        while !due.is_empty() {
            let failed: Vec<Failed> =
                self.function.handle(vec![due], self.deadline(), &mut Summary::new("presence")).await;
            due = failed.into_iter().map(|failed| failed.message).collect();
        }
    }

    /// Lets time pass until every shard has settled, and returns how long that took. Comparisons
    /// that are due later wait.
    pub(crate) async fn settle(&self) -> Duration {
        self.pass_time(|check| check.compared.is_empty()).await
    }

    /// Does the same until no check waits any more.
    pub(crate) async fn settle_and_compare(&self) -> Duration {
        self.pass_time(|_| true).await
    }

    async fn pass_time(&self, waits_for: impl Fn(&Check) -> bool) -> Duration {
        let begun = self.world.clock.now();
        self.stream().await;
        let next = || {
            let waiting = self.world.queues.checks.waiting();
            waiting.iter().filter(|(_, check)| waits_for(check)).map(|(at, _)| *at).min()
        };
        while let Some(next) = next() {
            self.world.clock.set(next.max(self.world.clock.now()));
            self.checks().await;
            self.stream().await;
        }
        self.world.clock.now().since(begun)
    }

    /// The announcements so far, in order.
    pub(crate) fn announced(&self) -> Vec<Announcement> {
        let jobs = [Line::Narrow, Line::Wide].map(|line| self.world.queues.line(line).bodies());
        let told = jobs.into_iter().flatten().filter_map(|job| match job.work {
            Work::Presence { told, .. } => Some(told),
            _ => None,
        });
        told.collect()
    }

    /// The count and the users that a member knows after all announcements.
    pub(crate) fn believed(&self) -> (u64, BTreeSet<String>) {
        let (mut members, mut users) = (0, BTreeSet::new());
        for told in self.announced() {
            members = told.members;
            users.extend(told.came.iter().map(UserId::to_string));
            users.retain(|user| !told.went.iter().any(|went| went.as_ref() == user));
        }
        (members, users)
    }

    pub(crate) fn deadline(&self) -> Deadline {
        Deadline::at(self.world.clock.now().plus(Duration::from_secs(10)))
    }
}

/// A check as the queue delivers it.
pub(crate) fn message(check: &Check) -> Message {
    Message {
        id: format!("{}-{}", check.room, check.at.as_ms()),
        receipt: Receipt { queue: "presence".to_owned(), handle: "h".to_owned() },
        group: String::new(),
        receives: 1,
        first_received_at: samples::NOW,
        attributes: BTreeMap::new(),
        body: protocol::queue::encode(check).unwrap(),
    }
}

pub(crate) fn names(told: &[UserId]) -> Vec<&str> {
    told.iter().map(AsRef::as_ref).collect()
}

/// Encodes a change as a record in a form of its own. Only the adapter knows the attributes of real
/// records.
fn encode(change: &Change, number: u64, at: domain::Timestamp) -> Record {
    let (what, connection, user) = match change {
        Change::Opened { connection, user, .. } => ("opened", connection, user),
        Change::Closed { connection, user, .. } => ("closed", connection, user),
        Change::Joined { connection, user, .. } => ("joined", connection, user),
        Change::Left { connection, user, .. } => ("left", connection, user),
    };
    let mut keys: Image = BTreeMap::new();
    let mut set = |name: &str, value: &str| keys.insert(name.to_owned(), Attribute::S(value.to_owned()));
    set("what", what);
    set("connection", connection.as_ref());
    set("user", user.as_ref());
    match change {
        Change::Opened { device, .. } | Change::Closed { device, .. } => {
            if let Some(device) = device {
                set("device", device.as_ref());
            }
        }
        Change::Joined { room, shard, .. } | Change::Left { room, shard, .. } => {
            set("room", room.as_str());
            set("shard", &shard.to_string());
        }
    }
    Record {
        event_id: format!("event-{number}"),
        sequence_number: number.to_string(),
        event: Event::Insert,
        at,
        keys,
        old: None,
        new: None,
        expired: false,
    }
}

fn decode(record: &Record) -> Result<Option<Change>, String> {
    let text = |name: &str| record.keys.get(name).and_then(Attribute::as_text).ok_or(format!("no {name}"));
    let connection = || ConnectionId::parse(text("connection")?).map_err(|error| error.to_string());
    let user = || UserId::parse(text("user")?).map_err(|error| error.to_string());
    let device = text("device").ok().map(|name| Device::parse(name).unwrap());
    let room = || RoomId::parse(text("room")?).map_err(|error| error.to_string());
    let shard = || text("shard")?.parse().map(Shard::new).map_err(|_| "no shard".to_owned());
    Ok(Some(match text("what")? {
        "opened" => Change::Opened { connection: connection()?, user: user()?, device },
        "closed" => Change::Closed { connection: connection()?, user: user()?, device },
        "joined" => Change::Joined { connection: connection()?, user: user()?, room: room()?, shard: shard()? },
        "left" => Change::Left { connection: connection()?, user: user()?, room: room()?, shard: shard()? },
        _ => return Ok(None),
    }))
}

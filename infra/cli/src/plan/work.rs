//! The work of one cell in one hour of the day, a second: what a plan asks for, as calls and posts.
//!
//! Counts of calls are those of the operations, each done alone. So they are upper bounds where
//! messages meet in batches.

use bill::{BYTES_OUT, GATEWAY, INVOCATIONS, LOG_BYTES, POLLS, POSTS, READ_UNITS, TOPIC_CALLS, Usage};
use domain::limits;
use topology::{Topology, Trigger};

use super::counts::Operations;
use super::file::{Plan, Rooms};

/// Bytes of a membership in the index that a delivery reads.
const MEMBERSHIP_BYTES: f64 = 210.0;
/// Bytes of a read unit, and read units of an eventually consistent read.
const READ_UNIT_BYTES: f64 = 4_096.0;
const EVENTUALLY: f64 = 0.5;
/// Bytes of a write unit.
const WRITE_UNIT_BYTES: f64 = 1_024.0;
/// Bytes of a log row besides its data.
const ROW_BYTES: f64 = 300.0;
/// Bytes of a post of presence in a room that is only counted.
const PRESENCE_BYTES: f64 = 70.0;
/// Entries of one batch of SQS.
const BATCH_ENTRIES: f64 = 10.0;
/// Read units of the log for each delivery job.
const LOG_READS_PER_JOB: f64 = 2.0;
/// Write units of a write in a transaction, in multiples of a plain write.
const TRANSACTION: f64 = 2.0;

/// The queue that delivers to a room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Lane {
    /// Rooms of up to 16 shards.
    Narrow,
    /// Rooms with more shards.
    Wide,
}

impl Lane {
    /// Both of the lanes.
    pub(crate) const ALL: [Self; 2] = [Self::Narrow, Self::Wide];

    fn of(shards: f64) -> Self {
        if shards > f64::from(limits::SHARDS_OF_A_NARROW_ROOM) { Self::Wide } else { Self::Narrow }
    }

    /// The queue of the topology.
    pub(crate) fn queue(self) -> &'static str {
        match self {
            Self::Narrow => "deliveries",
            Self::Wide => "deliveries-wide",
        }
    }
}

/// Places of an event source: invocations at a time, and messages of each.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Places {
    /// Invocations at a time.
    pub(crate) concurrency: f64,
    /// Messages of an invocation.
    pub(crate) batch: f64,
}

/// The places of a queue in the topology.
pub(crate) fn places(topology: &Topology, queue: &str) -> Places {
    let found = topology.triggers().find_map(|(_, trigger)| match trigger {
        Trigger::Queue(source) if source.queue == queue => Some(Places {
            concurrency: source.maximum_concurrency.map_or(1_000.0, f64::from),
            batch: source.batch_size.into(),
        }),
        _ => None,
    });
    found.unwrap_or(Places { concurrency: 1.0, batch: 1.0 })
}

/// The posts a second of a lane: its share of the budget, by the places of its queue.
pub(crate) fn post_rate(topology: &Topology, budget: f64, lane: Lane) -> f64 {
    let of = |lane: Lane| places(topology, lane.queue()).concurrency;
    budget * of(lane) / Lane::ALL.map(of).iter().sum::<f64>()
}

/// The work of equal rooms.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Group {
    /// The name of the group; `*` for broadcasts and `@` for inboxes.
    pub(crate) name: String,
    /// Busy rooms in this cell.
    pub(crate) rooms: f64,
    /// Connected members of each room.
    pub(crate) members: f64,
    /// Shards of each room.
    pub(crate) shards: f64,
    /// Publications a second into each room.
    pub(crate) rate: f64,
    /// Bytes of `data`.
    pub(crate) payload_bytes: f64,
    /// The lane of its deliveries.
    pub(crate) lane: Lane,
    /// Posts of presence a second, of all rooms: those that the lane has time for.
    pub(crate) presence_posts: f64,
    /// Posts of presence a second that the pace of the rooms allows.
    pub(crate) wanted_presence_posts: f64,
    /// Posts of publications a second, of all rooms: fewer than deliveries if frames carry several.
    pub(crate) posts: f64,
    /// The fewest posts that carry the publications, with full frames.
    pub(crate) fewest_posts: f64,
}

impl Group {
    /// Publications a second, of all rooms.
    pub(crate) fn publications(&self) -> f64 {
        self.rooms * self.rate
    }

    /// Deliveries a second, of all rooms: one for each publication and member.
    pub(crate) fn deliveries(&self) -> f64 {
        self.publications() * self.members
    }

    /// Delivery jobs a second, of all rooms.
    pub(crate) fn jobs(&self) -> f64 {
        if self.members > 0.0 { self.posts / self.members * self.shards } else { self.publications() }
    }

    /// Write units a second of the partition of one room: its head and its log.
    pub(crate) fn partition_writes(&self) -> f64 {
        let row = ((self.payload_bytes + ROW_BYTES) / WRITE_UNIT_BYTES).ceil();
        self.rate * (TRANSACTION + TRANSACTION * row + 1.0)
    }

    /// Read units a second of the partition of one room: its head and its log.
    pub(crate) fn partition_reads(&self) -> f64 {
        let jobs = if self.rooms > 0.0 { self.jobs() / self.rooms } else { 0.0 };
        let pings = self.members / limits::KEEP_ALIVE.as_secs_f64();
        2.0 * self.rate + LOG_READS_PER_JOB * jobs + EVENTUALLY * pings
    }
}

/// The work of one cell, a second.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Load {
    /// Connections that are open.
    pub(crate) connections: f64,
    /// New connections a second.
    pub(crate) connects: f64,
    /// Messages of clients a second.
    pub(crate) messages: f64,
    /// The groups of rooms.
    pub(crate) groups: Vec<Group>,
    /// Calls, units, posts and bytes a second.
    pub(crate) usage: Usage,
}

impl Load {
    /// Posts a second of a lane, those of presence included.
    pub(crate) fn posts(&self, lane: Lane) -> f64 {
        self.of(lane).map(|group| group.posts + group.presence_posts).sum()
    }

    /// Posts a second of a lane if no frame carried two publications.
    pub(crate) fn wanted_posts(&self, lane: Lane) -> f64 {
        self.of(lane).map(|group| group.deliveries() + group.wanted_presence_posts).sum::<f64>() + 0.0
    }

    /// The groups of a lane.
    pub(crate) fn of(&self, lane: Lane) -> impl Iterator<Item = &Group> {
        self.groups.iter().filter(move |group| group.lane == lane)
    }

    /// Requests a second that count towards the quota of the account.
    pub(crate) fn requests(&self) -> f64 {
        self.messages + self.connects + Lane::ALL.iter().map(|lane| self.posts(*lane)).sum::<f64>()
    }
}

/// What the load of a plan follows from.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Model<'a> {
    /// What is deployed in each cell.
    pub(crate) topology: &'a Topology,
    /// Counts of each operation.
    pub(crate) operations: &'a Operations,
}

/// The share of the rooms of a group that is in the cell that is looked at.
pub(crate) type Share<'a> = &'a dyn Fn(&Rooms) -> f64;

impl Model<'_> {
    /// The load of a cell in an hour of the day, which has a share of each group's rooms.
    pub(crate) fn load(&self, plan: &Plan, hour: usize, share: Share<'_>) -> Load {
        let connections = connections(plan, hour, share);
        let mut groups: Vec<Group> = plan.rooms.iter().map(|rooms| group(plan, rooms, hour, share(rooms))).collect();
        groups.extend(self.relayed(plan, connections));
        let connects = connects(plan, hour, share);
        let per_room = if plan.rooms.is_empty() { 0.0 } else { connects * plan.rooms_per_connection };
        let shares: Vec<f64> =
            plan.rooms.iter().map(|rooms| present(plan, rooms, hour) * rooms.count * share(rooms)).collect();
        let all: f64 = shares.iter().sum();
        let mut counts = 0.0;
        let mut count_reads = 0.0;
        for ((group, rooms), members) in groups.iter_mut().zip(&plan.rooms).zip(&shares) {
            // Every connection that comes is one that goes at another time.
            let changes = if all > 0.0 { 2.0 * per_room * members / all } else { 0.0 };
            let counted = self.presence(group, rooms, changes);
            counts += counted;
            count_reads += counted * self.presence_reads(group);
        }
        self.fill_frames(plan, &mut groups);
        let mut load = Load { connections, connects, messages: 0.0, groups, usage: Usage::default() };
        self.count(plan, &mut load, counts, count_reads);
        load.messages = load.usage.of(GATEWAY, bill::REQUESTS);
        load
    }

    /// Counts of presence a second in the rooms of a group, after so many changes. Sets the posts
    /// of the group.
    fn presence(&self, group: &mut Group, rooms: &Rooms, changes: f64) -> f64 {
        let is_named = group.members <= limits::PRESENCE_NAMED_MEMBERS as f64;
        let pace = if is_named { limits::PRESENCE_PACE } else { limits::PRESENCE_PACE_OF_A_LARGE_ROOM };
        let counts = changes.min(group.rooms / pace.as_secs_f64());
        if rooms.presence {
            group.wanted_presence_posts = counts * group.members;
            group.presence_posts = group.wanted_presence_posts;
        }
        counts
    }

    /// Read units of one count: members of a small room are read by key, those of a shard of a
    /// large room by the index.
    fn presence_reads(&self, group: &Group) -> f64 {
        let named = limits::PRESENCE_NAMED_MEMBERS as f64;
        self.operations.presence_reads_per_member * group.members.min(named)
            + pages(group.members / group.shards.max(1.0)) * EVENTUALLY
    }

    /// Puts several publications into a frame where a lane has more deliveries than posts.
    fn fill_frames(&self, plan: &Plan, groups: &mut [Group]) {
        for lane in Lane::ALL {
            let mine = || groups.iter().filter(|group| group.lane == lane);
            let deliveries: f64 = mine().map(Group::deliveries).sum();
            let presence: f64 = mine().map(|group| group.presence_posts).sum();
            let rate = post_rate(self.topology, plan.account.post_budget(), lane);
            // Jobs of presence and of publications take turns.
            let wanted = deliveries + presence;
            let scale = if wanted > rate { rate / wanted } else { 1.0 };
            for group in groups.iter_mut().filter(|group| group.lane == lane) {
                let carried = limits::FRAME_BYTES as f64 / (self.operations.envelope_bytes + group.payload_bytes);
                group.fewest_posts = group.deliveries() / carried.floor().max(1.0);
                group.presence_posts *= scale;
                group.posts = (group.deliveries() * scale).max(group.fewest_posts);
            }
        }
    }

    /// The rooms of what is relayed: `*` has every connection of the cell. Inboxes are sequenced in
    /// every cell, and have a member in one of them.
    fn relayed(&self, plan: &Plan, connections: f64) -> Vec<Group> {
        let relay = &plan.relay;
        let shards = shards(connections).max(f64::from(limits::SHARDS_OF_EVERYONE));
        let everyone = Group {
            name: "*".to_owned(),
            rooms: 1.0,
            members: connections,
            shards,
            rate: relay.broadcasts_per_second,
            payload_bytes: MEAN_RELAYED_BYTES,
            lane: Lane::of(shards),
            presence_posts: 0.0,
            wanted_presence_posts: 0.0,
            posts: 0.0,
            fewest_posts: 0.0,
        };
        let inboxes = Group {
            name: "@".to_owned(),
            rooms: relay.inbox_messages_per_second,
            members: 1.0 / plan.cells,
            shards: 1.0,
            rate: 1.0,
            lane: Lane::Narrow,
            ..everyone
        };
        [everyone, inboxes].into_iter().filter(|group| group.publications() > 0.0).collect()
    }

    /// Adds up the calls of a second.
    fn count(&self, plan: &Plan, load: &mut Load, counts: f64, count_reads: f64) {
        let operations = self.operations;
        let (connects, connections) = (load.connects, load.connections);
        let usage = &mut load.usage;
        usage.add(&operations.connect, connects);
        usage.add(&operations.join, connects * plan.rooms_per_connection);
        usage.add(&operations.disconnect, connects);
        usage.add(&operations.keep_alive, connections / limits::KEEP_ALIVE.as_secs_f64());
        usage.add(&operations.reaper, 1.0 / 60.0);
        usage.add(&operations.presence, counts);
        usage.count("presence", READ_UNITS, count_reads);
        for group in &load.groups {
            let is_relayed = group.name.starts_with(['*', '@']);
            let publications = group.publications();
            if is_relayed {
                usage.add(&operations.relayed, publications);
                usage.count("relay", TOPIC_CALLS, publications / plan.cells);
            } else {
                usage.add(&operations.publication, publications);
            }
            let calls = (group.shards / BATCH_ENTRIES).ceil() - 1.0;
            usage.count("sequencer", "sqs:SendMessageBatch", publications * calls.max(0.0));
            self.count_jobs(usage, group);
            usage.count(GATEWAY, POSTS, group.posts + group.presence_posts);
            let bytes = group.deliveries() * (operations.envelope_bytes + group.payload_bytes);
            usage.count(GATEWAY, BYTES_OUT, bytes + group.presence_posts * PRESENCE_BYTES);
        }
    }

    /// Jobs of one publication meet in batches, since each shard is a group of its own.
    fn count_jobs(&self, usage: &mut Usage, group: &Group) {
        let (jobs, job) = (group.jobs(), &self.operations.job);
        let batch = places(self.topology, group.lane.queue()).batch.min(group.shards).max(1.0);
        usage.add(job, jobs);
        for counter in [INVOCATIONS, POLLS, LOG_BYTES] {
            usage.count("fanout", counter, jobs * job.of("fanout", counter) * (1.0 / batch - 1.0));
        }
        let more = (pages(group.members / group.shards.max(1.0)) - 1.0).max(0.0);
        usage.count("fanout", READ_UNITS, jobs * more * EVENTUALLY);
    }
}

/// Bytes of `data` of what is relayed.
const MEAN_RELAYED_BYTES: f64 = 200.0;

/// Read units' worth of the members of a shard, each of 4 KB.
fn pages(members: f64) -> f64 {
    (members * MEMBERSHIP_BYTES / READ_UNIT_BYTES).ceil()
}

/// The shards that a room of so many members has: it grows by doubling.
fn shards(members: f64) -> f64 {
    let needed = (members / limits::MEMBERS_PER_SHARD as f64).ceil().max(1.0);
    needed.log2().ceil().exp2()
}

/// Members of a room that are connected in an hour.
fn present(plan: &Plan, rooms: &Rooms, hour: usize) -> f64 {
    rooms.members * plan.day.get(hour).copied().unwrap_or(1.0) * rooms.activity(hour)
}

/// The work of a group, without posts.
fn group(plan: &Plan, rooms: &Rooms, hour: usize, share: f64) -> Group {
    let curve = plan.day.get(hour).copied().unwrap_or(1.0);
    // A room is sharded for the members that it had at its largest.
    let shards = shards(rooms.members);
    Group {
        name: rooms.name.clone(),
        rooms: rooms.count * share * rooms.activity(hour),
        members: rooms.members * curve,
        shards,
        rate: rooms.rate * curve,
        payload_bytes: rooms.payload_bytes,
        lane: Lane::of(shards),
        presence_posts: 0.0,
        wanted_presence_posts: 0.0,
        posts: 0.0,
        fewest_posts: 0.0,
    }
}

/// Open connections of a cell in an hour.
fn connections(plan: &Plan, hour: usize, share: Share<'_>) -> f64 {
    let members = plan.rooms.iter().map(|rooms| present(plan, rooms, hour) * rooms.count * share(rooms));
    members.sum::<f64>() / plan.rooms_per_connection
}

/// New connections a second of a cell in an hour: connections that are exchanged for their age,
/// those that come beyond the hour before, and those that come and go.
fn connects(plan: &Plan, hour: usize, share: Share<'_>) -> f64 {
    const HOUR_S: f64 = 3_600.0;
    let now = connections(plan, hour, share);
    let before = connections(plan, (hour + super::file::HOURS - 1) % super::file::HOURS, share);
    let visits = plan.rooms.iter().map(|rooms| {
        rooms.connects_per_second
            * rooms.count
            * share(rooms)
            * rooms.activity(hour)
            * plan.day.get(hour).copied().unwrap_or(1.0)
    });
    now / limits::EXCHANGED_AFTER.as_secs_f64()
        + (now - before).max(0.0) / HOUR_S
        + visits.sum::<f64>() / plan.rooms_per_connection
}

//! What a plan needs of each quota, at its busiest hour in its fullest cell; and its bill.

use bill::{Bill, Held, INVOCATIONS, Prices, Usage};
use domain::limits;
use serde::Serialize;

use super::file::{HOURS, Plan, Rooms};
use super::fit::Fitted;
use super::latency::{Estimate, Features};
use super::work::{Group, Lane, Load, Model, places, post_rate};

/// Days of a month.
const MONTH_DAYS: f64 = 365.0 / 12.0;
/// Seconds of an hour.
const HOUR_S: f64 = 3_600.0;
/// Write units a second of a partition of DynamoDB.
/// <https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/bp-partition-key-design.html>
const PARTITION_WRITES: f64 = 1_000.0;
/// Read units a second of a partition of DynamoDB. Source: as above.
const PARTITION_READS: f64 = 3_000.0;
/// Calls a second of one message group of a FIFO queue.
/// <https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/quotas-messages.html>
const GROUP_CALLS: f64 = 300.0;
/// Duration of a post in seconds, the slowest that was observed (20 to 100 ms). While it lasts it
/// takes one of the posts in flight of a process.
const POST_S: f64 = 0.1;
/// The factor by which a quota that is requested exceeds what the plan needs.
const HEADROOM: f64 = 1.25;

/// What limits a plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Limit {
    /// Posts of rooms of up to 16 shards.
    Posts,
    /// Posts of larger rooms and of `*`.
    WidePosts,
    /// Posts in flight of the processes of the fan-out.
    PostsInFlight,
    /// Requests that API Gateway takes of an account.
    Requests,
    /// New WebSocket connections.
    Connects,
    /// Concurrent executions of Lambda.
    Executions,
    /// Places of the sequencer.
    Sequencer,
    /// Publications into one room.
    RoomRate,
    /// Members of one room.
    RoomMembers,
    /// Write units of the partition of one room.
    PartitionWrites,
    /// Read units of the partition of one room.
    PartitionReads,
    /// Calls of a message group of a FIFO queue.
    GroupCalls,
}

/// The use of one limit.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Resource {
    /// The kind of limit.
    pub(crate) limit: Limit,
    /// What is counted, and of what.
    pub(crate) name: String,
    /// The number that the plan needs.
    pub(crate) used: f64,
    /// The number that there is.
    pub(crate) available: f64,
}

impl Resource {
    /// The factor by which the load may grow until the limit is reached. Below 1 it is exceeded.
    pub(crate) fn factor_left(&self) -> f64 {
        if self.used > 0.0 { self.available / self.used } else { f64::INFINITY }
    }
}

/// Concurrent executions of one function.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Executions {
    /// The name of the function.
    pub(crate) function: String,
    /// Invocations a second.
    pub(crate) invocations_per_second: f64,
    /// Executions at a time, on average.
    pub(crate) concurrent: f64,
}

/// The times of one group of rooms.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Delivery {
    /// The name of the group.
    pub(crate) rooms: String,
    /// Members of each room.
    pub(crate) members: f64,
    /// The time until half of the members have a publication, in milliseconds.
    pub(crate) p50_ms: Estimate,
    /// The time until 99 of 100 members have it.
    pub(crate) p99_ms: Estimate,
    /// Publications in a frame.
    pub(crate) publications_per_frame: f64,
    /// True if no result of the load test had such a load.
    pub(crate) beyond_results: bool,
}

/// A request for a higher quota.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Request {
    /// The service and the name of the quota.
    pub(crate) quota: &'static str,
    /// The quota that the plan assumes.
    pub(crate) from: f64,
    /// The quota to ask for.
    pub(crate) to: f64,
    /// The text of the request.
    pub(crate) text: String,
}

/// One hour of the day, all cells together.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Hour {
    /// The hour of the day.
    pub(crate) hour: usize,
    /// Connections that are open.
    pub(crate) connections: f64,
    /// New connections a second.
    pub(crate) connects: f64,
    /// Publications a second.
    pub(crate) publications: f64,
    /// Deliveries a second.
    pub(crate) deliveries: f64,
    /// Posts a second.
    pub(crate) posts: f64,
    /// Dollars of the hour.
    pub(crate) dollars: f64,
}

/// Computes what a plan needs.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Planner<'a> {
    /// The model of the work.
    pub(crate) model: Model<'a>,
    /// The prices of AWS.
    pub(crate) prices: &'a Prices,
    /// The constants of times and of costs.
    pub(crate) fitted: &'a Fitted,
}

/// The share of a group's rooms in the fullest cell: rooms are spread by a hash of their names. The
/// number of rooms in a cell is binomial, and the largest of n such numbers is about √(2 ln n)
/// standard deviations above the mean.
pub(crate) fn fullest_share(rooms: f64, cells: f64) -> f64 {
    if cells <= 1.0 {
        return 1.0;
    }
    let mean = 1.0 / cells;
    let deviation = (mean * (1.0 - mean) / rooms).sqrt();
    let fewest = (rooms / cells).ceil() / rooms;
    (mean + (2.0 * cells.ln()).sqrt() * deviation).clamp(fewest, 1.0)
}

impl Planner<'_> {
    /// The load of the fullest cell in an hour.
    pub(crate) fn fullest(&self, plan: &Plan, hour: usize) -> Load {
        self.model.load(plan, hour, &|rooms: &Rooms| fullest_share(rooms.count, plan.cells))
    }

    /// The load of a cell with its mean share of the rooms in an hour.
    pub(crate) fn mean(&self, plan: &Plan, hour: usize) -> Load {
        self.model.load(plan, hour, &|_| 1.0 / plan.cells)
    }

    /// The hour in which the fullest cell has the most requests.
    pub(crate) fn busiest_hour(&self, plan: &Plan) -> usize {
        let wanted = |hour: &usize| {
            let load = self.fullest(plan, *hour);
            load.messages + load.connects + Lane::ALL.iter().map(|lane| load.wanted_posts(*lane)).sum::<f64>()
        };
        (0..HOURS).max_by(|a, b| wanted(a).total_cmp(&wanted(b)).then(b.cmp(a))).unwrap_or_default()
    }

    /// The use of every limit at the busiest hour; connections at the hour of the most new ones.
    pub(crate) fn resources(&self, plan: &Plan) -> Vec<Resource> {
        let load = self.fullest(plan, self.busiest_hour(plan));
        let connects = (0..HOURS).map(|hour| self.fullest(plan, hour).connects).fold(0.0, f64::max);
        let posts = |lane: Lane, limit: Limit, name: &str| Resource {
            limit,
            name: name.to_owned(),
            used: load.wanted_posts(lane),
            available: post_rate(self.model.topology, plan.account.post_budget(), lane),
        };
        let sequencer = places(self.model.topology, "publications");
        let executions = self.executions(&load);
        let busy = |name: &str| executions.iter().find(|f| f.function == name).map_or(0.0, |f| f.concurrent);
        let in_flight =
            |lane: Lane| places(self.model.topology, lane.queue()).concurrency * limits::POSTS_IN_FLIGHT as f64;
        let mut resources = vec![
            posts(Lane::Narrow, Limit::Posts, "posts a second, rooms of up to 16 shards"),
            posts(Lane::Wide, Limit::WidePosts, "posts a second, larger rooms and *"),
            Resource {
                limit: Limit::PostsInFlight,
                name: "posts in flight, at 100 ms a post".to_owned(),
                used: Lane::ALL.iter().map(|lane| load.wanted_posts(*lane)).sum::<f64>() * POST_S,
                available: Lane::ALL.iter().map(|lane| in_flight(*lane)).sum(),
            },
            Resource {
                limit: Limit::Requests,
                name: "requests a second of API Gateway".to_owned(),
                used: load.requests(),
                available: plan.account.requests_per_second,
            },
            Resource {
                limit: Limit::Connects,
                name: "new connections a second".to_owned(),
                used: connects,
                available: plan.account.connects_per_second,
            },
            Resource {
                limit: Limit::Executions,
                name: "concurrent executions".to_owned(),
                used: executions.iter().map(|function| function.concurrent).sum(),
                available: plan.account.concurrent_executions,
            },
            Resource {
                limit: Limit::Sequencer,
                name: "places of the sequencer, full batches".to_owned(),
                used: busy("sequencer") / sequencer.batch,
                available: sequencer.concurrency,
            },
        ];
        resources.extend(per_room(&load));
        resources
    }

    /// Executions of each function at a time.
    pub(crate) fn executions(&self, load: &Load) -> Vec<Executions> {
        let mut functions: Vec<Executions> = load
            .usage
            .functions()
            .map(|function| Executions {
                function: function.to_owned(),
                invocations_per_second: load.usage.of(function, INVOCATIONS),
                concurrent: self.prices.busy_s(&load.usage, function),
            })
            .collect();
        functions.sort_by(|a, b| b.concurrent.total_cmp(&a.concurrent));
        functions
    }

    /// The times of each group at the busiest hour in the fullest cell.
    pub(crate) fn deliveries(&self, plan: &Plan) -> Vec<Delivery> {
        let load = self.fullest(plan, self.busiest_hour(plan));
        let busy = load.groups.iter().filter(|group| group.publications() > 0.0);
        busy.map(|group| self.delivery(plan, group, &load)).collect()
    }

    fn delivery(&self, plan: &Plan, group: &Group, load: &Load) -> Delivery {
        let rate = post_rate(self.model.topology, plan.account.post_budget(), group.lane);
        let features = Features::of(group, load, rate);
        Delivery {
            rooms: group.name.clone(),
            members: group.members,
            p50_ms: self.fitted.p50.at(features, 0.5),
            p99_ms: self.fitted.p99.at(features, 0.99),
            publications_per_frame: if group.posts > 0.0 { group.deliveries() / group.posts } else { 1.0 },
            beyond_results: self.fitted.is_beyond_results(features),
        }
    }

    /// Each hour of a day, all cells together.
    pub(crate) fn hours(&self, plan: &Plan) -> Vec<Hour> {
        (0..HOURS).map(|hour| self.hour(plan, hour)).collect()
    }

    fn hour(&self, plan: &Plan, hour: usize) -> Hour {
        let load = self.mean(plan, hour);
        let all = |count: f64| count * plan.cells;
        Hour {
            hour,
            connections: all(load.connections),
            connects: all(load.connects),
            publications: all(load.groups.iter().map(Group::publications).sum()),
            deliveries: all(load.groups.iter().map(Group::deliveries).sum()),
            posts: all(Lane::ALL.iter().map(|lane| load.posts(*lane)).sum()),
            dollars: all(self.bill_of_an_hour(&load).total()),
        }
    }

    fn bill_of_an_hour(&self, load: &Load) -> Bill {
        let mut usage = Usage::default();
        usage.add(&load.usage, HOUR_S);
        let at_rest = self.prices.at_rest(HOUR_S, self.model.topology);
        let held = Held { connection_minutes: load.connections * HOUR_S / 60.0, ..at_rest };
        self.prices.bill(&usage, held, self.model.topology)
    }

    /// Dollars of a month by service, all cells together.
    pub(crate) fn bill(&self, plan: &Plan) -> Bill {
        let mut bill = Bill::default();
        for hour in 0..HOURS {
            bill.add(&self.bill_of_an_hour(&self.mean(plan, hour)), plan.cells * MONTH_DAYS);
        }
        bill
    }

    /// A number of dollars with its error bar.
    pub(crate) fn dollars(&self, value: f64) -> Estimate {
        Estimate::new(value, self.fitted.cost_residual)
    }
}

/// The limits of one room, for the group that comes nearest to each.
fn per_room(load: &Load) -> Vec<Resource> {
    type Need = fn(&Group) -> f64;
    let needs: [(Limit, &str, Need, f64); 5] = [
        (Limit::RoomRate, "publications a second", |group| group.rate, limits::ROOM_RATE.count_per_second() as f64),
        (Limit::RoomMembers, "members", |group| group.members, limits::ROOM_MEMBERS as f64),
        (Limit::PartitionWrites, "write units a second of head and log", Group::partition_writes, PARTITION_WRITES),
        (Limit::PartitionReads, "read units a second of head and log", Group::partition_reads, PARTITION_READS),
        (Limit::GroupCalls, "sends a second of the message group", |group| group.rate, GROUP_CALLS),
    ];
    let rooms = || load.groups.iter().filter(|group| !group.name.starts_with(['*', '@']));
    let nearest = needs.iter().filter_map(|(limit, name, need, available)| {
        let group = rooms().max_by(|a, b| need(a).total_cmp(&need(b)))?;
        Some(Resource {
            limit: *limit,
            name: format!("{name}, one room of {}", group.name),
            used: need(group),
            available: *available,
        })
    });
    nearest.collect()
}

/// The limit that is reached first as the load grows.
pub(crate) fn first_bottleneck(resources: &[Resource]) -> Option<&Resource> {
    resources.iter().min_by(|a, b| a.factor_left().total_cmp(&b.factor_left()))
}

/// Requests for the quotas that the plan exceeds or nearly reaches.
pub(crate) fn requests(plan: &Plan, resources: &[Resource]) -> Vec<Request> {
    let used = |limits: &[Limit]| -> f64 {
        resources.iter().filter(|resource| limits.contains(&resource.limit)).map(|resource| resource.used).sum()
    };
    // The lanes share the budget by their places, so each lane needs its share of the whole.
    let stretch = resources.iter().filter(|r| [Limit::Posts, Limit::WidePosts].contains(&r.limit));
    let stretch = stretch.map(|resource| resource.used / resource.available).fold(0.0, f64::max);
    let posts = plan.account.post_budget() * stretch;
    let others = used(&[Limit::Requests]) - used(&[Limit::Posts, Limit::WidePosts]).min(plan.account.post_budget());
    let needs = [
        ("API Gateway: throttle rate", plan.account.requests_per_second, (posts + others.max(0.0)), 1_000.0),
        (
            "API Gateway: new WebSocket connections a second",
            plan.account.connects_per_second,
            used(&[Limit::Connects]),
            100.0,
        ),
        ("Lambda: concurrent executions", plan.account.concurrent_executions, used(&[Limit::Executions]), 100.0),
    ];
    let asked = needs.into_iter().filter(|(_, from, need, _)| need * HEADROOM > *from);
    asked.map(|(quota, from, need, step)| request(plan, quota, from, need, step)).collect()
}

fn request(plan: &Plan, quota: &'static str, from: f64, need: f64, step: f64) -> Request {
    let to = (need * HEADROOM / step).ceil() * step;
    let groups: Vec<String> = plan
        .rooms
        .iter()
        .map(|rooms| {
            format!("{} rooms of {} members with {} publications a second", rooms.count, rooms.members, rooms.rate)
        })
        .collect();
    let cells = if plan.cells > 1.0 {
        format!(", spread over {} accounts or Regions like this one", plan.cells)
    } else {
        String::new()
    };
    let text = format!(
        "Please raise the quota \"{quota}\" of this account in this Region from {from} to {to}. \
         The account broadcasts to rooms over an API Gateway WebSocket API: {}{cells}. \
         Each delivery is one POST to @connections. The peak is {need:.0}, and the request has 25% on top. \
         The load is paced on our side, and has a retry with pauses after each 429.",
        groups.join("; ")
    );
    Request { quota, from, to, text }
}

/// The command or the place of a request.
pub(crate) fn way(request: &Request) -> String {
    if request.quota.starts_with("Lambda") {
        return format!(
            "aws service-quotas request-service-quota-increase --service-code lambda --quota-code L-B99A9384 --desired-value {}",
            request.to
        );
    }
    "a support case: service API Gateway, category \"service limit increase\"".to_owned()
}

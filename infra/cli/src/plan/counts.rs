//! Measured counts of each operation (`docs/costs.json`), and the prices of AWS
//! (`infra/terraform/prices.toml`). Both files are written by other programs and read here.

use std::collections::BTreeMap;

use serde::Deserialize;
use topology::Topology;

use crate::error::Error;

/// Counts of each operation, done alone on the local stack by `cargo xtask costs`.
const COSTS: &str = include_str!("../../../../docs/costs.json");
/// Prices, and billed times of calls.
const PRICES: &str = include_str!("../../../terraform/prices.toml");

/// The part whose counters are messages and bytes of connections.
pub(crate) const GATEWAY: &str = "gateway";
/// Messages of clients.
pub(crate) const REQUESTS: &str = "requests";
/// Replies by route response.
pub(crate) const REPLIES: &str = "replies";
/// Posts to connections.
pub(crate) const POSTS: &str = "posts";
/// Bytes to clients.
pub(crate) const BYTES_OUT: &str = "bytes_out";
/// Invocations of a function.
pub(crate) const INVOCATIONS: &str = "invocations";
/// Calls of an event source: receives and deletes of batches.
pub(crate) const POLLS: &str = "polls";
/// Read units of DynamoDB.
pub(crate) const READ_UNITS: &str = "read_units";
/// Write units of DynamoDB.
pub(crate) const WRITE_UNITS: &str = "write_units";
/// Bytes of log lines.
pub(crate) const LOG_BYTES: &str = "log_bytes";
/// Publications to topics.
pub(crate) const TOPIC_CALLS: &str = "sns:Publish";

/// Counts by part (a function, or the gateway) and counter.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Usage(BTreeMap<(String, String), f64>);

impl Usage {
    /// Adds another usage so many times.
    pub(crate) fn add(&mut self, other: &Self, times: f64) {
        for (key, count) in &other.0 {
            *self.0.entry(key.clone()).or_default() += count * times;
        }
    }

    /// Adds to one counter.
    pub(crate) fn count(&mut self, part: &str, counter: &str, count: f64) {
        *self.0.entry((part.to_owned(), counter.to_owned())).or_default() += count;
    }

    /// The count of one counter of a part.
    pub(crate) fn of(&self, part: &str, counter: &str) -> f64 {
        self.0.get(&(part.to_owned(), counter.to_owned())).copied().unwrap_or_default()
    }

    /// The sum of a counter over all parts.
    pub(crate) fn sum(&self, counter: &str) -> f64 {
        self.sum_if(|name| name == counter)
    }

    /// The sum of the counters that are asked for.
    pub(crate) fn sum_if(&self, is_asked: impl Fn(&str) -> bool) -> f64 {
        self.0.iter().filter(|((_, counter), _)| is_asked(counter)).map(|(_, count)| count).sum()
    }

    /// The counters of one part.
    fn only(&self, part: &str) -> Self {
        Self(self.0.iter().filter(|((of, _), _)| of == part).map(|(key, count)| (key.clone(), *count)).collect())
    }

    /// The counters of all other parts.
    fn without(&self, part: &str) -> Self {
        Self(self.0.iter().filter(|((of, _), _)| of != part).map(|(key, count)| (key.clone(), *count)).collect())
    }

    /// The functions that were invoked.
    pub(crate) fn functions(&self) -> impl Iterator<Item = &str> {
        self.0.keys().filter(|(_, counter)| counter == INVOCATIONS).map(|(part, _)| part.as_str())
    }
}

/// Counts of each operation, without the posts to members.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Operations {
    /// A new connection with a token: authorizer, `connect`, and the record of the stream.
    pub(crate) connect: Usage,
    /// A join of one room.
    pub(crate) join: Usage,
    /// The end of a connection.
    pub(crate) disconnect: Usage,
    /// A ping of a client.
    pub(crate) keep_alive: Usage,
    /// A run of the reaper.
    pub(crate) reaper: Usage,
    /// A publication, with its sequencing.
    pub(crate) publication: Usage,
    /// A publication of a backend, from its queue, with its sequencing.
    pub(crate) relayed: Usage,
    /// A delivery job of one shard, alone in its batch.
    pub(crate) job: Usage,
    /// A count of a room that changed, without reads of its members.
    pub(crate) presence: Usage,
    /// Read units of such a count for each member, as far as members are read by key.
    pub(crate) presence_reads_per_member: f64,
    /// Bytes of a frame of one publication, besides its data.
    pub(crate) envelope_bytes: f64,
}

/// Bytes of `data` of the measured publications (docs/costs.md).
const MEASURED_DATA_BYTES: f64 = 20.0;
/// The members of the two measured rooms.
const MEASURED: [f64; 2] = [2.0, 20.0];

impl Operations {
    /// Reads the measured counts that this program was built with.
    pub(crate) fn measured() -> Result<Self, Error> {
        Self::parse(COSTS).map_err(|wrong| Error::new(format!("docs/costs.json: {wrong}"), "cargo xtask costs --write"))
    }

    fn parse(text: &str) -> Result<Self, String> {
        #[derive(Deserialize)]
        struct File {
            rows: Vec<Row>,
        }
        #[derive(Deserialize)]
        struct Row {
            name: String,
            usage: BTreeMap<String, BTreeMap<String, f64>>,
        }
        let file: File = serde_json::from_str(text).map_err(|error| error.to_string())?;
        let find = |name: &str| {
            let row = file.rows.iter().find(|row| row.name == name);
            let row = row.ok_or_else(|| format!("there is no operation {name:?}"))?;
            let mut usage = Usage::default();
            for (part, counters) in &row.usage {
                counters.iter().for_each(|(counter, count)| usage.count(part, counter, *count));
            }
            Ok::<_, String>(usage)
        };
        let [two, twenty] = MEASURED;
        let publish = [find(&format!("publish, room of {two}"))?, find(&format!("publish, room of {twenty}"))?];
        let came = [
            find(&format!("presence after a join, room of {two}"))?,
            find(&format!("presence after a join, room of {twenty}"))?,
        ];
        let slope = |pair: &[Usage; 2], part: &str, counter: &str| {
            (pair[1].of(part, counter) - pair[0].of(part, counter)) / (twenty - two)
        };
        let reads = slope(&came, "presence", READ_UNITS);
        let mut presence = came[1].without(GATEWAY);
        presence.count("presence", READ_UNITS, -reads * twenty);
        let mut publication = publish[1].without("fanout").without(GATEWAY);
        for (counter, count) in [(REQUESTS, 1.0), (REPLIES, 1.0)] {
            publication.count(GATEWAY, counter, count);
        }
        // `events` makes the calls that `ingest` makes, and its source polls a queue.
        let mut relayed = publication.only("sequencer");
        for ((_, counter), count) in &publication.only("ingest").0 {
            relayed.count("events", counter, *count);
        }
        relayed.count("events", POLLS, publication.of("sequencer", POLLS));
        let bytes = slope(&publish, GATEWAY, BYTES_OUT);
        publication.count(GATEWAY, BYTES_OUT, publish[1].of(GATEWAY, BYTES_OUT) - bytes * twenty);
        Ok(Self {
            connect: find("connect, with a token")?,
            join: find("join, room of 20")?,
            disconnect: find("disconnect, room of 20")?,
            keep_alive: find("keep-alive, with one room")?,
            reaper: find("a run of the reaper")?,
            job: publish[1].only("fanout"),
            presence,
            relayed,
            presence_reads_per_member: reads,
            publication,
            envelope_bytes: bytes - MEASURED_DATA_BYTES,
        })
    }
}

/// Prices, and the times for which Lambda bills.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Prices {
    /// The day on which they were read.
    pub(crate) as_of: String,
    /// The Region of the prices.
    pub(crate) region: String,
    durations_ms: Durations,
    prices: Items,
    rest: Rest,
}

/// Billed milliseconds of an invocation, and of each call that it waits for.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
struct Durations {
    invocation: f64,
    table_call: f64,
    table_transaction: f64,
    queue_or_topic_call: f64,
    post: f64,
}

/// Pollers of queues to which nothing comes.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
struct Rest {
    pollers: f64,
    receive_s: f64,
}

/// The price of each item.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
struct Items {
    websocket_units: Price,
    connection_minutes: Price,
    data_out_bytes: Price,
    invocations: Price,
    gigabyte_seconds: Price,
    write_units: Price,
    read_units: Price,
    queue_calls: Price,
    topic_publishes: Price,
    log_bytes: Price,
    secret_months: Price,
}

/// Dollars for a number of units.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
struct Price {
    usd: f64,
    per: f64,
}

impl Price {
    fn times(self, count: f64) -> f64 {
        count / self.per * self.usd
    }
}

/// The lines of a bill.
pub(crate) const SERVICES: [&str; 9] = [
    "API Gateway: messages",
    "API Gateway: connection minutes",
    "data out",
    "DynamoDB",
    "SQS",
    "SNS",
    "Lambda",
    "CloudWatch Logs",
    "Secrets Manager",
];

/// Dollars of each service of [`SERVICES`].
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct Bill(pub(crate) [f64; SERVICES.len()]);

impl Bill {
    /// The sum over all services.
    pub(crate) fn total(&self) -> f64 {
        self.0.iter().sum()
    }

    /// Adds another bill so many times.
    pub(crate) fn add(&mut self, other: &Self, times: f64) {
        self.0.iter_mut().zip(other.0).for_each(|(ours, theirs)| *ours += theirs * times);
    }
}

impl Prices {
    /// Reads the prices that this program was built with.
    pub(crate) fn built_in() -> Result<Self, Error> {
        Self::parse(PRICES, "infra/terraform/prices.toml")
    }

    /// Parses a price file.
    pub(crate) fn parse(text: &str, file: &str) -> Result<Self, Error> {
        toml::from_str(text).map_err(|error| {
            Error::new(format!("{file}: {}", error.message()), "compare it with infra/terraform/prices.toml")
        })
    }

    /// The dollars of what was used while connections were open for so many minutes.
    pub(crate) fn bill(&self, usage: &Usage, connection_minutes: f64, topology: &Topology) -> Bill {
        let items = &self.prices;
        let messages = usage.sum_if(|counter| [REQUESTS, REPLIES, POSTS].contains(&counter));
        let queue_calls = usage.sum_if(|counter| counter.starts_with("sqs:") || counter == POLLS);
        let seconds = usage.functions().map(|function| {
            let memory = topology.function(function).map_or(0.0, |function| f64::from(function.memory_mb) / 1_024.0);
            memory * self.busy_s(usage, function)
        });
        Bill([
            items.websocket_units.times(messages),
            items.connection_minutes.times(connection_minutes),
            items.data_out_bytes.times(usage.of(GATEWAY, BYTES_OUT)),
            items.write_units.times(usage.sum(WRITE_UNITS)) + items.read_units.times(usage.sum(READ_UNITS)),
            items.queue_calls.times(queue_calls),
            items.topic_publishes.times(usage.sum_if(|counter| counter.starts_with("sns:"))),
            items.invocations.times(usage.sum(INVOCATIONS)) + items.gigabyte_seconds.times(seconds.sum()),
            items.log_bytes.times(usage.sum(LOG_BYTES)),
            0.0,
        ])
    }

    /// The dollars of one deployment at rest for so many seconds, without the reaper.
    pub(crate) fn at_rest(&self, seconds: f64, topology: &Topology) -> Bill {
        const MONTH_S: f64 = 365.0 / 12.0 * 86_400.0;
        let sources = topology.triggers().filter(|(_, trigger)| matches!(trigger, topology::Trigger::Queue(_))).count();
        let mut usage = Usage::default();
        usage.count("rest", POLLS, sources as f64 * self.rest.pollers * seconds / self.rest.receive_s);
        let mut bill = self.bill(&usage, 0.0, topology);
        let secrets = topology.secrets.len() as f64 * seconds / MONTH_S;
        bill.0[SERVICES.len() - 1] = self.prices.secret_months.times(secrets);
        bill
    }

    /// The seconds for which a function is busy with its invocations, their calls and posts.
    pub(crate) fn busy_s(&self, usage: &Usage, function: &str) -> f64 {
        let durations = &self.durations_ms;
        let calls = usage.0.iter().filter(|((part, _), _)| part == function).map(|((_, counter), count)| {
            let milliseconds = match counter.split_once(':') {
                Some(("dynamodb", operation)) if operation.starts_with("Transact") => durations.table_transaction,
                Some(("dynamodb", _)) => durations.table_call,
                Some(_) => durations.queue_or_topic_call,
                None if counter == INVOCATIONS => durations.invocation,
                None => 0.0,
            };
            milliseconds * count
        });
        let posts = if function == "fanout" { usage.of(GATEWAY, POSTS) * durations.post } else { 0.0 };
        (calls.sum::<f64>() + posts) / 1_000.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_measured_counts_have_every_operation_and_no_posts_in_it() {
        let operations = Operations::measured().unwrap();
        for usage in
            [&operations.connect, &operations.join, &operations.publication, &operations.job, &operations.presence]
        {
            assert!(usage.sum(INVOCATIONS) > 0.0 && usage.sum(POSTS) == 0.0, "{usage:?}");
        }
        assert!((100.0..200.0).contains(&operations.envelope_bytes), "{}", operations.envelope_bytes);
        assert_eq!(operations.presence_reads_per_member, 2.0);
        assert!(operations.publication.of("sequencer", WRITE_UNITS) >= 7.0);
    }

    #[test]
    fn an_operation_that_is_missing_is_named() {
        let wrong = Operations::parse(&COSTS.replace("publish, room of 20", "publish, room of 21")).unwrap_err();
        assert_eq!(wrong, "there is no operation \"publish, room of 20\"");
    }

    #[test]
    fn a_bill_has_the_price_of_each_count() {
        let prices = Prices::built_in().unwrap();
        let topology = Topology::parse(include_str!("../../../topology.yaml")).unwrap();
        let mut usage = Usage::default();
        usage.count(GATEWAY, POSTS, 1e6);
        usage.count("fanout", INVOCATIONS, 2_000.0);
        let bill = prices.bill(&usage, 4e6, &topology).0;
        assert!((bill[0] - prices.prices.websocket_units.usd).abs() < 1e-9, "{bill:?}");
        assert!((bill[1] - 4.0 * prices.prices.connection_minutes.usd).abs() < 1e-9, "{bill:?}");
        // 512 MB for 1,000 s of posts and 16 s of invocations.
        let lambda = prices.prices.invocations.times(2_000.0) + 508.0 * prices.prices.gigabyte_seconds.usd;
        assert!((bill[6] - lambda).abs() < 1e-9, "{bill:?}");
    }
}

//! The price file, and the bill of what was used.

use serde::Deserialize;
use topology::{Topology, Trigger};

use crate::usage::{BYTES_OUT, GATEWAY, INVOCATIONS, LOG_BYTES, POSTS, READ_UNITS, Usage, WRITE_UNITS};

/// The price file at build time.
const BUILT_IN: &str = include_str!("../../terraform/prices.toml");
/// The function whose invocations wait for posts to members.
const POSTING: &str = "fanout";
/// Seconds of a month, for what is billed by the month.
const MONTH_S: f64 = 730.0 * 3_600.0;

/// The price file does not have the expected form.
#[derive(Debug, thiserror::Error)]
#[error("{0}; compare it with infra/terraform/prices.toml")]
pub struct Malformed(String);

/// Prices of AWS, and the times for which Lambda bills.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Prices {
    /// The day on which the prices were read.
    pub as_of: String,
    /// The Region of the prices.
    pub region: String,
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

/// How event sources poll queues to which nothing comes.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
struct Rest {
    pollers: u32,
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
    /// Returns the dollars for this many units.
    fn times(self, count: f64) -> f64 {
        count / self.per * self.usd
    }
}

/// The lines of a bill, by service.
pub const SERVICES: [&str; 9] = [
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
pub struct Bill(pub [f64; SERVICES.len()]);

impl Bill {
    /// Returns the sum over all services.
    #[must_use]
    pub fn total(&self) -> f64 {
        self.0.iter().sum()
    }

    /// Adds another bill so many times.
    pub fn add(&mut self, other: &Self, times: f64) {
        self.0.iter_mut().zip(other.0).for_each(|(ours, theirs)| *ours += theirs * times);
    }
}

/// What is billed by time and not by use.
#[derive(Debug, Clone, Copy, Default)]
pub struct Held {
    /// Minutes of all connections together.
    pub connection_minutes: f64,
    /// Secrets, times the months for which they are stored.
    pub secret_months: f64,
    /// Receives of queues to which nothing comes.
    pub empty_receives: f64,
}

impl Prices {
    /// Returns the prices that this program was built with.
    ///
    /// # Errors
    /// [`Malformed`] if the file of the build was not a price file; a test of this crate reads it.
    pub fn built_in() -> Result<Self, Malformed> {
        Self::parse(BUILT_IN)
    }

    /// Parses a price file.
    ///
    /// # Errors
    /// [`Malformed`] with the first mistake.
    pub fn parse(text: &str) -> Result<Self, Malformed> {
        toml::from_str(text).map_err(|error| Malformed(error.message().to_owned()))
    }

    /// Returns the dollars of what was used and held.
    #[must_use]
    pub fn bill(&self, usage: &Usage, held: Held, topology: &Topology) -> Bill {
        let items = &self.prices;
        let gigabyte_seconds = usage.parts().filter_map(|(name, _)| {
            let memory_gb = f64::from(topology.function(name)?.memory_mb) / 1_024.0;
            Some(memory_gb * self.busy_s(usage, name))
        });
        Bill([
            items.websocket_units.times(usage.messages()),
            items.connection_minutes.times(held.connection_minutes),
            items.data_out_bytes.times(usage.of(GATEWAY, BYTES_OUT)),
            items.write_units.times(usage.sum(WRITE_UNITS)) + items.read_units.times(usage.sum(READ_UNITS)),
            items.queue_calls.times(usage.queue_calls() + held.empty_receives),
            items.topic_publishes.times(usage.sum_if(|counter| counter.starts_with("sns:"))),
            items.invocations.times(usage.sum(INVOCATIONS)) + items.gigabyte_seconds.times(gigabyte_seconds.sum()),
            items.log_bytes.times(usage.sum(LOG_BYTES)),
            items.secret_months.times(held.secret_months),
        ])
    }

    /// Returns what a deployment holds while it is at rest for so many seconds: its secrets, and
    /// the receives of its queues. The runs of the reaper are not in it.
    #[must_use]
    pub fn at_rest(&self, seconds: f64, topology: &Topology) -> Held {
        let most = self.rest.pollers;
        let pollers = topology.triggers().filter_map(|(_, trigger)| match trigger {
            Trigger::Queue(source) => Some(source.maximum_concurrency.map_or(most, |maximum| maximum.min(most))),
            _ => None,
        });
        Held {
            connection_minutes: 0.0,
            secret_months: topology.secrets.len() as f64 * seconds / MONTH_S,
            empty_receives: f64::from(pollers.sum::<u32>()) * seconds / self.rest.receive_s,
        }
    }

    /// Returns the seconds for which a function is busy with its invocations, their calls and its
    /// posts.
    #[must_use]
    pub fn busy_s(&self, usage: &Usage, function: &str) -> f64 {
        let of_function = usage.counts().filter(|(part, _, _)| *part == function);
        let calls: f64 = of_function.map(|(_, counter, count)| self.milliseconds(counter) * count).sum();
        let posts = if function == POSTING { usage.of(GATEWAY, POSTS) } else { 0.0 };
        (calls + posts * self.durations_ms.post) / 1_000.0
    }

    /// Returns the milliseconds for which an invocation waits for one of these.
    fn milliseconds(&self, counter: &str) -> f64 {
        let durations = &self.durations_ms;
        match counter.split_once(':') {
            Some(("dynamodb", operation)) if operation.starts_with("Transact") => durations.table_transaction,
            Some(("dynamodb", _)) => durations.table_call,
            Some(_) => durations.queue_or_topic_call,
            None if counter == INVOCATIONS => durations.invocation,
            None => 0.0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOAD_TEST: &str = include_str!("../../../loadtest/prices.toml");

    fn topology() -> Topology {
        Topology::parse(include_str!("../../topology.yaml")).unwrap()
    }

    #[test]
    fn a_million_posts_cost_their_price_their_bytes_and_the_time_of_the_fan_out() {
        let mut usage = Usage::default();
        usage.count(GATEWAY, POSTS, 1e6);
        usage.count(GATEWAY, BYTES_OUT, 4e8);
        usage.count("fanout", INVOCATIONS, 2_000.0);
        let bill = Prices::built_in().unwrap().bill(&usage, Held::default(), &topology()).0;
        // 512 MB for 1,000 s of posts and 16 s of invocations.
        let lambda = 2_000.0 * 0.20 / 1e6 + 508.0 * 0.000_013_333_4;
        for (dollars, expected) in bill.into_iter().zip([1.0, 0.0, 0.036, 0.0, 0.0, 0.0, lambda, 0.0, 0.0]) {
            assert!((dollars - expected).abs() < 1e-9, "{bill:?}");
        }
    }

    #[test]
    fn a_month_at_rest_costs_its_secrets_and_its_receives() {
        let (prices, topology) = (Prices::built_in().unwrap(), topology());
        let bill = prices.bill(&Usage::default(), prices.at_rest(MONTH_S, &topology), &topology).0;
        assert!((bill[8] - 0.40 * topology.secrets.len() as f64).abs() < 1e-9, "{bill:?}");
        assert!(bill[4] > 0.0, "{bill:?}");
    }

    #[test]
    fn the_load_test_takes_the_same_prices_of_the_same_day() {
        let ours = Prices::built_in().unwrap();
        let theirs: toml::Table = toml::from_str(LOAD_TEST).unwrap();
        let items = &ours.prices;
        assert_eq!(theirs["as_of"].as_str(), Some(ours.as_of.as_str()));
        assert_eq!(theirs["region"].as_str(), Some(ours.region.as_str()));
        for (name, price, count) in [
            ("websocket_units_per_million", items.websocket_units, 1e6),
            ("connection_minutes_per_million", items.connection_minutes, 1e6),
            ("invocations_per_million", items.invocations, 1e6),
            ("gigabyte_second", items.gigabyte_seconds, 1.0),
            ("write_units_per_million", items.write_units, 1e6),
            ("read_units_per_million", items.read_units, 1e6),
            ("queue_calls_per_million", items.queue_calls, 1e6),
            ("topic_publishes_per_million", items.topic_publishes, 1e6),
        ] {
            assert_eq!(theirs[name].as_float(), Some(price.times(count)), "{name}");
        }
    }
}

//! The price file, and the bill of what was used.

use serde::Deserialize;
use topology::Topology;

use super::usage::{
    BYTES_OUT, GATEWAY, INVOCATIONS, LOG_BYTES, POLLS, POSTS, READ_UNITS, REPLIES, REQUESTS, Usage, WRITE_UNITS,
};

/// The function whose invocations wait for posts to members.
const POSTING: &str = "fanout";

/// Prices, and what the local stack cannot measure.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Prices {
    /// The day on which they were read.
    pub(super) as_of: String,
    pub(super) region: String,
    durations_ms: Durations,
    pub(super) prices: Items,
    pub(super) rest: Rest,
}

/// Billed milliseconds of an invocation, and of each call that it waits for.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Durations {
    invocation: f64,
    table_call: f64,
    table_transaction: f64,
    queue_or_topic_call: f64,
    post: f64,
}

/// How event sources poll queues to which nothing comes.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Rest {
    pub(super) pollers: u32,
    pub(super) receive_s: f64,
}

/// The price of each item.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Items {
    websocket_units: Price,
    pub(super) connection_minutes: Price,
    data_out_bytes: Price,
    invocations: Price,
    gigabyte_seconds: Price,
    write_units: Price,
    read_units: Price,
    pub(super) queue_calls: Price,
    topic_publishes: Price,
    log_bytes: Price,
    pub(super) secret_months: Price,
}

/// Dollars for a number of units.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Price {
    usd: f64,
    per: f64,
}

impl Price {
    /// Returns the dollars for this many.
    pub(super) fn times(self, count: f64) -> f64 {
        count / self.per * self.usd
    }
}

/// The lines of a bill, by service.
pub(super) const SERVICES: [&str; 9] = [
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
pub(super) struct Bill(pub(super) [f64; SERVICES.len()]);

impl Bill {
    pub(super) fn total(&self) -> f64 {
        self.0.iter().sum()
    }
}

/// What is billed by time and not by use.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Held {
    pub(super) connection_minutes: f64,
    pub(super) secret_months: f64,
    /// Receives of queues to which nothing comes.
    pub(super) empty_receives: f64,
}

impl Prices {
    /// Returns the dollars of what was used and held.
    pub(super) fn bill(&self, usage: &Usage, held: Held, topology: &Topology) -> Bill {
        let items = &self.prices;
        let messages = usage.of(GATEWAY, REQUESTS) + usage.of(GATEWAY, REPLIES) + usage.of(GATEWAY, POSTS);
        let queue_calls = usage.sum(|name| name.starts_with("sqs:") || name == POLLS) + held.empty_receives;
        let units = |name: &str| usage.sum(|other| other == name);
        Bill([
            items.websocket_units.times(messages),
            items.connection_minutes.times(held.connection_minutes),
            items.data_out_bytes.times(usage.of(GATEWAY, BYTES_OUT)),
            items.write_units.times(units(WRITE_UNITS)) + items.read_units.times(units(READ_UNITS)),
            items.queue_calls.times(queue_calls),
            items.topic_publishes.times(usage.sum(|name| name.starts_with("sns:"))),
            items.invocations.times(units(INVOCATIONS))
                + items.gigabyte_seconds.times(self.gigabyte_seconds(usage, topology)),
            items.log_bytes.times(units(LOG_BYTES)),
            items.secret_months.times(held.secret_months),
        ])
    }

    /// Returns the gigabyte-seconds for which Lambda bills.
    fn gigabyte_seconds(&self, usage: &Usage, topology: &Topology) -> f64 {
        let functions = usage.parts().filter_map(|(part, counts)| Some((topology.function(part)?, counts)));
        let billed = functions.map(|(function, counts)| {
            let calls = counts.iter().map(|(name, count)| self.milliseconds(name) * count);
            let posts = if function.name == POSTING { usage.of(GATEWAY, POSTS) } else { 0.0 };
            let milliseconds = calls.sum::<f64>() + posts * self.durations_ms.post;
            milliseconds / 1_000.0 * f64::from(function.memory_mb) / 1_024.0
        });
        billed.sum()
    }

    /// Returns the milliseconds for which an invocation waits for one of these.
    fn milliseconds(&self, name: &str) -> f64 {
        let durations = &self.durations_ms;
        match name.split_once(':') {
            Some(("dynamodb", operation)) if operation.starts_with("Transact") => durations.table_transaction,
            Some(("dynamodb", _)) => durations.table_call,
            Some(_) => durations.queue_or_topic_call,
            None if name == INVOCATIONS => durations.invocation,
            None => 0.0,
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::stack::root;

    fn prices() -> Prices {
        toml::from_str(&std::fs::read_to_string(root().join("infra/terraform/prices.toml")).unwrap()).unwrap()
    }

    #[test]
    fn a_million_posts_cost_their_price_their_bytes_and_the_time_of_the_fan_out() {
        let topology = Topology::read(&root().join("infra/topology.yaml")).unwrap();
        let usage = Usage::read(&json!({
            "statistics": {
                "gateway": { "units_sent": 1_000_000, "posts_delivered": 1_000_000, "bytes_sent": 400_000_000 },
                "functions": { "fanout": { "invocations": 2_000 } },
            },
        }));
        let bill = prices().bill(&usage, Held::default(), &topology).0;
        // 512 MB for 1,000 s of posts and 16 s of invocations.
        let lambda = 2_000.0 * 0.20 / 1e6 + 508.0 * 0.000_013_333_4;
        for (dollars, expected) in bill.into_iter().zip([1.0, 0.0, 0.036, 0.0, 0.0, 0.0, lambda, 0.0, 0.0]) {
            assert!((dollars - expected).abs() < 1e-9, "{bill:?}");
        }
    }

    #[test]
    fn the_load_test_takes_the_same_prices_of_the_same_day() {
        let ours = prices();
        let text = std::fs::read_to_string(root().join("loadtest/prices.toml")).unwrap();
        let theirs: toml::Table = toml::from_str(&text).unwrap();
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

//! Prediction of the cost before a run. It is an upper bound, since it does not foresee posts that
//! carry several publications.

use domain::limits;

use super::Prices;
use crate::scenario::schedule::{due, length};
use crate::scenario::{Door, Scenario};

/// The planned or finished work, in terms of the public protocol.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Work {
    /// Members that join, each on one connection.
    pub members: f64,
    /// Publications through all doors.
    pub publications: f64,
    /// Publications through SNS.
    pub events: f64,
    /// Deliveries: publications times members, added over the rooms.
    pub deliveries: f64,
    /// Posts of presence to members. Each change is announced at once, as far as the room's pace
    /// allows.
    pub told: f64,
    /// Units of 32 KB for each delivery.
    pub units: f64,
    /// Minutes of all connections together.
    pub connection_minutes: f64,
    /// Connections that end and are opened again.
    pub returns: f64,
}

/// Invocations for a handshake, authorizer, join, disconnect, and a share of presence.
const INVOCATIONS_PER_MEMBER: f64 = 5.0;
/// Invocations of `ingest` (or `events`, or `outbox`) and the sequencer, and one of the fan-out for
/// each shard.
const INVOCATIONS_PER_PUBLICATION: f64 = 3.0;
/// Members of one shard.
const SHARD: f64 = 500.0;
/// Duration of an invocation without its posts.
const MS_PER_INVOCATION: f64 = 25.0;
/// Duration that each post adds to an invocation that keeps its rate.
const MS_PER_DELIVERY: f64 = 1.0;
/// Write units for the connection, its memberships in two indexes, its tombstone, and presence.
const WRITES_PER_MEMBER: f64 = 16.0;
/// Write units for the rate of the connection, and for head, log row and dedupe row in one
/// transaction (which counts twice).
const WRITES_PER_PUBLICATION: f64 = 8.0;
const READS_PER_MEMBER: f64 = 6.0;
const READS_PER_PUBLICATION: f64 = 6.0;
/// Units for the delivery progress of a shard, read and written.
const READS_PER_SHARD: f64 = 1.0;
const WRITES_PER_SHARD: f64 = 1.0;
/// Read units for a membership of 200 bytes, read with others from an index.
const READS_PER_DELIVERY: f64 = 0.03;
/// Queue calls to send, receive and delete: once for the publication, once for a job of each shard.
const QUEUE_CALLS_PER_PUBLICATION: f64 = 6.0;
/// Bytes of a message besides its data.
const ENVELOPE_BYTES: f64 = 300.0;

/// The work that a scenario plans.
#[must_use]
pub fn planned(scenario: &Scenario) -> Work {
    let mut work = Work { units: 1.0, ..Work::default() };
    let seconds = crate::scenario::schedule::expected_length(scenario) as f64 / 1e6 + scenario.drain_s;
    let phases_s = length(&scenario.phases) as f64 / 1e6;
    let returns: f64 = scenario.churn.iter().map(|churn| churn.share * phases_s / churn.every_s).sum();
    for rooms in &scenario.rooms {
        let count = rooms.count as f64;
        let publications = due(&scenario.phases, rooms.rate, 0.0).count() as f64 * count;
        let events = rooms.doors.iter().filter(|door| **door == Door::Events).count() as f64;
        work.members += count * rooms.members as f64;
        work.publications += publications;
        work.events += publications * events / rooms.doors.len() as f64;
        work.deliveries += publications * rooms.members as f64;
        work.told += count * announcements(rooms.members as f64, returns, seconds) * rooms.members as f64;
        work.units = work.units.max(((rooms.payload_bytes as f64 + ENVELOPE_BYTES) / 32_768.0).ceil());
    }
    work.connection_minutes = work.members * (seconds / 60.0).ceil();
    work.returns = work.members * returns;
    work
}

/// The number of announcements of presence in one room, where each member returns `returns` times.
fn announcements(members: f64, returns: f64, seconds: f64) -> f64 {
    let is_small = members <= limits::PRESENCE_NAMED_MEMBERS as f64;
    let pace = if is_small { limits::PRESENCE_PACE } else { limits::PRESENCE_PACE_OF_A_LARGE_ROOM };
    let changes = members * (1.0 + 2.0 * returns);
    changes.min((seconds / pace.as_secs_f64()).ceil() + 1.0)
}

/// The cost of the work, in US dollars.
#[must_use]
pub fn estimate(work: &Work, prices: &Prices) -> f64 {
    let comings = work.members + work.returns;
    let shards = (work.deliveries / work.publications.max(1.0) / SHARD).ceil();
    // Each request has a reply, and both are metered.
    let units =
        work.deliveries * work.units + work.told + 2.0 * (comings + work.publications) + work.connection_minutes;
    let invocations = comings * INVOCATIONS_PER_MEMBER + work.publications * (INVOCATIONS_PER_PUBLICATION + shards);
    let seconds = (invocations * MS_PER_INVOCATION + (work.deliveries + work.told) * MS_PER_DELIVERY) / 1_000.0;
    let writes = comings * WRITES_PER_MEMBER + work.publications * (WRITES_PER_PUBLICATION + shards * WRITES_PER_SHARD);
    let reads = comings * READS_PER_MEMBER
        + work.publications * (READS_PER_PUBLICATION + shards * READS_PER_SHARD)
        + (work.deliveries + work.told) * READS_PER_DELIVERY;
    let queue_calls = work.publications * (QUEUE_CALLS_PER_PUBLICATION + 3.0 * shards);
    let millions = units * prices.websocket_units_per_million
        + work.connection_minutes * prices.connection_minutes_per_million
        + invocations * prices.invocations_per_million
        + writes * prices.write_units_per_million
        + reads * prices.read_units_per_million
        + queue_calls * prices.queue_calls_per_million
        + work.events * prices.topic_publishes_per_million;
    millions / 1e6 + seconds * prices.function_memory_mb / 1_024.0 * prices.gigabyte_second
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_million_deliveries_cost_a_dollar_and_a_little() {
        let work = Work { members: 1_000.0, publications: 1_000.0, deliveries: 1e6, units: 1.0, ..Work::default() };
        let usd = estimate(&work, &Prices::default());
        assert!((1.0..1.3).contains(&usd), "{usd}");
    }

    #[test]
    fn who_is_there_is_told_at_a_pace() {
        assert_eq!(announcements(20.0, 0.0, 60.0), 20.0);
        assert_eq!(announcements(20.0, 50.0, 60.0), 61.0);
        assert_eq!(announcements(2_000.0, 0.0, 60.0), 13.0);
    }

    #[test]
    fn a_plan_is_counted_as_it_will_be_run() {
        let broadcast = include_str!("../../scenarios/broadcast.toml");
        let work = planned(&crate::scenario::parse(broadcast, "broadcast.toml").unwrap());
        assert_eq!((work.members, work.publications, work.deliveries), (20.0, 66.0, 1_320.0));
    }
}

//! Measured counts of each operation (`docs/costs.json`, which `cargo xtask costs` writes).

use bill::{BYTES_OUT, GATEWAY, POLLS, READ_UNITS, REPLIES, REQUESTS, Usage};
use serde::Deserialize;

use crate::error::Error;

/// Counts of each operation, done alone on the local stack by `cargo xtask costs`.
const COSTS: &str = include_str!("../../../../docs/costs.json");

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
            usage: Usage,
        }
        let file: File = serde_json::from_str(text).map_err(|error| error.to_string())?;
        let find = |name: &str| {
            let row = file.rows.iter().find(|row| row.name == name);
            let row = row.ok_or_else(|| format!("there is no operation {name:?}"))?;
            Ok::<_, String>(row.usage.clone())
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
        let mut presence = came[1].without(&[GATEWAY]);
        presence.count("presence", READ_UNITS, -reads * twenty);
        let mut publication = publish[1].without(&["fanout", GATEWAY]);
        for (counter, count) in [(REQUESTS, 1.0), (REPLIES, 1.0)] {
            publication.count(GATEWAY, counter, count);
        }
        // `events` makes the calls that `ingest` makes, and its source polls a queue.
        let mut relayed = publication.only(&["sequencer"]);
        for (_, counter, count) in publication.only(&["ingest"]).counts() {
            relayed.count("events", counter, count);
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
            job: publish[1].only(&["fanout"]),
            presence,
            relayed,
            presence_reads_per_member: reads,
            publication,
            envelope_bytes: bytes - MEASURED_DATA_BYTES,
        })
    }
}

#[cfg(test)]
mod tests {
    use bill::{INVOCATIONS, POSTS, WRITE_UNITS};

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
}

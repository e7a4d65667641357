//! The embedded DynamoDB: dynoxide with extra indexes for streams, and regular cleaning.
//!
//! Stock dynoxide reads the highest sequence number of a stream at each write without an index, and
//! never trims a stream. This module corrects both over a second connection to the same SQLite
//! database. The two connections never work at the same time: requests hold one permit of the gate,
//! and trimming holds all permits. (In a shared-cache database in memory, the loser of a conflict
//! fails at once, even with a busy timeout.)

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rusqlite::Connection;
use tokio::sync::Semaphore;

/// Most concurrent requests inside dynoxide. dynoxide itself runs one request at a time, while the
/// others parse.
const REQUESTS_AT_ONCE: u32 = 4;
/// DynamoDB keeps stream records for 24 hours.
/// <https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Streams.html>
const STREAM_RETENTION: Duration = Duration::from_secs(24 * 60 * 60);
/// Most records of all streams, to limit memory. Beyond this number the oldest are deleted early.
/// At 1 KB each, this is 300 MB.
const STREAM_RECORDS: i64 = 300_000;
/// Most records that are trimmed in one hold of the gate, so that requests wait only for
/// milliseconds.
const TRIMMED_AT_ONCE: i64 = 2_000;
const _: () = assert!(TRIMMED_AT_ONCE < STREAM_RECORDS);

/// Indexes for lookups that dynoxide 3.2.0 runs at each write to a table with a stream and at each
/// poll. See the `embedded` tests.
const STREAM_INDEXES: &str = "\
    CREATE INDEX IF NOT EXISTS ix_sr_seq ON _stream_records(table_name, CAST(sequence_number AS INTEGER));
    CREATE INDEX IF NOT EXISTS ix_sr_shard ON _stream_records(table_name, shard_id, CAST(sequence_number AS INTEGER));";

/// The reason why the database is not available.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// dynoxide could not open the database.
    #[error("cannot open the database {place}: {source}")]
    Open {
        /// Path of the file, or the name of the database in memory.
        place: String,
        /// The error of dynoxide.
        source: dynoxide::DynoxideError,
    },
    /// The second connection to the database failed.
    #[error("cannot index or trim the streams of the database: {0}")]
    Side(#[from] rusqlite::Error),
    /// A task panicked or was cancelled.
    #[error("a database task ended unexpectedly: {0}")]
    Task(#[from] tokio::task::JoinError),
}

/// DynamoDB in this process. Clones share the database.
#[derive(Clone)]
pub(crate) struct Database {
    dynamo: dynoxide::Database,
    side: Arc<Mutex<Connection>>,
    gate: Arc<Semaphore>,
}

impl Database {
    /// Opens the file, or a new database in memory.
    pub(crate) fn open(file: Option<&Path>) -> Result<Self, Error> {
        let place = file.map_or_else(
            || format!("file:local-{}?mode=memory&cache=shared", uuid::Uuid::new_v4().simple()),
            |file| file.display().to_string(),
        );
        let refused = |source| Error::Open { place: place.clone(), source };
        let dynamo = dynoxide::Database::new(&place).map_err(refused)?;
        // Sets `synchronous = NORMAL`. A killed runner loses nothing, and no write waits for the
        // disk.
        dynamo.disable_bulk_loading().map_err(refused)?;
        let side = Connection::open(&place)?;
        side.busy_timeout(Duration::from_secs(5))?;
        side.execute_batch(STREAM_INDEXES)?;
        Ok(Self { dynamo, side: Arc::new(Mutex::new(side)), gate: Arc::new(Semaphore::new(REQUESTS_AT_ONCE as usize)) })
    }

    /// Returns the database for a separate server. Its requests must call [`Database::enter`] too.
    pub(crate) fn shared(&self) -> dynoxide::Database {
        self.dynamo.clone()
    }

    /// Runs `work` on a thread that may block.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&dynoxide::Database) -> T + Send + 'static,
    ) -> Result<T, Error> {
        let _entered = self.enter().await;
        let dynamo = self.dynamo.clone();
        Ok(tokio::task::spawn_blocking(move || work(&dynamo)).await?)
    }

    /// Waits for a permit of the gate. The gate is never closed.
    pub(crate) async fn enter(&self) -> Option<tokio::sync::SemaphorePermit<'_>> {
        self.gate.acquire().await.ok()
    }

    /// Deletes expired items and old stream records.
    pub(crate) async fn tend(&self) -> Result<Tended, Error> {
        let dynamo = self.dynamo.clone();
        let swept = tokio::task::spawn_blocking(move || dynamo.sweep_ttl()).await?;
        let expired_items = swept.map_err(|source| Error::Open { place: "to sweep it".to_owned(), source })?;
        let mut trimmed_records = 0;
        loop {
            let trimmed = self.trim_once().await?;
            trimmed_records += trimmed;
            if trimmed < TRIMMED_AT_ONCE.unsigned_abs() as usize {
                return Ok(Tended { expired_items, trimmed_records });
            }
        }
    }

    async fn trim_once(&self) -> Result<usize, Error> {
        let _alone = self.gate.acquire_many(REQUESTS_AT_ONCE).await.ok();
        let side = Arc::clone(&self.side);
        let horizon = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().saturating_sub(STREAM_RETENTION);
        let trimmed = tokio::task::spawn_blocking(move || {
            let side = side.lock().unwrap_or_else(PoisonError::into_inner);
            trim(&side, horizon.as_secs(), STREAM_RECORDS)
        });
        Ok(trimmed.await??)
    }
}

/// The result of one round of cleaning.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Tended {
    pub(crate) expired_items: usize,
    pub(crate) trimmed_records: usize,
}

/// Deletes the oldest records: those from before `horizon_s`, and those beyond the newest `kept`.
fn trim(side: &Connection, horizon_s: u64, kept: i64) -> rusqlite::Result<usize> {
    let horizon_s = i64::try_from(horizon_s).unwrap_or(i64::MAX);
    side.execute(
        "DELETE FROM _stream_records WHERE id IN (
             SELECT id FROM _stream_records
             WHERE created_at < ?1 OR id <= (SELECT MAX(id) FROM _stream_records) - ?2
             ORDER BY id LIMIT ?3)",
        (horizon_s, kept, TRIMMED_AT_ONCE),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The exact texts of the two queries that dynoxide 3.2.0 runs (`storage.rs`).
    const NEXT_SEQUENCE_NUMBER: &str =
        "SELECT COALESCE(MAX(CAST(sequence_number AS INTEGER)), 0) + 1 FROM _stream_records WHERE table_name = ?1";
    const RECORDS_AFTER: &str =
        "SELECT event_name, keys_json, new_image, old_image, sequence_number, created_at, user_identity, event_id
             FROM _stream_records
             WHERE table_name = ?1 AND shard_id = ?2 AND CAST(sequence_number AS INTEGER) > ?3
             ORDER BY CAST(sequence_number AS INTEGER) ASC
             LIMIT ?4";

    fn plan(side: &Connection, query: &str) -> String {
        let mut statement = side.prepare(&format!("EXPLAIN QUERY PLAN {query}")).unwrap();
        let count = statement.parameter_count();
        let parameters = vec!["1"; count];
        let rows = statement.query_map(rusqlite::params_from_iter(parameters), |row| row.get::<_, String>(3)).unwrap();
        rows.map(Result::unwrap).collect::<Vec<_>>().join("; ")
    }

    fn with_stream(database: &Database) {
        let request = serde_json::json!({
            "TableName": "things", "BillingMode": "PAY_PER_REQUEST",
            "KeySchema": [{ "AttributeName": "pk", "KeyType": "HASH" }],
            "AttributeDefinitions": [{ "AttributeName": "pk", "AttributeType": "S" }],
            "StreamSpecification": { "StreamEnabled": true, "StreamViewType": "NEW_AND_OLD_IMAGES" },
        });
        database.dynamo.create_table(serde_json::from_value(request).unwrap()).unwrap();
    }

    fn put(database: &Database, key: usize) {
        let request = serde_json::json!({ "TableName": "things", "Item": { "pk": { "S": format!("{key}") } } });
        database.dynamo.put_item(serde_json::from_value(request).unwrap()).unwrap();
    }

    fn records(database: &Database) -> i64 {
        let side = database.side.lock().unwrap();
        side.query_row("SELECT COUNT(*) FROM _stream_records", [], |row| row.get(0)).unwrap()
    }

    #[test]
    fn the_indexes_serve_every_lookup_in_the_stream_records() {
        let database = Database::open(None).unwrap();
        let side = database.side.lock().unwrap();
        assert!(
            plan(&side, NEXT_SEQUENCE_NUMBER).contains("INDEX ix_sr_seq (table_name=?)"),
            "{}",
            plan(&side, NEXT_SEQUENCE_NUMBER)
        );
        let records = plan(&side, RECORDS_AFTER);
        assert!(records.contains("INDEX ix_sr_shard (table_name=? AND shard_id=? AND <expr>>?)"), "{records}");
        assert!(!records.contains("TEMP B-TREE"), "sorted by hand: {records}");
    }

    /// Without the index, a write to a stream of 60,000 records takes a hundred times as long as a
    /// write to an empty one.
    #[test]
    fn a_write_takes_no_longer_when_the_stream_is_long() {
        let database = Database::open(None).unwrap();
        with_stream(&database);
        let timed = |from: usize| {
            let started = std::time::Instant::now();
            (from..from + 200).for_each(|key| put(&database, key));
            started.elapsed()
        };
        timed(0);
        let short = timed(200);
        database
            .side
            .lock()
            .unwrap()
            .execute_batch(
                "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 60000)
                 INSERT INTO _stream_records (table_name, event_name, keys_json, sequence_number, shard_id, created_at)
                 SELECT 'things', 'INSERT', '{}', i, 'shardId-00000001-things', 0 FROM n",
            )
            .unwrap();
        let long = timed(400);
        assert!(long < short * 20, "200 puts took {short:?} into a short stream and {long:?} into a long one");
    }

    #[test]
    fn trimming_takes_what_is_old_and_what_is_too_much_and_nothing_else() {
        let database = Database::open(None).unwrap();
        with_stream(&database);
        (0..10).for_each(|key| put(&database, key));
        let side = || database.side.lock().unwrap();
        assert_eq!(trim(&side(), 0, 10).unwrap(), 0);
        assert_eq!(trim(&side(), 0, 7).unwrap(), 3);
        assert_eq!(records(&database), 7);
        side().execute("UPDATE _stream_records SET created_at = 5 WHERE id <= 5", []).unwrap();
        assert_eq!(trim(&side(), 6, 10).unwrap(), 2);
        assert_eq!(records(&database), 5);
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn trimming_and_requests_do_not_disturb_each_other() {
        let database = Database::open(None).unwrap();
        with_stream(&database);
        let writes = (0..200).map(|key| {
            let database = database.clone();
            async move { database.clone().run(move |_| put(&database, key)).await }
        });
        let tending = async {
            for _ in 0..20 {
                database.tend().await.unwrap();
            }
        };
        let (written, ()) = futures::future::join(futures::future::join_all(writes), tending).await;
        assert!(written.iter().all(Result::is_ok));
        assert_eq!(records(&database), 200);
    }

    #[test]
    fn a_file_keeps_what_was_written() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("dynamodb.sqlite");
        let database = Database::open(Some(&file)).unwrap();
        with_stream(&database);
        put(&database, 1);
        drop(database);
        let database = Database::open(Some(&file)).unwrap();
        assert_eq!(records(&database), 1);
        put(&database, 2);
        assert_eq!(records(&database), 2);
    }
}

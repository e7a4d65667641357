//! Tables, as an operator reads them.

use aws_sdk_dynamodb::types::TimeToLiveStatus;
use domain::ports::Result;
use domain::{ConnectionId, Epoch, Range, RoomId, Shard, Timestamp, limits};

use crate::attributes::Read;
use crate::errors::{translate, unreadable};
use crate::items::{delivered, tombstone};
use crate::keys;
use crate::tables::Tables;

/// The settings of a table that Roomcast depends on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableSettings {
    /// The attribute by which items expire, if expiry is enabled.
    pub ttl_attribute: Option<String>,
    /// The images that the stream has, such as `NEW_AND_OLD_IMAGES`, if the stream is enabled.
    pub stream_view: Option<String>,
    /// The names of the indexes that can be queried, sorted.
    pub indexes: Vec<String>,
}

/// The last run of the log that a shard was given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShardProgress {
    /// The run of the log.
    pub range: Range,
    /// The time when it was recorded, to the second.
    pub recorded_at: Timestamp,
}

impl Tables {
    /// Reads the settings of a table.
    ///
    /// # Errors
    /// Errors of DynamoDB, such as a missing table.
    pub async fn settings(&self, table: &str) -> Result<TableSettings> {
        const DESCRIBE: &str = "DynamoDB DescribeTable";
        const TTL: &str = "DynamoDB DescribeTimeToLive";
        let described = self.client.describe_table().table_name(table).send().await;
        let described = described.map_err(|error| translate(DESCRIBE, &error))?;
        let described = described.table.ok_or_else(|| unreadable(DESCRIBE, "the answer has no table"))?;
        let ttl = self.client.describe_time_to_live().table_name(table).send().await;
        let ttl = ttl.map_err(|error| translate(TTL, &error))?.time_to_live_description;
        let is_on = |status: &TimeToLiveStatus| *status == TimeToLiveStatus::Enabled;
        let ttl = ttl.filter(|ttl| ttl.time_to_live_status.as_ref().is_some_and(is_on));
        let stream = described.stream_specification.filter(|stream| stream.stream_enabled);
        let mut indexes: Vec<String> = described
            .global_secondary_indexes
            .unwrap_or_default()
            .into_iter()
            .filter_map(|index| index.index_name)
            .collect();
        indexes.sort();
        Ok(TableSettings {
            ttl_attribute: ttl.and_then(|ttl| ttl.attribute_name),
            stream_view: stream.and_then(|stream| stream.stream_view_type).map(|view| view.as_str().to_owned()),
            indexes,
        })
    }

    /// Reads the progress of a shard, and when it was recorded.
    ///
    /// # Errors
    /// Errors of DynamoDB.
    pub async fn shard_progress(&self, room: &RoomId, shard: Shard, epoch: &Epoch) -> Result<Option<ShardProgress>> {
        const OPERATION: &str = "DynamoDB GetItem (delivered)";
        let Some(item) = self.get(OPERATION, &self.rooms, keys::delivered(room, shard, epoch)).await? else {
            return Ok(None);
        };
        let read = || {
            let expires_at = Timestamp::from_ms(item.number(keys::TTL)?.saturating_mul(1_000));
            let recorded_at = expires_at.minus(limits::RETENTION);
            Ok(ShardProgress { range: delivered::from_item(&item)?, recorded_at })
        };
        read().map(Some).map_err(|error: crate::attributes::Unreadable| unreadable(OPERATION, error))
    }

    /// Reads the shard in which a connection is a member of a room, consistently.
    ///
    /// # Errors
    /// Errors of DynamoDB.
    pub async fn shard_of(&self, room: &RoomId, connection: &ConnectionId) -> Result<Option<Shard>> {
        const OPERATION: &str = "DynamoDB GetItem (membership)";
        let item = self.get(OPERATION, &self.connections, keys::membership(connection, room)).await?;
        let shard = item.filter(|item| !tombstone::is(item)).map(|item| keys::parse_shard(&item, room));
        shard.transpose().map_err(|error| unreadable(OPERATION, error))
    }
}

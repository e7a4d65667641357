//! The connections, in the connections table.

use aws_sdk_dynamodb::error::BuildError;
use aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError;
use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_sdk_dynamodb::types::{
    ConditionCheck, Put, ReturnValue, ReturnValuesOnConditionCheckFailure, TransactWriteItem,
};
use domain::ports::{Connections, Known, Opened, Result};
use domain::{Connection, ConnectionId, Membership, RoomId, Shards, Suspect, Timestamp, limits};

use crate::attributes::{Item, n, s};
use crate::conflicts::retry_conflicts;
use crate::errors::{translate, undone, unreadable};
use crate::items::{connection as connection_item, member, tombstone};
use crate::keys;
use crate::tables::Tables;

impl Connections for Tables {
    async fn open(&self, connection: &Connection, memberships: &[Membership]) -> Result<Opened> {
        const OPERATION: &str = "DynamoDB TransactWriteItems (open)";
        let (everyone, rows): (Vec<_>, Vec<_>) = memberships.iter().partition(|row| row.room.is_everyone());
        let default = Shards::initial(&RoomId::everyone()).place(&connection.id);
        let shard = everyone.first().map_or(default, |row| row.shard);
        let items = std::iter::once(connection_item::to_item(connection, shard))
            .chain(rows.into_iter().map(member::membership));
        let mut call = self.client.transact_write_items();
        for (at, item) in items.enumerate() {
            let condition = (at == 0).then(|| "attribute_not_exists(pk)".to_owned());
            let put =
                Put::builder().table_name(&self.connections).set_item(Some(item)).set_condition_expression(condition);
            let put = put.build().map_err(|error| undone(OPERATION, error))?;
            call = call.transact_items(TransactWriteItem::builder().put(put).build());
        }
        match retry_conflicts(|| call.clone().send()).await {
            Ok(_) => Ok(Opened::Stored),
            Err(error) if failed_conditions(error.as_service_error()).first() == Some(&true) => Ok(Opened::Refused),
            Err(error) => Err(translate(OPERATION, &error)),
        }
    }

    async fn find(&self, connection: &ConnectionId) -> Result<Option<Connection>> {
        const OPERATION: &str = "DynamoDB GetItem (connection)";
        let item = self.get(OPERATION, &self.connections, keys::connection(connection)).await?;
        let alive = item.filter(|item| !tombstone::is(item));
        alive.map(|item| connection_item::from_item(&item).map_err(|error| unreadable(OPERATION, error))).transpose()
    }

    async fn touch(&self, connection: &ConnectionId, now: Timestamp) -> Result<Known> {
        let item = self.touched("DynamoDB UpdateItem (touch)", connection, now).await?;
        Ok(if item.is_some() { Known::Yes } else { Known::No })
    }

    async fn bury(&self, connection: &ConnectionId, now: Timestamp) -> Result<()> {
        let item = tombstone::to_item(connection, now);
        let call = self.client.put_item().table_name(&self.connections).set_item(Some(item));
        let put = retry_conflicts(|| call.clone().send()).await;
        put.map(drop).map_err(|error| translate("DynamoDB PutItem (tombstone)", &error))
    }

    async fn silent(&self, shard: u16, before: Timestamp, limit: usize) -> Result<Vec<Suspect>> {
        const OPERATION: &str = "DynamoDB Query (by_liveness)";
        let mut suspects = Vec::new();
        let mut start: Option<Item> = None;
        while suspects.len() < limit {
            let rest = i32::try_from(limit - suspects.len()).unwrap_or(i32::MAX);
            let call = self
                .client
                .query()
                .table_name(&self.connections)
                .index_name(keys::BY_LIVENESS)
                .key_condition_expression("liveness_shard = :shard AND last_seen_at < :before")
                .expression_attribute_values(":shard", s(keys::liveness(shard)))
                .expression_attribute_values(":before", n(before.as_ms()))
                .limit(rest)
                .set_exclusive_start_key(start);
            let answer = call.send().await.map_err(|error| translate(OPERATION, &error))?;
            for item in answer.items() {
                suspects.push(connection_item::suspect(item).map_err(|error| unreadable(OPERATION, error))?);
            }
            start = answer.last_evaluated_key;
            if start.is_none() {
                break;
            }
        }
        Ok(suspects)
    }
}

impl Tables {
    /// Stores that a connection is alive, if that was stored longer ago than [`limits::TOUCH`].
    /// Returns its item afterwards, or `None` if it is a tombstone or never existed. It makes one
    /// call, which writes or reads.
    pub(crate) async fn touched(
        &self,
        operation: &'static str,
        connection: &ConnectionId,
        now: Timestamp,
    ) -> Result<Option<Item>> {
        let call = self
            .client
            .update_item()
            .table_name(&self.connections)
            .set_key(Some(keys::connection(connection)))
            .update_expression("SET last_seen_at = :now")
            .condition_expression("attribute_exists(liveness_shard) AND last_seen_at < :old")
            .expression_attribute_values(":now", n(now.as_ms()))
            .expression_attribute_values(":old", n(now.minus(limits::TOUCH).as_ms()))
            .return_values(ReturnValue::AllNew)
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        match retry_conflicts(|| call.clone().send()).await {
            Ok(answer) => Ok(answer.attributes),
            Err(error) => match error.as_service_error() {
                // The connection does not exist, or it was touched recently: its item shows which.
                Some(UpdateItemError::ConditionalCheckFailedException(failed)) => {
                    Ok(failed.item().filter(|item| !item.is_empty() && !tombstone::is(item)).cloned())
                }
                _ => Err(translate(operation, &error)),
            },
        }
    }
}

/// Builds the check, for a transaction, that a connection is alive and that its token expires at
/// this time.
///
/// # Errors
/// The builder's error, which does not occur: every member that the builder requires is set here.
pub(crate) fn alive_until(
    table: &str,
    connection: &ConnectionId,
    expires_at: Option<Timestamp>,
) -> std::result::Result<ConditionCheck, BuildError> {
    let check = ConditionCheck::builder().table_name(table).set_key(Some(keys::connection(connection)));
    let check = match expires_at {
        Some(at) => check
            .condition_expression("attribute_exists(liveness_shard) AND expires_at = :expires_at")
            .expression_attribute_values(":expires_at", n(at.as_ms())),
        None => check.condition_expression("attribute_exists(liveness_shard) AND attribute_not_exists(expires_at)"),
    };
    check.build()
}

/// Reports for each action of a cancelled transaction whether its condition failed. Empty for any
/// other error.
pub(crate) fn failed_conditions(error: Option<&TransactWriteItemsError>) -> Vec<bool> {
    match error {
        Some(TransactWriteItemsError::TransactionCanceledException(cancelled)) => cancelled
            .cancellation_reasons()
            .iter()
            .map(|reason| reason.code() == Some("ConditionalCheckFailed"))
            .collect(),
        _ => Vec::new(),
    }
}

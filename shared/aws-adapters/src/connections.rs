//! The connections, in the connections table.

use aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError;
use aws_sdk_dynamodb::types::{ConditionCheck, Put, ReturnValuesOnConditionCheckFailure, TransactWriteItem};
use domain::ports::{Connections, Known, Opened, Result};
use domain::{Connection, ConnectionId, Membership, RoomId, Shards, Suspect, Timestamp, limits};

use crate::attributes::{Item, n, s};
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
        match call.send().await {
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
        const OPERATION: &str = "DynamoDB UpdateItem (touch)";
        let call = self
            .client
            .update_item()
            .table_name(&self.connections)
            .set_key(Some(keys::connection(connection)))
            .update_expression("SET last_seen_at = :now")
            .condition_expression("attribute_exists(liveness_shard) AND last_seen_at < :old")
            .expression_attribute_values(":now", n(now.as_ms()))
            .expression_attribute_values(":old", n(now.minus(limits::TOUCH).as_ms()))
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        match call.send().await {
            Ok(_) => Ok(Known::Yes),
            Err(error) => match error.as_service_error() {
                Some(aws_sdk_dynamodb::operation::update_item::UpdateItemError::ConditionalCheckFailedException(
                    failed,
                )) => Ok(known(failed.item())),
                _ => Err(translate(OPERATION, &error)),
            },
        }
    }

    async fn bury(&self, connection: &ConnectionId, now: Timestamp) -> Result<()> {
        let item = tombstone::to_item(connection, now);
        let call = self.client.put_item().table_name(&self.connections).set_item(Some(item));
        call.send().await.map(drop).map_err(|error| translate("DynamoDB PutItem (tombstone)", &error))
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

/// A condition on a connection's item failed: was it because it is not there, or because it was touched lately?
fn known(item: Option<&Item>) -> Known {
    match item {
        Some(item) if !item.is_empty() && !tombstone::is(item) => Known::Yes,
        _ => Known::No,
    }
}

/// The check, inside a transaction, that a connection lives.
pub(crate) fn alive(table: &str, connection: &ConnectionId) -> ConditionCheck {
    let check = ConditionCheck::builder()
        .table_name(table)
        .set_key(Some(keys::connection(connection)))
        .condition_expression("attribute_exists(liveness_shard)");
    // Cannot fail: every required member is set above.
    check.build().unwrap_or_else(|_| unreachable!())
}

/// Which conditions of a cancelled transaction did not hold, action by action; empty if it was not that.
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

//! Rates: that of a connection is on its item, that of a room on its head.

use aws_sdk_dynamodb::operation::update_item::builders::UpdateItemFluentBuilder;
use aws_sdk_dynamodb::operation::update_item::{UpdateItemError, UpdateItemOutput};
use aws_sdk_dynamodb::types::{ReturnValue, ReturnValuesOnConditionCheckFailure};
use domain::limits::{CONNECTION_RATE, TOUCH};
use domain::ports::{Charged, Charges, Connections, Known, Result, Standing};
use domain::{ConnectionId, RoomId, Timestamp};

use crate::attributes::{Item, Read, Unreadable, n};
use crate::conflicts::retry_conflicts;
use crate::errors::{translate, undone, unreadable};
use crate::items::{connection as connection_item, head as head_item, tombstone};
use crate::keys;
use crate::tables::Tables;

const CHARGE: &str = "DynamoDB UpdateItem (charge)";

/// The result of an update under a condition.
enum Update {
    /// The update was made: the item afterwards.
    Done(Item),
    /// The condition did not hold: the item as it is, empty if there is none.
    Not(Item),
}

impl Charges for Tables {
    /// Makes one write for a connection whose rate is free, and two inside a burst: an expression
    /// cannot compute the later of two times.
    async fn charge(&self, connection: &ConnectionId, count: u32, now: Timestamp) -> Result<Charged> {
        let unreadable = |error: Unreadable| unreadable(CHARGE, error);
        let item = match self.charge_quiet(connection, count, now).await? {
            Update::Done(item) => return self.granted(connection, &item, now).await,
            Update::Not(item) => item,
        };
        if item.is_empty() || tombstone::is(&item) {
            return Ok(Charged::Granted(Standing::Unknown));
        }
        let busy_until = connection_item::busy_until(&item).map_err(unreadable)?;
        if let Err(pause) = CONNECTION_RATE.charge(busy_until, count, now) {
            return Ok(Charged::TooSoon(pause));
        }
        match self.charge_busy(connection, count, now).await? {
            Update::Done(item) => self.granted(connection, &item, now).await,
            Update::Not(item) if item.is_empty() || tombstone::is(&item) => Ok(Charged::Granted(Standing::Unknown)),
            // Other requests were charged in between.
            Update::Not(item) => {
                let busy_until = connection_item::busy_until(&item).map_err(unreadable)?;
                let charged = CONNECTION_RATE.charge(busy_until, count, now);
                charged.map_or_else(|pause| Ok(Charged::TooSoon(pause)), |_| Err(undone(CHARGE, "its rate changed")))
            }
        }
    }

    async fn room_busy_until(&self, room: &RoomId) -> Result<Timestamp> {
        const OPERATION: &str = "DynamoDB GetItem (rate)";
        let call = self
            .client
            .get_item()
            .table_name(&self.rooms)
            .set_key(Some(keys::head(room)))
            .projection_expression(head_item::BUSY_UNTIL);
        let answer = call.send().await.map_err(|error| translate(OPERATION, &error))?;
        let item = answer.item.unwrap_or_default();
        head_item::busy_until(&item).map_err(|error| unreadable(OPERATION, error))
    }

    async fn note_room_busy(&self, room: &RoomId, until: Timestamp) -> Result<()> {
        let call = self
            .client
            .update_item()
            .table_name(&self.rooms)
            .set_key(Some(keys::head(room)))
            .update_expression("SET busy_until = :until")
            .condition_expression("attribute_exists(pk) AND (attribute_not_exists(busy_until) OR busy_until < :until)")
            .expression_attribute_values(":until", n(until.as_ms()));
        match retry_conflicts(|| call.clone().send()).await {
            Ok(_) => Ok(()),
            Err(error) if error.as_service_error().is_some_and(|e| e.is_conditional_check_failed_exception()) => Ok(()),
            Err(error) => Err(translate("DynamoDB UpdateItem (rate)", &error)),
        }
    }
}

impl Tables {
    /// Charges a connection whose rate is free.
    async fn charge_quiet(&self, connection: &ConnectionId, count: u32, now: Timestamp) -> Result<Update> {
        let until = now.plus(CONNECTION_RATE.takes(count));
        let call = self
            .charging(connection)
            .update_expression("SET busy_until = :until")
            .condition_expression(
                "attribute_exists(liveness_shard) AND (attribute_not_exists(busy_until) OR busy_until <= :now)",
            )
            .expression_attribute_values(":now", n(now.as_ms()))
            .expression_attribute_values(":until", n(until.as_ms()));
        outcome(retry_conflicts(|| call.clone().send()).await)
    }

    /// Charges a connection in the middle of a burst.
    async fn charge_busy(&self, connection: &ConnectionId, count: u32, now: Timestamp) -> Result<Update> {
        let takes_ms = u64::try_from(CONNECTION_RATE.takes(count).as_millis()).unwrap_or(u64::MAX);
        let call = self
            .charging(connection)
            .update_expression("SET busy_until = busy_until + :takes")
            .condition_expression("attribute_exists(liveness_shard) AND busy_until > :now AND busy_until <= :latest")
            .expression_attribute_values(":takes", n(takes_ms))
            .expression_attribute_values(":now", n(now.as_ms()))
            .expression_attribute_values(":latest", n(CONNECTION_RATE.latest(count, now).as_ms()));
        outcome(retry_conflicts(|| call.clone().send()).await)
    }

    fn charging(&self, connection: &ConnectionId) -> UpdateItemFluentBuilder {
        self.client
            .update_item()
            .table_name(&self.connections)
            .set_key(Some(keys::connection(connection)))
            .return_values(ReturnValue::AllNew)
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
    }

    /// Returns the identity of a connection that is alive and may publish. `last_seen_at` is a key
    /// of an index, so it is not moved with every publication.
    async fn granted(&self, connection: &ConnectionId, item: &Item, now: Timestamp) -> Result<Charged> {
        let unreadable = |error: Unreadable| unreadable(CHARGE, error);
        let seen_at = item.moment(keys::LAST_SEEN_AT).map_err(unreadable)?;
        if now.since(seen_at) > TOUCH
            && let Known::No = self.touch(connection, now).await?
        {
            return Ok(Charged::Granted(Standing::Unknown));
        }
        let renewed = connection_item::identity(item).map_err(unreadable)?;
        Ok(Charged::Granted(renewed.map_or(Standing::AsConnected, Standing::Renewed)))
    }
}

fn outcome(
    answer: std::result::Result<UpdateItemOutput, aws_sdk_dynamodb::error::SdkError<UpdateItemError>>,
) -> Result<Update> {
    let error = match answer {
        Ok(output) => return Ok(Update::Done(output.attributes.unwrap_or_default())),
        Err(error) => error,
    };
    match error.as_service_error() {
        Some(UpdateItemError::ConditionalCheckFailedException(failed)) => {
            Ok(Update::Not(failed.item().cloned().unwrap_or_default()))
        }
        _ => Err(translate(CHARGE, &error)),
    }
}

//! Rates: that of a connection is on its item, that of a user on an item of its own, that of a room
//! on its head.

use std::time::Duration;

use aws_sdk_dynamodb::operation::update_item::{UpdateItemError, UpdateItemOutput};
use aws_sdk_dynamodb::types::{AttributeValue, ReturnValue, ReturnValuesOnConditionCheckFailure};
use domain::limits::{CONNECTION_TTL, TOUCH};
use domain::ports::{Charged, Charges, Result, Standing};
use domain::{Charge, ConnectionId, Load, RoomId, Timestamp, UserId};

use crate::attributes::{Item, Read, Unreadable, n, s};
use crate::conflicts::retry_conflicts;
use crate::errors::{translate, undone, unreadable};
use crate::items::{connection as connection_item, head as head_item, tombstone};
use crate::keys;
use crate::tables::Tables;

const CHARGE: &str = "DynamoDB UpdateItem (charge)";
const CHARGE_USER: &str = "DynamoDB UpdateItem (charge of a user)";
/// The allowance is not used up by earlier charges.
const FREE: &str = "(attribute_not_exists(busy_until) OR busy_until <= :now)";
/// The allowance is used up in part, and the charge still fits.
const BUSY: &str = "busy_until > :now AND busy_until <= :latest";
/// Writes of one charge. Each but the first follows the state that the one before found, so the
/// third fails only if other requests changed the state twice in between.
const CHARGE_TRIES: u32 = 5;

/// The result of an update under a condition.
enum Update {
    /// The update was made: the item before it.
    Done(Item),
    /// The condition did not hold: the item as it is, empty if there is none.
    Not(Item),
}

/// A write of a charge. An expression cannot compute the later of two times, so the write depends
/// on the state of the item.
#[derive(Debug, Clone, Copy)]
struct Attempt {
    /// True if earlier charges still use up the allowance.
    is_busy: bool,
    /// True if traffic has to be recorded. `last_seen_at` is a key of an index, so it is not moved
    /// with every charge.
    records_traffic: bool,
}

impl Charges for Tables {
    /// Makes one write where the allowance is free and the traffic of the connection is recorded
    /// already (of a keep-alive: is not). Otherwise the first write shows the state of the item,
    /// and a second one suits it. Concurrent charges may need more.
    async fn charge(&self, connection: &ConnectionId, charge: Charge, now: Timestamp) -> Result<Charged> {
        let unreadable = |error: Unreadable| unreadable(CHARGE, error);
        let mut attempt = Attempt { is_busy: false, records_traffic: charge.is_keep_alive() };
        for _ in 0..CHARGE_TRIES {
            let item = match self.attempt(connection, charge, attempt, now).await? {
                Update::Done(item) => {
                    let renewed = connection_item::identity(&item).map_err(unreadable)?;
                    let before = connection_item::used_until(&item).map_err(unreadable)?;
                    return Ok(Charged::Granted(renewed.map_or(Standing::AsConnected, Standing::Renewed), before));
                }
                Update::Not(item) => item,
            };
            if item.is_empty() || tombstone::is(&item) {
                return Ok(Charged::Granted(Standing::Unknown, None));
            }
            let busy_until = connection_item::used_until(&item).map_err(unreadable)?.unwrap_or_default();
            if let Err(pause) = charge.apply(busy_until, now) {
                return Ok(Charged::TooSoon(pause));
            }
            let seen_at = item.moment(keys::LAST_SEEN_AT).map_err(unreadable)?;
            attempt = Attempt { is_busy: busy_until > now, records_traffic: now.since(seen_at) > TOUCH };
        }
        Err(undone(CHARGE, "other charges changed the rate of the connection with each try"))
    }

    /// Makes one write where the guess is right, and two otherwise. Concurrent charges may need
    /// more.
    async fn charge_user(
        &self,
        user: &UserId,
        charge: Charge,
        is_busy: bool,
        now: Timestamp,
    ) -> Result<Option<Duration>> {
        let unreadable = |error: Unreadable| unreadable(CHARGE_USER, error);
        let mut is_busy = is_busy;
        for _ in 0..CHARGE_TRIES {
            let Update::Not(item) = self.attempt_user(user, charge, is_busy, now).await? else { return Ok(None) };
            let busy_until = connection_item::used_until(&item).map_err(unreadable)?.unwrap_or_default();
            if let Err(pause) = charge.apply(busy_until, now) {
                return Ok(Some(pause));
            }
            is_busy = busy_until > now;
        }
        Err(undone(CHARGE_USER, "other charges changed the rate of the user with each try"))
    }

    async fn room_load(&self, room: &RoomId) -> Result<Load> {
        const OPERATION: &str = "DynamoDB GetItem (rate)";
        let call = self
            .client
            .get_item()
            .table_name(&self.rooms)
            .set_key(Some(keys::head(room)))
            .projection_expression(format!("{}, {}", head_item::BUSY_UNTIL, head_item::SHARES));
        let answer = call.send().await.map_err(|error| translate(OPERATION, &error))?;
        let item = answer.item.unwrap_or_default();
        head_item::load(&item).map_err(|error| unreadable(OPERATION, error))
    }

    async fn note_room_busy(&self, room: &RoomId, load: &Load) -> Result<()> {
        let call = self
            .client
            .update_item()
            .table_name(&self.rooms)
            .set_key(Some(keys::head(room)))
            .update_expression("SET busy_until = :until, used_by = :shares")
            .condition_expression("attribute_exists(pk) AND (attribute_not_exists(busy_until) OR busy_until < :until)")
            .expression_attribute_values(":shares", s(load.shares.to_text()))
            .expression_attribute_values(":until", n(load.busy_until.as_ms()));
        match retry_conflicts(|| call.clone().send()).await {
            Ok(_) => Ok(()),
            Err(error) if error.as_service_error().is_some_and(|e| e.is_conditional_check_failed_exception()) => Ok(()),
            Err(error) => Err(translate("DynamoDB UpdateItem (rate)", &error)),
        }
    }
}

impl Tables {
    /// Writes a charge, if the item is as the attempt supposes.
    async fn attempt(
        &self,
        connection: &ConnectionId,
        charge: Charge,
        attempt: Attempt,
        now: Timestamp,
    ) -> Result<Update> {
        let Attempt { is_busy, records_traffic } = attempt;
        let call = self
            .client
            .update_item()
            .table_name(&self.connections)
            .set_key(Some(keys::connection(connection)))
            .return_values(ReturnValue::AllOld)
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
            .expression_attribute_values(":now", n(now.as_ms()))
            .expression_attribute_values(":old", n(now.minus(TOUCH).as_ms()));
        let (charges, state, call) = if is_busy {
            let call = call
                .expression_attribute_values(":takes", milliseconds(charge))
                .expression_attribute_values(":latest", n(charge.latest(now).as_ms()));
            ("busy_until = busy_until + :takes", BUSY, call)
        } else {
            let call = call.expression_attribute_values(":until", n(now.plus(charge.takes()).as_ms()));
            ("busy_until = :until", FREE, call)
        };
        let (records, seen) = if records_traffic { (", last_seen_at = :now", "<") } else { ("", ">=") };
        let call = call
            .update_expression(format!("SET {charges}{records}"))
            .condition_expression(format!("attribute_exists(liveness_shard) AND {state} AND last_seen_at {seen} :old"));
        outcome(CHARGE, retry_conflicts(|| call.clone().send()).await)
    }

    /// Writes a charge of a user, if its item is as the guess supposes. An absent item is free.
    async fn attempt_user(&self, user: &UserId, charge: Charge, is_busy: bool, now: Timestamp) -> Result<Update> {
        let call = self
            .client
            .update_item()
            .table_name(&self.connections)
            .set_key(Some(keys::user_rate(user)))
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
            .expression_attribute_names("#ttl", keys::TTL)
            .expression_attribute_values(":ttl", n(now.plus(CONNECTION_TTL).as_s()))
            .expression_attribute_values(":now", n(now.as_ms()));
        let call = if is_busy {
            call.update_expression("SET busy_until = busy_until + :takes, #ttl = :ttl")
                .condition_expression(BUSY)
                .expression_attribute_values(":takes", milliseconds(charge))
                .expression_attribute_values(":latest", n(charge.latest(now).as_ms()))
        } else {
            call.update_expression("SET busy_until = :until, #ttl = :ttl")
                .condition_expression(FREE)
                .expression_attribute_values(":until", n(now.plus(charge.takes()).as_ms()))
        };
        outcome(CHARGE_USER, retry_conflicts(|| call.clone().send()).await)
    }
}

fn milliseconds(charge: Charge) -> AttributeValue {
    n(u64::try_from(charge.takes().as_millis()).unwrap_or(u64::MAX))
}

fn outcome(
    operation: &'static str,
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
        _ => Err(translate(operation, &error)),
    }
}

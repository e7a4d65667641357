//! Holds of rooms, each in a separate item of the rooms table, and the rates of rooms, which are in
//! their heads.

use std::collections::HashMap;

use aws_sdk_dynamodb::operation::update_item::builders::UpdateItemFluentBuilder;
use aws_sdk_dynamodb::types::ReturnValue;
use domain::ports::{Charges, Holds, Result};
use domain::{Hold, Intake, RoomId, Timestamp, limits};
use futures::future::{join, join_all};

use crate::attributes::{Item, Read, Unreadable, n};
use crate::errors::{translate, undone, unreadable};
use crate::items::{head as head_item, hold as hold_item};
use crate::keys;
use crate::tables::{Reading, Tables};

const HOLDS: &str = "DynamoDB BatchGetItem (holds)";
const RATES: &str = "DynamoDB BatchGetItem (rates)";
const HOLD: &str = "DynamoDB UpdateItem (hold)";
/// Attempts to hold a room. The stored hold may have ended at one attempt, and another function may
/// have begun a new one before the next.
const HOLD_TRIES: usize = 3;

impl Holds for Tables {
    async fn intakes(&self, rooms: &[RoomId]) -> Result<HashMap<RoomId, Intake>> {
        let (holds, busy) = join(self.holds(rooms), self.busy(rooms)).await;
        let (holds, busy) = (holds?, busy?);
        let intake = |room: &RoomId| Intake { busy_until: busy.get(room).copied(), hold: holds.get(room).copied() };
        Ok(rooms.iter().map(|room| (room.clone(), intake(room))).collect())
    }

    async fn hold(&self, room: &RoomId, count: u32, now: Timestamp) -> Result<u64> {
        let goes_on = "attribute_not_exists(held_until) OR held_until > :now";
        let add = "SET held_until = :until, #ttl = :ttl, began = if_not_exists(began, :now), \
                   numbered = if_not_exists(numbered, :none) + :count";
        let anew = "SET held_until = :until, #ttl = :ttl, began = :now, numbered = :count REMOVE passed, released";
        for _ in 0..HOLD_TRIES {
            let adding = self.holding(room, count, now).update_expression(add).condition_expression(goes_on);
            let adding = adding.expression_attribute_values(":none", n(0_u64));
            if let Some(numbered) = numbered(adding).await? {
                return Ok(numbered);
            }
            let beginning = self.holding(room, count, now).update_expression(anew);
            if let Some(numbered) = numbered(beginning.condition_expression("held_until <= :now")).await? {
                return Ok(numbered);
            }
        }
        Err(undone(HOLD, "the hold changed at each try"))
    }

    async fn pass_gate(&self, room: &RoomId, began: Timestamp) -> Result<()> {
        let call = self.update_hold(room).update_expression("SET passed = :began");
        let call = call.condition_expression("began = :began");
        unless_changed(call.expression_attribute_values(":began", n(began.as_ms())), "DynamoDB UpdateItem (gate)").await
    }

    async fn release(&self, room: &RoomId, through: u64) -> Result<()> {
        let call = self
            .update_hold(room)
            .update_expression("SET released = :through")
            .condition_expression("attribute_exists(pk) AND (attribute_not_exists(released) OR released < :through)");
        unless_changed(call.expression_attribute_values(":through", n(through)), "DynamoDB UpdateItem (release)").await
    }
}

impl Tables {
    async fn holds(&self, rooms: &[RoomId]) -> Result<HashMap<RoomId, Hold>> {
        let items = self.batch_get(HOLDS, &self.rooms, rooms.iter().map(keys::hold).collect()).await?;
        let hold = |item: &Item| Ok((keys::parse_hold_pk(item)?, hold_item::from_item(item)?));
        let holds: std::result::Result<_, Unreadable> = items.iter().map(hold).collect();
        holds.map_err(|error| unreadable(HOLDS, error))
    }

    /// Reads the time until which each room is busy. Leaves out rooms whose head cannot be read
    /// now. If one call for all rooms fails, each room is read by itself.
    async fn busy(&self, rooms: &[RoomId]) -> Result<HashMap<RoomId, Timestamp>> {
        let wanted = rooms.iter().map(keys::head).collect();
        let attributes = Reading::Attributes(&[keys::PK, head_item::BUSY_UNTIL]);
        match self.batch_read(RATES, &self.rooms, wanted, attributes).await {
            Ok(items) => {
                let busy = |item: &Item| Ok((keys::parse_head_pk(item)?, head_item::busy_until(item)?));
                let known: std::result::Result<HashMap<_, _>, Unreadable> = items.iter().map(busy).collect();
                let known = known.map_err(|error| unreadable(RATES, error))?;
                let until = |room: &RoomId| known.get(room).copied().unwrap_or_default();
                Ok(rooms.iter().map(|room| (room.clone(), until(room))).collect())
            }
            Err(error) if error.is_transient() => {
                let reads = rooms
                    .iter()
                    .map(|room| async { Some((room.clone(), self.room_load(room).await.ok()?.busy_until)) });
                Ok(join_all(reads).await.into_iter().flatten().collect())
            }
            Err(error) => Err(error),
        }
    }

    fn update_hold(&self, room: &RoomId) -> UpdateItemFluentBuilder {
        self.client.update_item().table_name(&self.rooms).set_key(Some(keys::hold(room)))
    }

    fn holding(&self, room: &RoomId, count: u32, now: Timestamp) -> UpdateItemFluentBuilder {
        let until = now.plus(limits::HOLD_LIFE);
        self.update_hold(room)
            .return_values(ReturnValue::UpdatedNew)
            .expression_attribute_names("#ttl", keys::TTL)
            .expression_attribute_values(":now", n(now.as_ms()))
            .expression_attribute_values(":until", n(until.as_ms()))
            .expression_attribute_values(":ttl", n(until.as_s()))
            .expression_attribute_values(":count", n(count))
    }
}

/// The number of the last held publication after an update; `None` if its condition did not hold.
async fn numbered(call: UpdateItemFluentBuilder) -> Result<Option<u64>> {
    match call.send().await {
        Ok(answer) => {
            let item: Item = answer.attributes.unwrap_or_default();
            item.number(hold_item::NUMBERED).map(Some).map_err(|error| unreadable(HOLD, error))
        }
        Err(error) if error.as_service_error().is_some_and(|e| e.is_conditional_check_failed_exception()) => Ok(None),
        Err(error) => Err(translate(HOLD, &error)),
    }
}

async fn unless_changed(call: UpdateItemFluentBuilder, operation: &'static str) -> Result<()> {
    match call.send().await {
        Ok(_) => Ok(()),
        Err(error) if error.as_service_error().is_some_and(|e| e.is_conditional_check_failed_exception()) => Ok(()),
        Err(error) => Err(translate(operation, &error)),
    }
}

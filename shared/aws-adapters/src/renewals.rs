//! Renewed and expired tokens of live connections, in the connections table.

use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_sdk_dynamodb::types::builders::UpdateBuilder;
use aws_sdk_dynamodb::types::{AttributeValue, ReturnValuesOnConditionCheckFailure, TransactWriteItem, Update};
use domain::ports::{Exchanged, Expiries, Lapsed, Renewals, Result};
use domain::{ConnectionId, Extension, Holding, Identity, RoomId, Timestamp, limits, renewal_pause};
use protocol::context::identity_text;

use crate::attributes::{Item, n, s};
use crate::conflicts::retry_conflicts;
use crate::connections::{alive_until, failed_conditions};
use crate::errors::{translate, undone, unreadable};
use crate::items::connection as connection_item;
use crate::items::member;
use crate::keys;
use crate::tables::Tables;

/// Memberships that are extended at once: a transaction takes 100 actions, and one is the check of
/// the connection.
const EXTENDED_AT_ONCE: usize = 99;

impl Renewals for Tables {
    async fn renew(&self, connection: &ConnectionId, identity: &Identity, now: Timestamp) -> Result<Exchanged> {
        const OPERATION: &str = "DynamoDB UpdateItem (renew)";
        let call = self
            .client
            .update_item()
            .table_name(&self.connections)
            .set_key(Some(keys::connection(connection)))
            .condition_expression(
                "attribute_exists(liveness_shard) \
                 AND (attribute_not_exists(renewed_at) OR renewed_at <= :before OR renewed_at > :now)",
            )
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
            .expression_attribute_values(":before", n(now.minus(limits::RENEWAL_PAUSE).as_ms()))
            .expression_attribute_values(":now", n(now.as_ms()))
            .expression_attribute_names("#identity", connection_item::IDENTITY)
            .expression_attribute_values(":identity", s(identity_text(identity)));
        let (device, call) = match &identity.device {
            Some(device) => {
                let call = call.expression_attribute_names("#device", connection_item::DEVICE);
                (", #device = :device", call.expression_attribute_values(":device", s(device.as_ref())))
            }
            None => ("", call),
        };
        let (mut set, mut remove) = (format!("#identity = :identity, renewed_at = :now{device}"), Vec::new());
        let call = match identity.expires_at {
            Some(at) => {
                set.push_str(", expires_at = :expires_at");
                call.expression_attribute_values(":expires_at", n(at.as_ms()))
            }
            None => {
                remove.push("expires_at");
                call
            }
        };
        let call = if identity.sees_all_members() {
            set.push_str(", sees_members = :sees_members");
            call.expression_attribute_values(":sees_members", AttributeValue::Bool(true))
        } else {
            remove.push(member::SEES_MEMBERS);
            call
        };
        let call = match &identity.stamp.id {
            Some(id) => {
                set.push_str(", token_id = :token_id");
                call.expression_attribute_values(":token_id", s(id.as_ref()))
            }
            None => {
                remove.push(connection_item::TOKEN_ID);
                call
            }
        };
        let call = match identity.stamp.issued_at {
            Some(at) => {
                set.push_str(", issued_at = :issued_at");
                call.expression_attribute_values(":issued_at", n(at.as_ms()))
            }
            None => {
                remove.push(connection_item::ISSUED_AT);
                call
            }
        };
        let remove = if remove.is_empty() { String::new() } else { format!(" REMOVE {}", remove.join(", ")) };
        let call = call.update_expression(format!("SET {set}{remove}"));
        let Err(error) = retry_conflicts(|| call.clone().send()).await else { return Ok(Exchanged::Stored) };
        let Some(UpdateItemError::ConditionalCheckFailedException(failed)) = error.as_service_error() else {
            return Err(translate(OPERATION, &error));
        };
        let item = failed.item().cloned().unwrap_or_default();
        let renewed_at = connection_item::renewed_at(&item).map_err(|error| unreadable(OPERATION, error))?;
        Ok(renewal_pause(renewed_at, now).map_or(Exchanged::NotConnected, Exchanged::TooSoon))
    }

    async fn holdings(&self, connection: &ConnectionId) -> Result<Vec<Holding>> {
        const OPERATION: &str = "DynamoDB Query (holdings)";
        let mut holdings = Vec::new();
        let mut start: Option<Item> = None;
        loop {
            let call =
                self.memberships_of(connection).projection_expression(member::HELD).set_exclusive_start_key(start);
            let answer = call.send().await.map_err(|error| translate(OPERATION, &error))?;
            for item in answer.items() {
                holdings.push(member::holding(item).map_err(|error| unreadable(OPERATION, error))?);
            }
            start = answer.last_evaluated_key;
            if start.is_none() {
                return Ok(holdings);
            }
        }
    }

    async fn extend(
        &self,
        connection: &ConnectionId,
        extensions: &[Extension],
        expires_at: Option<Timestamp>,
    ) -> Result<Vec<RoomId>> {
        let mut not_extended = Vec::new();
        let extensions: Vec<&Extension> = extensions.iter().filter(|extension| !extension.room.is_everyone()).collect();
        for mut chunk in extensions.chunks(EXTENDED_AT_ONCE).map(<[_]>::to_vec) {
            while !chunk.is_empty() {
                let missing = self.extend_all(connection, &chunk, expires_at).await?.unwrap_or(chunk.clone());
                if missing.is_empty() {
                    break;
                }
                chunk.retain(|extension| !missing.contains(extension));
                not_extended.extend(missing.into_iter().map(|extension| extension.room.clone()));
            }
        }
        Ok(not_extended)
    }
}

impl Expiries for Tables {
    async fn expired(&self, shard: u16, now: Timestamp, limit: usize) -> Result<Vec<Lapsed>> {
        const OPERATION: &str = "DynamoDB Query (by_expiry)";
        let mut lapsed = Vec::new();
        let mut start: Option<Item> = None;
        while lapsed.len() < limit {
            let call = self
                .client
                .query()
                .table_name(&self.connections)
                .index_name(keys::BY_EXPIRY)
                .key_condition_expression("liveness_shard = :shard AND expires_at <= :now")
                .expression_attribute_values(":shard", s(keys::liveness(shard)))
                .expression_attribute_values(":now", n(now.as_ms()))
                .limit(i32::try_from(limit - lapsed.len()).unwrap_or(i32::MAX))
                .set_exclusive_start_key(start);
            let answer = call.send().await.map_err(|error| translate(OPERATION, &error))?;
            for item in answer.items() {
                lapsed.push(connection_item::lapsed(item).map_err(|error| unreadable(OPERATION, error))?);
            }
            start = answer.last_evaluated_key;
            if start.is_none() {
                break;
            }
        }
        Ok(lapsed)
    }
}

/// Sets the terms of a membership.
fn extended(update: UpdateBuilder, expires_at: Option<Timestamp>, sees_members: bool) -> UpdateBuilder {
    let update = update.update_expression(match (expires_at, sees_members) {
        (Some(_), true) => "SET expires_at = :expires_at, sees_members = :sees_members",
        (Some(_), false) => "SET expires_at = :expires_at REMOVE sees_members",
        (None, true) => "SET sees_members = :sees_members REMOVE expires_at",
        (None, false) => "REMOVE expires_at, sees_members",
    });
    let update = match expires_at {
        Some(at) => update.expression_attribute_values(":expires_at", n(at.as_ms())),
        None => update,
    };
    if sees_members { update.expression_attribute_values(":sees_members", AttributeValue::Bool(true)) } else { update }
}

impl Tables {
    /// Extends all of these memberships or none. Returns those whose membership is missing, or
    /// `None` if the connection's token is no longer this one.
    async fn extend_all<'a>(
        &self,
        connection: &ConnectionId,
        extensions: &[&'a Extension],
        expires_at: Option<Timestamp>,
    ) -> Result<Option<Vec<&'a Extension>>> {
        const OPERATION: &str = "DynamoDB TransactWriteItems (extend)";
        let check = alive_until(&self.connections, connection, expires_at).map_err(|error| undone(OPERATION, error))?;
        let mut call = self
            .client
            .transact_write_items()
            .transact_items(TransactWriteItem::builder().condition_check(check).build());
        for Extension { room, sees_members } in extensions {
            let update = Update::builder()
                .table_name(&self.connections)
                .set_key(Some(keys::membership(connection, room)))
                .condition_expression("attribute_exists(pk)");
            let update =
                extended(update, expires_at, *sees_members).build().map_err(|error| undone(OPERATION, error))?;
            call = call.transact_items(TransactWriteItem::builder().update(update).build());
        }
        let Err(error) = retry_conflicts(|| call.clone().send()).await else { return Ok(Some(Vec::new())) };
        match failed_conditions(error.as_service_error()).split_first() {
            Some((true, _)) => Ok(None),
            Some((false, members)) if members.contains(&true) => {
                let missing = extensions.iter().zip(members).filter(|(_, missing)| **missing);
                Ok(Some(missing.map(|(extension, _)| *extension).collect()))
            }
            _ => Err(translate(OPERATION, &error)),
        }
    }
}

//! The memberships, in the connections table.

use aws_sdk_dynamodb::operation::put_item::PutItemError;
use aws_sdk_dynamodb::operation::query::builders::QueryFluentBuilder;
use aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError;
use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_sdk_dynamodb::types::{
    AttributeValue, CancellationReason, DeleteRequest, Put, ReturnValuesOnConditionCheckFailure, Select,
    TransactWriteItem, WriteRequest,
};
use domain::limits::{CONFLICT_TRIES, TRANSACTION_ACTIONS};
use domain::ports::{Error, Joined, Memberships, Page, Result};
use domain::{ConnectionId, Member, Membership, RoomId, Shard};
use futures::future::join_all;
use futures::{StreamExt, TryStreamExt, stream};

use crate::attributes::{Item, n, s};
use crate::conflicts::{pause_after_conflict, retry_conflicts};
use crate::errors::{translate, undone, unreadable};
use crate::items::{member, tombstone};
use crate::keys;
use crate::tables::Tables;

/// Requests that one `BatchWriteItem` takes.
const WRITES_PER_BATCH: usize = 25;
/// Deletes of single memberships that are made at the same time.
const DELETES_AT_ONCE: usize = 16;

impl Memberships for Tables {
    async fn join(&self, memberships: &[Membership]) -> Vec<Result<Joined>> {
        match memberships {
            [membership] => vec![self.join_one(membership).await],
            memberships => self.join_all(memberships).await,
        }
    }

    async fn take_back(&self, memberships: &[Membership]) -> Result<()> {
        let deletes: Vec<_> = memberships.iter().map(|membership| self.delete_unless_extended(membership)).collect();
        stream::iter(deletes).buffer_unordered(DELETES_AT_ONCE).try_collect().await
    }

    async fn leave(&self, connection: &ConnectionId, rooms: &[RoomId]) -> Result<()> {
        let rooms: Vec<&RoomId> = rooms.iter().filter(|room| !room.is_everyone()).collect();
        for rooms in rooms.chunks(WRITES_PER_BATCH) {
            self.delete(rooms.iter().map(|room| keys::membership(connection, room)).collect()).await?;
        }
        Ok(())
    }

    async fn rooms_of(&self, connection: &ConnectionId) -> Result<Vec<RoomId>> {
        const OPERATION: &str = "DynamoDB Query (memberships)";
        let mut rooms = Vec::new();
        let mut start: Option<Item> = None;
        loop {
            let call = self.memberships_of(connection).projection_expression("sk").set_exclusive_start_key(start);
            let answer = call.send().await.map_err(|error| translate(OPERATION, &error))?;
            for item in answer.items() {
                rooms.push(keys::parse_room_key(item, keys::SK).map_err(|error| unreadable(OPERATION, error))?);
            }
            start = answer.last_evaluated_key;
            if start.is_none() {
                return Ok(rooms);
            }
        }
    }

    async fn page(&self, room: &RoomId, shard: Shard, after: Option<&ConnectionId>) -> Result<Page> {
        const OPERATION: &str = "DynamoDB Query (by_room)";
        let start = after.map(|after| keys::by_room_start(room, shard, after));
        let call = self.by_room(room, shard).set_exclusive_start_key(start);
        let answer = call.send().await.map_err(|error| translate(OPERATION, &error))?;
        let members = answer.items().iter().filter_map(|item| readable(room, item)).collect();
        let next = answer.last_evaluated_key().map(|key| keys::parse_connection_pk(key, keys::PK)).transpose();
        Ok(Page { members, next: next.map_err(|error| unreadable(OPERATION, error))? })
    }

    async fn count(&self, room: &RoomId, shard: Shard) -> Result<u64> {
        const OPERATION: &str = "DynamoDB Query (count by_room)";
        let (mut count, mut start) = (0, None);
        loop {
            let call = self.by_room(room, shard).select(Select::Count).set_exclusive_start_key(start);
            let answer = call.send().await.map_err(|error| translate(OPERATION, &error))?;
            count += u64::try_from(answer.count()).unwrap_or_default();
            start = answer.last_evaluated_key;
            if start.is_none() {
                return Ok(count);
            }
        }
    }

    async fn members_among(&self, room: &RoomId, connections: &[ConnectionId]) -> Result<Vec<Member>> {
        const OPERATION: &str = "DynamoDB BatchGetItem (memberships)";
        let wanted = connections.iter().map(|connection| keys::membership(connection, room)).collect();
        let items = self.batch_get(OPERATION, &self.connections, wanted).await?;
        Ok(items.iter().filter(|item| !tombstone::is(item)).filter_map(|item| readable(room, item)).collect())
    }
}

impl Tables {
    async fn join_one(&self, membership: &Membership) -> Result<Joined> {
        const OPERATION: &str = "DynamoDB PutItem (join)";
        let call = self
            .client
            .put_item()
            .table_name(&self.connections)
            .set_item(Some(member::membership(membership)))
            .condition_expression("attribute_not_exists(pk)")
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        match retry_conflicts(|| call.clone().send()).await {
            Ok(_) => Ok(Joined::New),
            Err(error) => match error.as_service_error() {
                Some(PutItemError::ConditionalCheckFailedException(failed)) => {
                    let stands = failed.item().cloned().unwrap_or_default();
                    self.joined_before(OPERATION, membership, &stands).await
                }
                _ => Err(translate(OPERATION, &error)),
            },
        }
    }

    /// Makes one transaction, and another one for the rest if some memberships exist already or
    /// cannot be written.
    async fn join_all(&self, memberships: &[Membership]) -> Vec<Result<Joined>> {
        let mut outcomes: Vec<Option<Result<Joined>>> = memberships.iter().map(|_| None).collect();
        loop {
            let left: Vec<usize> = (0..memberships.len()).filter(|at| outcomes[*at].is_none()).collect();
            for chunk in left.chunks(TRANSACTION_ACTIONS) {
                let chosen: Vec<&Membership> = chunk.iter().map(|at| &memberships[*at]).collect();
                for (at, outcome) in chunk.iter().zip(self.join_in_transaction(&chosen).await) {
                    outcomes[*at] = outcome;
                }
            }
            if outcomes.iter().all(Option::is_some) {
                return outcomes.into_iter().flatten().collect();
            }
        }
    }

    /// Stores all of these memberships or none. After a cancelled transaction, only the memberships
    /// that cancelled it have a result.
    async fn join_in_transaction(&self, memberships: &[&Membership]) -> Vec<Option<Result<Joined>>> {
        const OPERATION: &str = "DynamoDB TransactWriteItems (join)";
        let mut call = self.client.transact_write_items();
        for membership in memberships {
            let put = Put::builder()
                .table_name(&self.connections)
                .set_item(Some(member::membership(membership)))
                .condition_expression("attribute_not_exists(pk)")
                .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
                .build();
            match put {
                Ok(put) => call = call.transact_items(TransactWriteItem::builder().put(put).build()),
                Err(error) => return memberships.iter().map(|_| Some(Err(undone(OPERATION, &error)))).collect(),
            }
        }
        let error = match retry_conflicts(|| call.clone().send()).await {
            Ok(_) => return memberships.iter().map(|_| Some(Ok(Joined::New))).collect(),
            Err(error) => error,
        };
        let reasons: Vec<CancellationReason> = match error.as_service_error() {
            Some(TransactWriteItemsError::TransactionCanceledException(cancelled)) => {
                cancelled.cancellation_reasons().to_vec()
            }
            _ => Vec::new(),
        };
        let is_decided = |code: &str| !matches!(code, "None" | "TransactionConflict");
        if !reasons.iter().filter_map(|reason| reason.code()).any(is_decided) {
            return memberships.iter().map(|_| Some(Err(translate(OPERATION, &error)))).collect();
        }
        let outcomes = memberships.iter().zip(&reasons).map(|(membership, reason)| async move {
            match reason.code() {
                None | Some("None" | "TransactionConflict") => None,
                Some("ConditionalCheckFailed") => {
                    let stands = reason.item().cloned().unwrap_or_default();
                    Some(self.joined_before(OPERATION, membership, &stands).await)
                }
                Some("ThrottlingError" | "ProvisionedThroughputExceeded") => {
                    Some(Err(Error::Throttled { operation: OPERATION }))
                }
                Some(code) => Some(Err(undone(OPERATION, code))),
            }
        });
        join_all(outcomes).await
    }

    /// Returns the result of a join whose membership exists already.
    async fn joined_before(&self, operation: &'static str, membership: &Membership, stands: &Item) -> Result<Joined> {
        let joined = member::joined_before(stands).map_err(|error| unreadable(operation, error))?;
        self.grant(membership).await.map(|()| joined)
    }

    async fn delete_unless_extended(&self, membership: &Membership) -> Result<()> {
        let call = self
            .client
            .delete_item()
            .table_name(&self.connections)
            .set_key(Some(keys::membership(&membership.member.connection, &membership.room)));
        let call = match membership.member.expires_at {
            Some(at) => call
                .condition_expression("expires_at = :expires_at AND attribute_not_exists(granted)")
                .expression_attribute_values(":expires_at", n(at.as_ms())),
            None => call.condition_expression("attribute_not_exists(expires_at) AND attribute_not_exists(granted)"),
        };
        match retry_conflicts(|| call.clone().send()).await {
            Ok(_) => Ok(()),
            Err(error) if error.as_service_error().is_some_and(|e| e.is_conditional_check_failed_exception()) => Ok(()),
            Err(error) => Err(translate("DynamoDB DeleteItem (take back)", &error)),
        }
    }

    /// Queries the memberships of a connection consistently.
    pub(crate) fn memberships_of(&self, connection: &ConnectionId) -> QueryFluentBuilder {
        self.client
            .query()
            .table_name(&self.connections)
            .key_condition_expression("pk = :pk AND begins_with(sk, :room)")
            .expression_attribute_values(":pk", s(keys::connection_pk(connection)))
            .expression_attribute_values(":room", s("ROOM#"))
            .consistent_read(true)
    }

    /// Marks an existing membership as granted, if the new one is. A membership that was left
    /// meanwhile is not created.
    async fn grant(&self, membership: &Membership) -> Result<()> {
        if !membership.granted {
            return Ok(());
        }
        let call = self
            .client
            .update_item()
            .table_name(&self.connections)
            .set_key(Some(keys::membership(&membership.member.connection, &membership.room)))
            .update_expression("SET granted = :granted")
            .condition_expression("attribute_exists(pk)")
            .expression_attribute_values(":granted", AttributeValue::Bool(true));
        match retry_conflicts(|| call.clone().send()).await {
            Ok(_) => Ok(()),
            Err(error) => match error.as_service_error() {
                Some(UpdateItemError::ConditionalCheckFailedException(_)) => Ok(()),
                _ => Err(translate("DynamoDB UpdateItem (grant)", &error)),
            },
        }
    }

    fn by_room(&self, room: &RoomId, shard: Shard) -> QueryFluentBuilder {
        self.client
            .query()
            .table_name(&self.connections)
            .index_name(keys::BY_ROOM)
            .key_condition_expression("room_shard = :shard")
            .expression_attribute_values(":shard", s(keys::room_shard(room, shard)))
    }

    async fn delete(&self, keys: Vec<Item>) -> Result<()> {
        const OPERATION: &str = "DynamoDB BatchWriteItem (leave)";
        let request = |key| DeleteRequest::builder().set_key(Some(key)).build();
        let requests: std::result::Result<Vec<_>, _> = keys.into_iter().map(request).collect();
        let requests = requests.map_err(|error| undone(OPERATION, error))?;
        let mut rest: Vec<_> =
            requests.into_iter().map(|delete| WriteRequest::builder().delete_request(delete).build()).collect();
        for round in 0..CONFLICT_TRIES {
            if round > 0 {
                pause_after_conflict().await;
            }
            let answer = self.client.batch_write_item().request_items(&self.connections, rest).send().await;
            let answer = answer.map_err(|error| translate(OPERATION, &error))?;
            rest = answer.unprocessed_items.unwrap_or_default().remove(&self.connections).unwrap_or_default();
            if rest.is_empty() {
                return Ok(());
            }
        }
        Err(undone(OPERATION, format_args!("{} deletes stayed unprocessed", rest.len())))
    }
}

/// Reads a member of a page. One unreadable item must not keep deliveries from the other members.
fn readable(room: &RoomId, item: &Item) -> Option<Member> {
    let member = member::from_item(item);
    member
        .inspect_err(
            |error| tracing::error!(room.id = %room, error = %error, "could not read a membership; deliveries skip it"),
        )
        .ok()
}

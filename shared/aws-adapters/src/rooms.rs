//! Heads, logs and dedupe rows of rooms, and the progress of their shards, in the rooms table.

use std::collections::{HashMap, HashSet};

use aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError;
use aws_sdk_dynamodb::types::{AttributeValue, Put, TransactWriteItem, Update};
use domain::ports::{Appended, Result, Rooms};
use domain::{
    Append, DedupeKey, Epoch, Head, Origin, Position, Publication, Range, Remembered, RoomId, Sequence, Shard, Shards,
    Timestamp,
};

use crate::attributes::{Item, Read, Unreadable, n, s};
use crate::conflicts::retry_conflicts;
use crate::errors::{translate, undone, unreadable};
use crate::items::{dedupe, delivered as delivered_item, head as head_item, log_row};
use crate::keys;
use crate::tables::Tables;

impl Rooms for Tables {
    async fn head(&self, room: &RoomId) -> Result<Option<Head>> {
        const OPERATION: &str = "DynamoDB GetItem (head)";
        let item = self.get(OPERATION, &self.rooms, keys::head(room)).await?;
        item.map(|item| self.read_head(&item).map_err(|error| unreadable(OPERATION, error))).transpose()
    }

    async fn heads(&self, rooms: &[RoomId]) -> Result<HashMap<RoomId, Head>> {
        const OPERATION: &str = "DynamoDB BatchGetItem (heads)";
        let wanted = rooms.iter().map(keys::head).collect();
        let read = |item: &Item| Ok((keys::parse_head_pk(item)?, self.read_head(item)?));
        let items = self.batch_get(OPERATION, &self.rooms, wanted).await?;
        let heads: std::result::Result<_, Unreadable> = items.iter().map(read).collect();
        heads.map_err(|error| unreadable(OPERATION, error))
    }

    async fn create(&self, room: &RoomId, epoch: &Epoch, now: Timestamp) -> Result<Head> {
        const OPERATION: &str = "DynamoDB PutItem (head)";
        let head = Head::new(room, epoch.clone()).created(self.generation, now);
        let call = self
            .client
            .put_item()
            .table_name(&self.rooms)
            .set_item(Some(head_item::to_item(room, &head)))
            .condition_expression("attribute_not_exists(pk)");
        match retry_conflicts(|| call.clone().send()).await {
            Ok(_) => Ok(head),
            Err(error) if error.as_service_error().is_some_and(|e| e.is_conditional_check_failed_exception()) => {
                self.head(room).await?.ok_or_else(|| undone(OPERATION, "the head was removed meanwhile"))
            }
            Err(error) => Err(translate(OPERATION, &error)),
        }
    }

    async fn keep(&self, room: &RoomId, now: Timestamp) -> Result<()> {
        let call = self
            .client
            .update_item()
            .table_name(&self.rooms)
            .set_key(Some(keys::head(room)))
            .update_expression("SET #ttl = :ttl")
            .condition_expression("attribute_exists(pk) AND #ttl < :ttl")
            .expression_attribute_names("#ttl", keys::TTL)
            .expression_attribute_values(":ttl", n(Head::life_from(now).as_s()));
        match retry_conflicts(|| call.clone().send()).await {
            Ok(_) => Ok(()),
            Err(error) if error.as_service_error().is_some_and(|e| e.is_conditional_check_failed_exception()) => Ok(()),
            Err(error) => Err(translate("DynamoDB UpdateItem (keep)", &error)),
        }
    }

    async fn grow(&self, room: &RoomId, from: Shards, to: Shards) -> Result<()> {
        let call = self
            .client
            .update_item()
            .table_name(&self.rooms)
            .set_key(Some(keys::head(room)))
            .update_expression("SET shards = :to")
            .condition_expression("shards = :from")
            .expression_attribute_values(":from", n(from.get()))
            .expression_attribute_values(":to", n(to.get()));
        match retry_conflicts(|| call.clone().send()).await {
            Ok(_) => Ok(()),
            Err(error) if error.as_service_error().is_some_and(|e| e.is_conditional_check_failed_exception()) => Ok(()),
            Err(error) => Err(translate("DynamoDB UpdateItem (grow)", &error)),
        }
    }

    async fn known(&self, keys: &[DedupeKey]) -> Result<HashMap<DedupeKey, Remembered>> {
        const OPERATION: &str = "DynamoDB BatchGetItem (dedupe)";
        let by_pk: HashMap<AttributeText, &DedupeKey> =
            keys.iter().map(|key| (pk_text(&keys::dedupe(key)), key)).collect();
        let wanted = by_pk.values().map(|key| keys::dedupe(key)).collect();
        let items = self.batch_get(OPERATION, &self.rooms, wanted).await?;
        let known = items.iter().filter_map(|item| Some(((*by_pk.get(&pk_text(item))?).clone(), item)));
        let read = known.map(|(key, item)| dedupe::from_item(item).map(|remembered| (key, remembered)));
        let known: std::result::Result<_, Unreadable> = read.collect();
        known.map_err(|error| unreadable(OPERATION, error))
    }

    async fn logged(&self, room: &RoomId, positions: &[Position]) -> Result<HashSet<Position>> {
        const OPERATION: &str = "DynamoDB BatchGetItem (logged)";
        let wanted: HashMap<String, &Position> =
            positions.iter().map(|position| (keys::log_sk(&position.epoch, position.sequence), position)).collect();
        let keys = wanted.values().map(|position| keys::log(room, position)).collect();
        let items = self.batch_get(OPERATION, &self.rooms, keys).await?;
        let position = |item: &Item| wanted.get(item.maybe_text(keys::SK)?).map(|position| (*position).clone());
        Ok(items.iter().filter_map(position).collect())
    }

    async fn forget_ids(&self, ids: &HashMap<DedupeKey, Remembered>) -> Result<()> {
        for (key, Remembered { position, .. }) in ids {
            let call = self
                .client
                .delete_item()
                .table_name(&self.rooms)
                .set_key(Some(keys::dedupe(key)))
                .condition_expression("epoch = :epoch AND seq = :seq")
                .expression_attribute_values(":epoch", s(position.epoch.as_str()))
                .expression_attribute_values(":seq", n(position.sequence.get()));
            match retry_conflicts(|| call.clone().send()).await {
                Ok(_) => {}
                Err(error) if error.as_service_error().is_some_and(|e| e.is_conditional_check_failed_exception()) => {}
                Err(error) => return Err(translate("DynamoDB DeleteItem (dedupe)", &error)),
            }
        }
        Ok(())
    }

    async fn append(&self, append: &Append) -> Result<Appended> {
        const OPERATION: &str = "DynamoDB TransactWriteItems (append)";
        let mut actions = vec![self.write_head(append).map_err(|error| undone(OPERATION, error))?];
        for (publication, key) in &append.publications {
            let row = log_row::to_item(&append.room, publication);
            let (position, sequenced_at) = (publication.position.clone(), publication.sequenced_at);
            let remembered = dedupe::to_item(key, &Remembered { position, sequenced_at });
            for item in [row, remembered] {
                actions.push(self.put_new(item).map_err(|error| undone(OPERATION, error))?);
            }
        }
        let call = self.client.transact_write_items().set_transact_items(Some(actions));
        match retry_conflicts(|| call.clone().send()).await {
            Ok(_) => Ok(Appended::Stored),
            Err(error) => found_instead(error.as_service_error()).ok_or_else(|| translate(OPERATION, &error)),
        }
    }

    async fn mark_sent(&self, room: &RoomId, epoch: &Epoch, through: Sequence, now: Timestamp) -> Result<()> {
        let call = self
            .client
            .update_item()
            .table_name(&self.rooms)
            .set_key(Some(keys::head(room)))
            .update_expression("SET sent = :through, sent_at = :now")
            .condition_expression("epoch = :epoch AND sent < :through")
            .expression_attribute_values(":epoch", s(epoch.as_str()))
            .expression_attribute_values(":through", n(through.get()))
            .expression_attribute_values(":now", n(now.as_ms()));
        match retry_conflicts(|| call.clone().send()).await {
            Ok(_) => Ok(()),
            Err(error) if error.as_service_error().is_some_and(|e| e.is_conditional_check_failed_exception()) => Ok(()),
            Err(error) => Err(translate("DynamoDB UpdateItem (sent)", &error)),
        }
    }

    async fn delivered(&self, room: &RoomId, shard: Shard, epoch: &Epoch) -> Result<Option<Range>> {
        const OPERATION: &str = "DynamoDB GetItem (delivered)";
        let item = self.get(OPERATION, &self.rooms, keys::delivered(room, shard, epoch)).await?;
        item.map(|item| delivered_item::from_item(&item).map_err(|error| unreadable(OPERATION, error))).transpose()
    }

    async fn mark_delivered(&self, room: &RoomId, shard: Shard, range: &Range, now: Timestamp) -> Result<()> {
        let call = self
            .client
            .put_item()
            .table_name(&self.rooms)
            .set_item(Some(delivered_item::to_item(room, shard, range, now)))
            .condition_expression("attribute_not_exists(pk) OR through < :through")
            .expression_attribute_values(":through", n(range.through.get()));
        match call.send().await {
            Ok(_) => Ok(()),
            Err(error) if error.as_service_error().is_some_and(|e| e.is_conditional_check_failed_exception()) => Ok(()),
            Err(error) => Err(translate("DynamoDB PutItem (delivered)", &error)),
        }
    }

    async fn log(&self, room: &RoomId, range: &Range, limit: usize, now: Timestamp) -> Result<Vec<Publication>> {
        self.log_rows(&LogQuery { limit, ..LogQuery::forwards(room, range) }, now).await
    }

    async fn replica_log(
        &self,
        room: &RoomId,
        range: &Range,
        limit: usize,
        now: Timestamp,
    ) -> Result<Vec<Publication>> {
        self.log_rows(&LogQuery { limit, is_consistent: false, ..LogQuery::forwards(room, range) }, now).await
    }

    async fn log_backwards(
        &self,
        room: &RoomId,
        epoch: &Epoch,
        through: Sequence,
        limit: usize,
        now: Timestamp,
    ) -> Result<Vec<Publication>> {
        self.log_rows(&LogQuery::backwards(room, epoch, through, limit), now).await
    }

    async fn replica_log_backwards(
        &self,
        room: &RoomId,
        epoch: &Epoch,
        through: Sequence,
        limit: usize,
        now: Timestamp,
    ) -> Result<Vec<Publication>> {
        let query = LogQuery { is_consistent: false, ..LogQuery::backwards(room, epoch, through, limit) };
        self.log_rows(&query, now).await
    }
}

/// A read of a room's log.
#[derive(Debug)]
struct LogQuery<'a> {
    room: &'a RoomId,
    epoch: &'a Epoch,
    first: Sequence,
    last: Sequence,
    is_forward: bool,
    is_consistent: bool,
    limit: usize,
}

impl<'a> LogQuery<'a> {
    fn forwards(room: &'a RoomId, range: &'a Range) -> Self {
        let Range { epoch, after, through } = range;
        let (first, last) = (after.next(), *through);
        Self { room, epoch, first, last, is_forward: true, is_consistent: true, limit: usize::MAX }
    }

    /// Reads the `limit` positions that end with `last`, and no row before them: rows that have
    /// expired may be there for days.
    fn backwards(room: &'a RoomId, epoch: &'a Epoch, last: Sequence, limit: usize) -> Self {
        let first = Sequence::new(last.get().saturating_sub(limit as u64).saturating_add(1));
        Self { room, epoch, first, last, is_forward: false, is_consistent: true, limit }
    }
}

type AttributeText = String;

fn pk_text(item: &Item) -> AttributeText {
    item.maybe_text(keys::PK).unwrap_or_default().to_owned()
}

/// Returns the result of an append that was cancelled, because a condition did not hold or because
/// of another transaction at the same moment. The reasons are in the order of the actions: the
/// head, then a log row and a dedupe row for each publication.
fn found_instead(error: Option<&TransactWriteItemsError>) -> Option<Appended> {
    const FAILED: &str = "ConditionalCheckFailed";
    let Some(TransactWriteItemsError::TransactionCanceledException(cancelled)) = error else {
        return None;
    };
    let codes: Vec<&str> =
        cancelled.cancellation_reasons().iter().map(|reason| reason.code().unwrap_or("None")).collect();
    if !codes.iter().all(|code| matches!(*code, "None" | FAILED | "TransactionConflict")) {
        return None;
    }
    let is_row = |at: usize| at % 2 == 1;
    let is_occupied = codes.iter().enumerate().all(|(at, code)| *code == "None" || (*code == FAILED && is_row(at)));
    Some(if is_occupied { Appended::Occupied } else { Appended::Stale })
}

impl Tables {
    /// Moves the head on, conditioned on its state when it was read; or creates it, if it did not
    /// exist.
    fn write_head(
        &self,
        append: &Append,
    ) -> std::result::Result<TransactWriteItem, aws_sdk_dynamodb::error::BuildError> {
        let Head { origin, generation, epoch, sequence, shards, .. } = &append.head;
        let after = append.head_after();
        let generation = self.generation.max(*generation);
        let stored = match origin {
            Origin::Absent => return self.put_new(head_item::to_item(&append.room, &Head { generation, ..after })),
            Origin::Stored => epoch,
            Origin::Renewed(stored) => stored,
        };
        let update = Update::builder()
            .table_name(&self.rooms)
            .set_key(Some(keys::head(&append.room)))
            .condition_expression("epoch = :stored AND seq = :seq AND shards = :shards")
            .expression_attribute_names("#ttl", keys::TTL)
            .expression_attribute_values(":stored", s(stored.as_str()))
            .expression_attribute_values(":seq", n(sequence.get()))
            .expression_attribute_values(":shards", n(shards.get()))
            .expression_attribute_values(":next", n(after.sequence.get()))
            .expression_attribute_values(":busy", n(after.busy_until.as_ms()))
            .expression_attribute_values(":shares", s(after.shares.to_text()))
            .expression_attribute_values(":ttl", n(after.expires_at.as_s()));
        const MOVE: &str = "SET seq = :next, busy_until = :busy, used_by = :shares, #ttl = :ttl";
        let update = match origin {
            Origin::Renewed(_) => update
                .update_expression(format!(
                    "{MOVE}, epoch = :epoch, generation = :generation, sent = :seq REMOVE sent_at"
                ))
                .expression_attribute_values(":epoch", s(epoch.as_str()))
                .expression_attribute_values(":generation", n(generation.get())),
            _ => update.update_expression(MOVE),
        };
        Ok(TransactWriteItem::builder().update(update.build()?).build())
    }

    /// Reads the head of an item, in the deployment's generation.
    fn read_head(&self, item: &Item) -> std::result::Result<Head, Unreadable> {
        head_item::from_item(item).map(|head| head.in_generation(self.generation))
    }

    fn put_new(&self, item: Item) -> std::result::Result<TransactWriteItem, aws_sdk_dynamodb::error::BuildError> {
        let put = Put::builder()
            .table_name(&self.rooms)
            .set_item(Some(item))
            .condition_expression("attribute_not_exists(pk)");
        Ok(TransactWriteItem::builder().put(put.build()?).build())
    }

    async fn log_rows(&self, log: &LogQuery<'_>, now: Timestamp) -> Result<Vec<Publication>> {
        const OPERATION: &str = "DynamoDB Query (log)";
        let mut rows = Vec::new();
        let mut start: Option<HashMap<String, AttributeValue>> = None;
        while rows.len() < log.limit && log.first <= log.last {
            let rest = i32::try_from(log.limit - rows.len()).unwrap_or(i32::MAX);
            let call = self
                .client
                .query()
                .table_name(&self.rooms)
                .key_condition_expression("pk = :pk AND sk BETWEEN :first AND :last")
                .expression_attribute_values(":pk", s(keys::room_key(log.room)))
                .expression_attribute_values(":first", s(keys::log_sk(log.epoch, log.first)))
                .expression_attribute_values(":last", s(keys::log_sk(log.epoch, log.last)))
                .consistent_read(log.is_consistent)
                .scan_index_forward(log.is_forward)
                .limit(rest)
                .set_exclusive_start_key(start);
            let answer = call.send().await.map_err(|error| translate(OPERATION, &error))?;
            for item in answer.items().iter().filter(|item| !log_row::is_expired(item, now)) {
                rows.push(log_row::from_item(item).map_err(|error| unreadable(OPERATION, error))?);
            }
            start = answer.last_evaluated_key;
            if start.is_none() {
                break;
            }
        }
        Ok(rows)
    }
}

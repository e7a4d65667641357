//! The memberships, in the connections table.

use aws_sdk_dynamodb::operation::query::builders::QueryFluentBuilder;
use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_sdk_dynamodb::types::{AttributeValue, DeleteRequest, Put, Select, TransactWriteItem, WriteRequest};
use domain::ports::{Connections, Joined, Memberships, Page, Result};
use domain::{ConnectionId, Member, Membership, RoomId, Shard};

use crate::attributes::{Item, s};
use crate::connections::{alive_until, failed_conditions};
use crate::errors::{translate, undone, unreadable};
use crate::items::{member, tombstone};
use crate::keys;
use crate::tables::Tables;

/// Requests that one `BatchWriteItem` takes.
const WRITES_PER_BATCH: usize = 25;
/// Rounds after which a batch that is never done entirely is given up.
const ROUNDS_PER_BATCH: usize = 5;

impl Memberships for Tables {
    async fn join(&self, membership: &Membership) -> Result<Joined> {
        const OPERATION: &str = "DynamoDB TransactWriteItems (join)";
        let connection = &membership.member.connection;
        if membership.room.is_everyone() {
            // The connection itself is its membership of `*`.
            return Ok(self.find(connection).await?.map_or(Joined::NotConnected, |_| Joined::Already));
        }
        let put = Put::builder()
            .table_name(&self.connections)
            .set_item(Some(member::membership(membership)))
            .condition_expression("attribute_not_exists(pk)")
            .build()
            .map_err(|error| undone(OPERATION, error))?;
        let check = alive_until(&self.connections, connection, membership.member.expires_at);
        let call = self
            .client
            .transact_write_items()
            .transact_items(TransactWriteItem::builder().condition_check(check).build())
            .transact_items(TransactWriteItem::builder().put(put).build());
        match call.send().await {
            Ok(_) => Ok(Joined::New),
            Err(error) => match failed_conditions(error.as_service_error()).as_slice() {
                [true, _] => match self.find(connection).await? {
                    None => Ok(Joined::NotConnected),
                    Some(_) => Err(undone(OPERATION, "the token was renewed meanwhile")),
                },
                [false, true] => self.grant(membership).await.map(|()| Joined::Already),
                _ => Err(translate(OPERATION, &error)),
            },
        }
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
    /// The memberships of a connection, read consistently.
    pub(crate) fn memberships_of(&self, connection: &ConnectionId) -> QueryFluentBuilder {
        self.client
            .query()
            .table_name(&self.connections)
            .key_condition_expression("pk = :pk AND begins_with(sk, :room)")
            .expression_attribute_values(":pk", s(keys::connection_pk(connection)))
            .expression_attribute_values(":room", s("ROOM#"))
            .consistent_read(true)
    }

    /// A membership that stands already is a backend's from now on, if this one is. One that has been left meanwhile is not made.
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
        match call.send().await {
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
        for _ in 0..ROUNDS_PER_BATCH {
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

/// A member of a page. One item that cannot be read must not keep the others from what they are owed.
fn readable(room: &RoomId, item: &Item) -> Option<Member> {
    let member = member::from_item(item);
    member.inspect_err(|error| tracing::error!(room.id = %room, error = %error, "a membership is passed over")).ok()
}

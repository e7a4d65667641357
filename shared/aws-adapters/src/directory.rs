//! The connections of each user, in the rooms table: `USER#<user>` / `CONN#<id>`.
//!
//! They are not in the connections table, because its stream would carry each entry to the presence
//! function.

use domain::ports::{Directory, Result};
use domain::{ConnectionId, Timestamp, UserId, limits};

use crate::attributes::{Item, n, s};
use crate::errors::{translate, unreadable};
use crate::keys;
use crate::tables::Tables;

impl Directory for Tables {
    async fn enlist(&self, user: &UserId, connection: &ConnectionId, now: Timestamp) -> Result<()> {
        let mut item = keys::directory(user, connection);
        item.insert(keys::TTL.to_owned(), n(now.plus(limits::CONNECTION_TTL).as_s()));
        let call = self.client.put_item().table_name(&self.rooms).set_item(Some(item));
        call.send().await.map(drop).map_err(|error| translate("DynamoDB PutItem (directory)", &error))
    }

    async fn connections_of(&self, user: &UserId, now: Timestamp) -> Result<Vec<ConnectionId>> {
        const OPERATION: &str = "DynamoDB Query (directory)";
        let (mut connections, mut start) = (Vec::new(), None::<Item>);
        loop {
            let call = self
                .client
                .query()
                .table_name(&self.rooms)
                .key_condition_expression("pk = :user AND begins_with(sk, :connections)")
                .filter_expression("#ttl > :now")
                .expression_attribute_names("#ttl", keys::TTL)
                .expression_attribute_values(":user", s(keys::directory_pk(user)))
                .expression_attribute_values(":connections", s(keys::CONNECTIONS))
                .expression_attribute_values(":now", n(now.as_s()))
                .consistent_read(true)
                .set_exclusive_start_key(start);
            let answer = call.send().await.map_err(|error| translate(OPERATION, &error))?;
            for item in answer.items() {
                let connection = keys::parse_connection_pk(item, keys::SK);
                connections.push(connection.map_err(|error| unreadable(OPERATION, error))?);
            }
            start = answer.last_evaluated_key;
            if start.is_none() {
                return Ok(connections);
            }
        }
    }
}

//! The connections of each user, in the rooms table: `USER#<user>` / `CONN#<id>`.
//!
//! They are not in the connections table, because its stream would carry each entry to the presence
//! function.

use domain::ports::{Directory, Result};
use domain::{ConnectionId, Device, Enlisted, Timestamp, UserId, limits};

use crate::attributes::{Item, Read, Unreadable, n, s};
use crate::errors::{translate, unreadable};
use crate::keys;
use crate::tables::Tables;

/// The time at which the entry was written, in milliseconds.
const AT: &str = "at";
/// The device of the connection, if it is known.
const DEVICE: &str = "device";

impl Directory for Tables {
    async fn enlist(&self, user: &UserId, entry: &Enlisted) -> Result<()> {
        let mut item = keys::directory(user, &entry.connection);
        item.insert(AT.to_owned(), n(entry.at.as_ms()));
        if let Some(device) = &entry.device {
            item.insert(DEVICE.to_owned(), s(device.as_ref()));
        }
        item.insert(keys::TTL.to_owned(), n(entry.at.plus(limits::CONNECTION_TTL).as_s()));
        let call = self.client.put_item().table_name(&self.rooms).set_item(Some(item));
        call.send().await.map(drop).map_err(|error| translate("DynamoDB PutItem (directory)", &error))
    }

    async fn delist(&self, user: &UserId, connection: &ConnectionId) -> Result<()> {
        let call = self.client.delete_item().table_name(&self.rooms).set_key(Some(keys::directory(user, connection)));
        call.send().await.map(drop).map_err(|error| translate("DynamoDB DeleteItem (directory)", &error))
    }

    async fn entries_of(&self, user: &UserId, now: Timestamp) -> Result<Vec<Enlisted>> {
        const OPERATION: &str = "DynamoDB Query (directory)";
        let (mut entries, mut start) = (Vec::new(), None::<Item>);
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
                entries.push(entry(item).map_err(|error| unreadable(OPERATION, error))?);
            }
            start = answer.last_evaluated_key;
            if start.is_none() {
                return Ok(entries);
            }
        }
    }
}

fn entry(item: &Item) -> std::result::Result<Enlisted, Unreadable> {
    let device = item.maybe_text(DEVICE).map(|_| item.parsed(DEVICE, Device::parse)).transpose()?;
    // Entries without the time count as the oldest.
    Ok(Enlisted {
        at: item.maybe_moment(AT)?.unwrap_or_default(),
        connection: keys::parse_connection_pk(item, keys::SK)?,
        device,
    })
}

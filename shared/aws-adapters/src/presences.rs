//! Users and devices in rooms, from the connections table; and the presence of rooms, in the rooms
//! table.

use std::collections::HashMap;

use domain::ports::{Occupant, Presences, Result, Rosters, Written};
use domain::{ConnectionId, Device, Presence, RoomId};

use crate::attributes::{Item, Read, Unreadable, n};
use crate::errors::{translate, unreadable};
use crate::items::{connection, member, presence as presence_item, tombstone};
use crate::keys;
use crate::tables::{Reading, Tables};

/// Attributes that name the room, and the number of its members.
const COUNT_ATTRIBUTES: &[&str] = &[keys::PK, presence_item::MEMBERS];

impl Rosters for Tables {
    async fn occupants(&self, room: &RoomId, connections: &[ConnectionId]) -> Result<Vec<Occupant>> {
        const OPERATION: &str = "DynamoDB BatchGetItem (occupants)";
        if room.is_everyone() {
            return Ok(Vec::new());
        }
        let wanted = connections.iter().map(|connection| keys::membership(connection, room)).collect();
        let items = self.batch_get(OPERATION, &self.connections, wanted).await?;
        let occupant = |item: &Item| {
            let (user, joined_at) = (member::user(item)?, member::joined_at(item)?);
            Ok(Occupant { connection: keys::parse_connection_pk(item, keys::PK)?, user, joined_at })
        };
        let occupants: std::result::Result<_, Unreadable> = items.iter().map(occupant).collect();
        occupants.map_err(|error| unreadable(OPERATION, error))
    }

    async fn devices(&self, connections: &[ConnectionId]) -> Result<HashMap<ConnectionId, Device>> {
        const OPERATION: &str = "DynamoDB BatchGetItem (devices)";
        let wanted = connections.iter().map(keys::connection).collect();
        let items = self.batch_get(OPERATION, &self.connections, wanted);
        let live = items.await?.into_iter().filter(|item| !tombstone::is(item));
        let device = |item: Item| {
            let device = connection::device(&item).transpose()?;
            Some(device.and_then(|device| Ok((keys::parse_connection_pk(&item, keys::PK)?, device))))
        };
        let devices: std::result::Result<_, Unreadable> = live.filter_map(device).collect();
        devices.map_err(|error| unreadable(OPERATION, error))
    }
}

impl Presences for Tables {
    async fn presence(&self, room: &RoomId) -> Result<Presence> {
        const OPERATION: &str = "DynamoDB GetItem (presence)";
        let item = self.get(OPERATION, &self.rooms, keys::presence(room)).await?;
        let presence = item.map(|item| presence_item::from_item(&item)).transpose();
        Ok(presence.map_err(|error| unreadable(OPERATION, error))?.unwrap_or_default())
    }

    async fn write_presence(&self, room: &RoomId, presence: &Presence) -> Result<Written> {
        const OPERATION: &str = "DynamoDB PutItem (presence)";
        let next = Presence { version: presence.version + 1, ..presence.clone() };
        let item = presence_item::to_item(room, &next).map_err(|error| unreadable(OPERATION, error))?;
        let call = self.client.put_item().table_name(&self.rooms).set_item(Some(item));
        let call = match presence.version {
            0 => call.condition_expression("attribute_not_exists(pk)"),
            read => call
                .condition_expression("#version = :read")
                .expression_attribute_names("#version", presence_item::VERSION)
                .expression_attribute_values(":read", n(read)),
        };
        match call.send().await {
            Ok(_) => Ok(Written::Stored),
            Err(error) if error.as_service_error().is_some_and(|e| e.is_conditional_check_failed_exception()) => {
                Ok(Written::Stale)
            }
            Err(error) => Err(translate(OPERATION, &error)),
        }
    }

    async fn members_counted(&self, rooms: &[RoomId]) -> Result<HashMap<RoomId, u64>> {
        const OPERATION: &str = "DynamoDB BatchGetItem (members counted)";
        let wanted = rooms.iter().map(keys::presence).collect();
        let items = self.batch_read(OPERATION, &self.rooms, wanted, Reading::Attributes(COUNT_ATTRIBUTES)).await?;
        let counted = |item: &Item| Ok((keys::parse_presence_pk(item)?, item.number(presence_item::MEMBERS)?));
        let counts: std::result::Result<_, Unreadable> = items.iter().map(counted).collect();
        counts.map_err(|error| unreadable(OPERATION, error))
    }
}

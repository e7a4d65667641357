//! `roomcast who`: the members of a room, or the connections of a user.

use std::collections::HashMap;
use std::process::ExitCode;

use aws_adapters::Tables;
use domain::ports::{Connections, Directory, Memberships, Rooms, Rosters};
use domain::{ConnectionId, Device, Head, RoomId, Shard, Timestamp, UserId};
use futures::{StreamExt, TryStreamExt, stream};
use serde::Serialize;

use crate::deployment::Deployment;
use crate::error::Error;
use crate::names::room;
use crate::output::{Output, Row};
use crate::time::{moment, now};

/// Reads that are made at the same time.
const READS_AT_ONCE: usize = 16;

/// The room or user to list.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "A name with @ is a user, any other name is a room.\n\nExamples:\n  roomcast who lobby\n  roomcast who @ada"
)]
pub(crate) struct Arguments {
    /// A room, such as lobby; or a user, such as @ada
    #[arg(value_name = "ROOM|@USER", value_parser = room)]
    name: RoomId,
    /// At most so many connections
    #[arg(long, value_name = "COUNT", default_value_t = 1_000, value_parser = clap::value_parser!(u32).range(1..))]
    limit: u32,
}

/// A member of a room.
#[derive(Debug, Serialize)]
struct Occupant {
    room: RoomId,
    user: UserId,
    connection: ConnectionId,
    device: Option<Device>,
    joined_at: Timestamp,
}

impl Row for Occupant {
    const COLUMNS: &'static [&'static str] = &["user", "connection", "device", "joined"];

    fn cells(&self) -> Vec<String> {
        let device = self.device.as_ref().map_or_else(|| "-".to_owned(), Device::to_string);
        vec![self.user.to_string(), self.connection.to_string(), device, moment(self.joined_at)]
    }
}

/// A connection of a user.
#[derive(Debug, Serialize)]
struct UserConnection {
    user: UserId,
    connection: ConnectionId,
    device: Option<Device>,
    format: &'static str,
    connected_at: Timestamp,
    last_seen_at: Timestamp,
    expires_at: Option<Timestamp>,
    rooms: Vec<RoomId>,
}

impl Row for UserConnection {
    const COLUMNS: &'static [&'static str] =
        &["connection", "device", "format", "connected", "last seen", "token expires", "rooms"];

    fn cells(&self) -> Vec<String> {
        vec![
            self.connection.to_string(),
            self.device.as_ref().map_or_else(|| "-".to_owned(), Device::to_string),
            self.format.to_owned(),
            moment(self.connected_at),
            moment(self.last_seen_at),
            self.expires_at.map_or_else(|| "-".to_owned(), moment),
            self.rooms.iter().map(RoomId::as_str).collect::<Vec<_>>().join(" "),
        ]
    }
}

/// Prints the members of a room, or the connections of a user.
pub(crate) async fn print(deployment: &Deployment, asked: &Arguments, output: &Output) -> Result<ExitCode, Error> {
    let tables = deployment.tables()?;
    if let Some(owner) = asked.name.inbox_owner() {
        let user = UserId::parse(owner)?;
        let connections = connections_of(&tables, &user).await?;
        output.rows(&connections)?;
        if connections.is_empty() {
            output.remark(&format!("user {user} has no connection"));
        }
        return Ok(ExitCode::SUCCESS);
    }
    if asked.name.is_everyone() {
        return Err(Error::new("* is every connection, and is not listed", "roomcast room '*'"));
    }
    let limit = usize::try_from(asked.limit).unwrap_or(usize::MAX);
    let (occupants, is_all) = occupants_of(&tables, &asked.name, limit).await?;
    output.rows(&occupants)?;
    if occupants.is_empty() {
        output.remark(&format!("room {} has no member", asked.name));
    } else if !is_all {
        output.remark(&format!("there are more: roomcast who {} --limit {}", asked.name, limit.saturating_mul(10)));
    }
    Ok(ExitCode::SUCCESS)
}

/// Reads the members of a room in order of user, and whether these are all of them.
async fn occupants_of(tables: &Tables, room: &RoomId, limit: usize) -> Result<(Vec<Occupant>, bool), Error> {
    let Head { shards, .. } = tables.head(room).await?.unwrap_or_else(|| Head::none(room));
    let listing = stream::iter(shards.iter()).map(|shard| members_of(tables, room, shard, limit));
    let listed: Vec<Vec<ConnectionId>> = listing.buffered(READS_AT_ONCE).try_collect().await?;
    let mut connections = listed.concat();
    let is_all = connections.len() <= limit;
    connections.truncate(limit);
    let found = tables.occupants(room, &connections).await?;
    let mut devices: HashMap<ConnectionId, Device> = tables.devices(&connections).await?;
    let occupant = |found: domain::ports::Occupant| Occupant {
        room: room.clone(),
        user: found.user,
        device: devices.remove(&found.connection),
        connection: found.connection,
        joined_at: found.joined_at,
    };
    let mut occupants: Vec<Occupant> = found.into_iter().map(occupant).collect();
    occupants.sort_by(|a, b| (&a.user, a.joined_at).cmp(&(&b.user, b.joined_at)));
    Ok((occupants, is_all))
}

/// Reads the members of a shard until more than `limit` are known.
async fn members_of(tables: &Tables, room: &RoomId, shard: Shard, limit: usize) -> Result<Vec<ConnectionId>, Error> {
    let (mut members, mut after) = (Vec::new(), None);
    while members.len() <= limit {
        let page = tables.page(room, shard, after.as_ref()).await?;
        members.extend(page.members.into_iter().map(|member| member.connection));
        match page.next {
            Some(next) => after = Some(next),
            None => break,
        }
    }
    Ok(members)
}

async fn connections_of(tables: &Tables, user: &UserId) -> Result<Vec<UserConnection>, Error> {
    let entered = tables.connections_of(user, now()).await?;
    let reads = stream::iter(entered).map(|id| async move {
        let Some(connection) = tables.find(&id).await? else { return Ok::<_, Error>(None) };
        let mut rooms = tables.rooms_of(&id).await?;
        rooms.sort();
        Ok(Some(UserConnection {
            user: connection.user,
            connection: connection.id,
            device: connection.device,
            format: connection.format.as_str(),
            connected_at: connection.connected_at,
            last_seen_at: connection.last_seen_at,
            expires_at: connection.expires_at,
            rooms,
        }))
    });
    let read: Vec<Option<UserConnection>> = reads.buffered(READS_AT_ONCE).try_collect().await?;
    Ok(read.into_iter().flatten().collect())
}

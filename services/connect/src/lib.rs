//! The connect function (`$connect`) writes the connection, its place in `*`, and the memberships
//! of its user's inbox and of the room that it names. The gateway sends the 101 of the handshake
//! afterwards, so every connected client is stored.
//!
//! A user has a limited number of connections. A new one is never refused for that: older ones end
//! instead ([`domain::surplus`]).

mod config;

use domain::flow::{NotEntered, Place, forget, place};
use domain::ports::{Bans, Clock, Connections, Directory, Error, Gateway, Memberships, Opened, Presences, Rooms};
use domain::{
    Connection, ConnectionId, Endpoint, Enlisted, Format, Identity, Member, Membership, RoomId, Timestamp, UserId,
    limits, surplus,
};
use futures::future::{join, join_all};
use futures::{StreamExt, stream};
use lambda_kit::start::Routes;
use lambda_kit::websocket::{Answer, Call};
use protocol::context::Context;
use protocol::server::{Return, System, system_text};
use protocol::{CLASSIC_ROOM, SUBPROTOCOL};
use telemetry::{Summary, field, metric};

pub use config::Config;

/// Stores new connections.
#[derive(Debug)]
pub struct Connect<P, G, C> {
    ports: P,
    gateway: G,
    clock: C,
    endpoint: Option<Endpoint>,
    room_members: u64,
    user_connections: usize,
}

/// The reason for refusing a handshake, in one sentence.
#[derive(Debug)]
enum Refusal {
    /// The client, its token, or a limit such as a full room is the reason.
    Refused { status: u16, reason: String },
    /// The deployment is at fault: after a 5xx the client tries again.
    Failed { status: u16, reason: String },
}

impl Refusal {
    fn refused(status: u16, reason: impl Into<String>) -> Self {
        Self::Refused { status, reason: reason.into() }
    }

    /// A dependency did not answer.
    fn unavailable(error: impl ToString) -> Self {
        Self::Failed { status: 503, reason: error.to_string() }
    }
}

impl<P, G, C> Connect<P, G, C>
where
    P: Bans + Connections + Directory + Memberships + Rooms + Presences,
    G: Gateway,
    C: Clock,
{
    /// Creates the function over these ports. Connections are posted to at `endpoint`; without it,
    /// at the endpoint that each event names.
    #[must_use]
    pub fn new(ports: P, gateway: G, clock: C, endpoint: Option<Endpoint>) -> Self {
        let (room_members, user_connections) = (limits::ROOM_MEMBERS, limits::USER_CONNECTIONS);
        Self { ports, gateway, clock, endpoint, room_members, user_connections }
    }

    /// Sets the number of connections that a room takes.
    #[must_use]
    pub fn with_room_members(self, room_members: u64) -> Self {
        Self { room_members, ..self }
    }

    /// Sets the number of connections that a user may have.
    #[must_use]
    pub fn with_user_connections(self, user_connections: usize) -> Self {
        Self { user_connections, ..self }
    }

    async fn open(&self, call: &Call, summary: &mut Summary) -> Result<(), Refusal> {
        let now = self.clock.now();
        // The deployment is at fault, not the client: after a 403 the client would never try again.
        let context = call.connected_as().map_err(|reject| Refusal::Failed { status: 500, reason: reject.message })?;
        // The token expired after the authorizer checked it. The answer is that of the authorizer:
        // the client may try again with another token.
        context.identity.check_expiry(now).map_err(|reject| Refusal::refused(401, reject.message))?;
        let room = first_room(call, context)?;
        let connection = self.connection(call, context, now);
        match self.store(&connection, &context.identity, room, now, summary).await? {
            Opened::Stored => self.check_user(&connection, now, summary).await,
            Opened::Refused => Err(Refusal::refused(410, "the connection id is stored already, or was removed")),
        }
    }

    /// Refuses a connection whose user, device or token is banned, and ends older connections of a
    /// user that has too many. The bans are read after the connection is stored. A ban that is
    /// stored later closes the connection, because it finds it.
    async fn check_user(&self, connection: &Connection, now: Timestamp, summary: &mut Summary) -> Result<(), Refusal> {
        let user = &connection.user;
        let (bans, entries) = join(self.ports.bans_of(user, now), self.ports.entries_of(user, now)).await;
        let mut bans = bans.map_err(Refusal::unavailable)?;
        bans.retain(|ban| ban.keeps_out(connection.device.as_ref(), &connection.stamp, now));
        let entries = entries.map_err(Refusal::unavailable)?;
        let refused = if bans.iter().any(|ban| !ban.scope.is_of_tokens()) {
            Refusal::refused(403, format!("user {user} is banned"))
        } else if !bans.is_empty() {
            // The client may try again with another token.
            Refusal::refused(401, format!("the token of user {user} is revoked"))
        } else if entries.len() <= self.user_connections || self.make_space(connection, entries, now, summary).await? {
            return Ok(());
        } else {
            let reason = format!("user {user} opened newer connections at the same moment, and has too many");
            Refusal::refused(503, reason)
        };
        forget(&self.ports, &connection.id, now).await.map_err(Refusal::unavailable)?;
        Err(refused)
    }

    /// Ends the oldest connections of a user that has too many entries in the directory. Returns
    /// false if the new connection is among them.
    ///
    /// Only stored connections count: an entry alone is of a handshake that goes on, or that
    /// failed. A connection at an age at which its client exchanges it does not count either.
    async fn make_space(
        &self,
        connection: &Connection,
        entries: Vec<Enlisted>,
        now: Timestamp,
        summary: &mut Summary,
    ) -> Result<bool, Refusal> {
        let (mut counted, mut stored) = (Vec::new(), Vec::new());
        let found = entries.into_iter().map(async |entry| (self.ports.find(&entry.connection).await, entry));
        let mut found = stream::iter(found).buffer_unordered(limits::ENTRIES_READ_AT_ONCE);
        while let Some((found, entry)) = found.next().await {
            let age = now.since(entry.at);
            match found.map_err(Refusal::unavailable)? {
                Some(_) if age >= limits::EXCHANGED_AFTER => {}
                Some(found) => {
                    counted.push(entry);
                    stored.push(found);
                }
                None if age >= limits::HANDSHAKE_OVER => self.delist(&connection.user, &entry.connection).await,
                None => {}
            }
        }
        let surplus = surplus(&counted, self.user_connections);
        if surplus.contains(&connection.id) {
            return Ok(false);
        }
        let ending = stored.iter().filter(|one| surplus.contains(&one.id)).take(limits::ENDED_PER_CONNECT);
        let ended = join_all(ending.map(|one| self.end(one, now))).await.into_iter().filter(|ended| *ended).count();
        summary.add(metric::CONNECTIONS_REPLACED, ended as u64);
        Ok(true)
    }

    /// Removes the entry of a connection that is gone. If this fails, the next connection of the
    /// user removes it.
    async fn delist(&self, user: &UserId, id: &ConnectionId) {
        if let Err(error) = self.ports.delist(user, id).await {
            tracing::warn!({ field::CONNECTION_ID.0 } = %id, { field::ERROR.0 } = %error, "could not remove the directory entry of a connection that is gone; the next connection of the user removes it");
        }
    }

    /// Ends a connection in favour of a newer one. Returns false if this failed: then the next
    /// connection of the user ends it.
    async fn end(&self, connection: &Connection, now: Timestamp) -> bool {
        let ended = self.try_to_end(connection, now).await;
        if let Err(error) = &ended {
            tracing::warn!({ field::CONNECTION_ID.0 } = %connection.id, { field::ERROR.0 } = %error, "could not end the oldest connection of a user with too many; the next connection of the user ends it");
        }
        ended.is_ok()
    }

    async fn try_to_end(
        &self,
        Connection { id, user, endpoint, format, .. }: &Connection,
        now: Timestamp,
    ) -> Result<(), Error> {
        if *format == Format::RoomsV1 {
            let bye = System::Bye { code: "replaced".to_owned(), retry: Return::Never };
            // The result of this post does not matter: the close informs the client as well.
            self.gateway.post(endpoint, id, system_text(&bye).into()).await;
        }
        self.gateway.close(endpoint, id).await?;
        forget(&self.ports, id, now).await?;
        self.ports.delist(user, id).await
    }

    fn connection(&self, call: &Call, context: &Context, now: Timestamp) -> Connection {
        Connection {
            id: call.connection.clone(),
            user: context.identity.user.clone(),
            device: context.identity.device.clone(),
            endpoint: self.endpoint.clone().unwrap_or_else(|| call.derived_endpoint.clone()),
            connected_at: call.connected_at,
            last_seen_at: now,
            expires_at: context.identity.expires_at,
            format: context.format,
            sees_members: context.identity.sees_all_members(),
            stamp: context.identity.stamp.clone(),
        }
    }

    async fn store(
        &self,
        connection: &Connection,
        identity: &Identity,
        room: Option<RoomId>,
        now: Timestamp,
        summary: &mut Summary,
    ) -> Result<Opened, Refusal> {
        let inbox = RoomId::inbox(&connection.user);
        let rooms: Vec<RoomId> = [Some(RoomId::everyone()), Some(inbox), room].into_iter().flatten().collect();
        let member = connection.member();
        let places =
            place(&self.ports, &member, &rooms, Some(self.room_members), now).await.map_err(Refusal::unavailable)?;
        let mut memberships = Vec::new();
        for (room, place) in places {
            let Place { shard, grown, head: began_at, .. } = place.map_err(|error| self.not_entered(&room, error))?;
            summary.add(metric::ROOMS_GROWN, u64::from(grown));
            let member = Member { sees_members: identity.receives_names(&room), ..member.clone() };
            let user = connection.user.clone();
            memberships.push(Membership { room, shard, member, user, joined_at: now, began_at, granted: false });
        }
        // The directory entry is written first, so that a backend that closes the user's
        // connections finds every stored connection.
        let Connection { id, device, connected_at: at, .. } = connection.clone();
        let entry = Enlisted { at, connection: id, device };
        self.ports.enlist(&connection.user, &entry).await.map_err(Refusal::unavailable)?;
        self.ports.open(connection, &memberships).await.map_err(Refusal::unavailable)
    }

    fn not_entered(&self, room: &RoomId, error: NotEntered) -> Refusal {
        match error {
            NotEntered::Full => {
                let reason = format!("room {room} is full: it takes {} connections", self.room_members);
                Refusal::refused(503, reason)
            }
            NotEntered::Overtaken => Refusal::unavailable(error),
            NotEntered::Failed(error) => Refusal::unavailable(error),
        }
    }
}

impl<P, G, C> Routes for Connect<P, G, C>
where
    P: Bans + Connections + Directory + Memberships + Rooms + Presences,
    G: Gateway,
    C: Clock,
{
    async fn handle(&self, call: Call, summary: &mut Summary) -> Answer {
        match self.open(&call, summary).await {
            Ok(()) => {
                summary.add(metric::CONNECTIONS_OPENED, 1);
                let subprotocol = call.subprotocols.iter().find(|name| *name == SUBPROTOCOL).cloned();
                Answer { subprotocol, ..Answer::silent() }
            }
            Err(refusal) => {
                let is_failure = matches!(refusal, Refusal::Failed { .. });
                let (Refusal::Refused { status, reason } | Refusal::Failed { status, reason }) = refusal;
                summary.add(metric::CONNECTIONS_REFUSED, 1);
                summary.add(metric::CONNECTS_FAILED, u64::from(is_failure));
                summary.set(field::OUTCOME, if is_failure { "failed" } else { "refused" });
                summary.set(field::ERROR, reason.clone());
                Answer { body: Some(reason), ..Answer::status(status) }
            }
        }
    }
}

/// Returns the room that the connection joins at once: the room of `?room=`, or `lobby` for a
/// classic client without that parameter.
fn first_room(call: &Call, context: &Context) -> Result<Option<RoomId>, Refusal> {
    if let Some(format) = call.query.get("format")
        && Format::from_name(format).is_none()
    {
        return Err(Refusal::refused(400, format!("there is no format {format:?}; there are rooms.v1 and classic")));
    }
    let room = match call.query.get("room") {
        Some(name) => RoomId::parse(name.clone()).map_err(|reject| Refusal::refused(400, reject.message))?,
        None if context.format == Format::Classic => match RoomId::parse(CLASSIC_ROOM) {
            Ok(room) if context.identity.may_join(&room) => room,
            _ => return Ok(None),
        },
        None => return Ok(None),
    };
    if !context.identity.may_join(&room) {
        return Err(Refusal::refused(403, format!("room {room} may not be joined with this token")));
    }
    let connected_anyway = room.is_everyone() || room.inbox_owner().is_some();
    Ok((!connected_anyway).then_some(room))
}

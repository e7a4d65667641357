//! Commands of backends. Each may be carried out twice: an interrupted command is delivered again.

use std::collections::HashMap;

use domain::flow::{Entrance, Joiner, NotEntered, connections_kept_out, enter, forget};
use domain::ports::{
    Bans, Chance, Clock, Connections, DeadLetters, Directory, Error, Gateway, Holds, Memberships, Presences, Renewals,
    Rooms, Submissions,
};
use domain::{Ban, BanScope, ConnectionId, Delivery, Format, Member, RoomId, Timestamp, UserId, limits};
use futures::{StreamExt, stream};
use protocol::server::{Return, System, system_text};
use telemetry::field;

use crate::Events;

/// The number of connections of a user that are handled at the same time.
const AT_ONCE: usize = limits::CLOSED_AT_ONCE;
/// The code of the `bye` of a connection that a command closes.
const KICKED: &str = "kicked";

impl<T, Q, G, C, R> Events<T, Q, G, C, R>
where
    T: Bans + Connections + Directory + Holds + Memberships + Rooms + Presences + Renewals,
    Q: Submissions + DeadLetters,
    G: Gateway,
    C: Clock,
    R: Chance,
{
    pub(crate) async fn join(&self, user: &UserId, room: &RoomId) -> Result<(), Error> {
        let joins = stream::iter(self.connections(user).await?).map(|member| self.join_one(member, user, room));
        combine(joins.buffer_unordered(AT_ONCE).collect().await)
    }

    async fn join_one(&self, member: Member, user: &UserId, room: &RoomId) -> Result<(), Error> {
        // The membership of the inbox may still have the expiry of an earlier token.
        let Some(connection) = self.tables.find(&member.connection).await? else { return Ok(()) };
        let joiner = Joiner { member: connection.member(), user: user.clone(), identity: None };
        let (tables, rooms, now) = (&self.tables, std::slice::from_ref(room), self.clock.now());
        let Entrance::Rooms(mut entered) =
            enter(tables, &self.chance, &joiner, rooms, &HashMap::new(), None, now).await?
        else {
            return Ok(());
        };
        match entered.remove(room) {
            Some(Ok(entered)) => {
                self.tell(&member, &System::Joined { room: room.clone(), at: entered.head.position() }).await
            }
            Some(Err(NotEntered::Failed(error))) => Err(error),
            // The client left the room at the same moment. A backend may join more connections than
            // a room takes.
            Some(Err(NotEntered::Overtaken | NotEntered::Full)) | None => Ok(()),
        }
    }

    pub(crate) async fn remove(&self, user: &UserId, room: &RoomId) -> Result<(), Error> {
        let removals = stream::iter(self.connections(user).await?).map(|member| self.remove_one(member, room));
        combine(removals.buffer_unordered(AT_ONCE).collect().await)
    }

    async fn remove_one(&self, member: Member, room: &RoomId) -> Result<(), Error> {
        self.tables.leave(&member.connection, std::slice::from_ref(room)).await?;
        self.tell(&member, &System::Left { room: room.clone(), code: "removed".to_owned() }).await
    }

    pub(crate) async fn close_user(&self, user: &UserId) -> Result<(), Error> {
        let closings = stream::iter(self.connections(user).await?).map(|member| self.close(member, KICKED));
        combine(closings.buffer_unordered(AT_ONCE).collect().await)
    }

    /// Stores the ban, then closes the connections that it keeps out. A connection that is stored
    /// after that finds the ban, and the reaper closes what renewed its token at the same moment.
    pub(crate) async fn ban(&self, user: &UserId, scope: &BanScope, until: Option<Timestamp>) -> Result<(), Error> {
        let now = self.clock.now();
        let until = until.unwrap_or(limits::BAN_WITHOUT_END);
        let ban = Ban { user: user.clone(), scope: scope.clone(), until };
        self.tables.ban(&ban, now).await?;
        let connections = connections_kept_out(&self.tables, &ban, now).await?;
        let code = scope.bye_code();
        let closings = stream::iter(connections).map(|connection| self.close(connection.member(), code));
        combine(closings.buffer_unordered(AT_ONCE).collect().await)
    }

    /// Stores a ban that is over.
    pub(crate) async fn unban(&self, user: &UserId, scope: &BanScope) -> Result<(), Error> {
        let now = self.clock.now();
        self.tables.ban(&Ban { user: user.clone(), scope: scope.clone(), until: now }, now).await
    }

    pub(crate) async fn close_connection(&self, connection: &ConnectionId) -> Result<(), Error> {
        match self.tables.find(connection).await? {
            Some(connection) => self.close(connection.member(), KICKED).await,
            None => Ok(()),
        }
    }

    /// Sends the `bye` first and closes then: a post after the DELETE never arrives.
    async fn close(&self, member: Member, code: &str) -> Result<(), Error> {
        self.tell(&member, &System::Bye { code: code.to_owned(), retry: Return::Never }).await?;
        self.gateway.close(&member.endpoint, &member.connection).await?;
        forget(&self.tables, &member.connection, self.clock.now()).await
    }

    /// Every stored connection of a user. They are read by keys, because an index would not show
    /// the youngest ones.
    async fn connections(&self, user: &UserId) -> Result<Vec<Member>, Error> {
        let entered = self.tables.connections_of(user, self.clock.now()).await?;
        self.tables.members_among(&RoomId::inbox(user), &entered).await
    }

    /// Sends a system frame to a client that understands it. A client that does not receive it
    /// detects the change with its next request.
    async fn tell(&self, member: &Member, word: &System) -> Result<(), Error> {
        if member.format != Format::RoomsV1 {
            return Ok(());
        }
        let posted = self.gateway.post(&member.endpoint, &member.connection, system_text(word).into()).await;
        match posted.seen_from(member, self.clock.now()) {
            Delivery::Gone => forget(&self.tables, &member.connection, self.clock.now()).await,
            Delivery::Delivered => Ok(()),
            other => {
                let (connection, outcome) = (&member.connection, other.as_str());
                tracing::warn!({ field::CONNECTION_ID.0 } = %connection, outcome, "could not post a notice of a command to a connection; it is not sent again");
                Ok(())
            }
        }
    }
}

/// The error of a command whose connections were all tried: an error that a retry may help, if
/// there is one.
fn combine(results: Vec<Result<(), Error>>) -> Result<(), Error> {
    let errors = results.into_iter().filter_map(Result::err);
    let (transient, refused): (Vec<Error>, Vec<Error>) = errors.partition(Error::is_transient);
    transient.into_iter().chain(refused).next().map_or(Ok(()), Err)
}

//! Bans: the command of a backend closes the connections that a ban keeps out. Here those are
//! closed that connected, or renewed their token, at the same moment.

use std::collections::BTreeSet;

use domain::flow::connections_kept_out;
use domain::ports::{Bans, Clock, Connections, Directory, Expiries, Gateway, Memberships, Result as PortResult};
use domain::{Connection, UserId, limits};
use futures::{StreamExt, stream};
use lambda_kit::Deadline;
use telemetry::field;

use crate::{RESERVE, Reaper};

impl<T, G, C> Reaper<T, G, C>
where
    T: Bans + Connections + Directory + Memberships + Expiries,
    G: Gateway,
    C: Clock,
{
    /// Closes connections that recent bans keep out, and returns their number.
    pub(crate) async fn close_banned(&self, deadline: Deadline) -> (u64, PortResult<()>) {
        let recent = self.clock.now().minus(limits::BAN_ENFORCED);
        let bans = match self.tables.bans_since(recent).await {
            Ok(bans) => bans,
            Err(error) => return (0, Err(error)),
        };
        let users: BTreeSet<UserId> = bans.into_iter().map(|ban| ban.user).collect();
        let mut closed = 0;
        for user in users {
            if deadline.left(self.clock.now(), RESERVE).is_zero() {
                break;
            }
            match self.close_of_user(&user).await {
                Ok(more) => closed += more,
                Err(error) => {
                    tracing::warn!({ field::ERROR.0 } = %error, "could not enforce the bans of a user; the next run enforces them");
                }
            }
        }
        (closed, Ok(()))
    }

    /// Closes the connections of a user that its bans of this moment keep out. A ban that was
    /// lifted since it was listed closes nothing.
    async fn close_of_user(&self, user: &UserId) -> PortResult<u64> {
        let now = self.clock.now();
        let mut closed = 0;
        for ban in self.tables.bans_of(user, now).await? {
            let connections = connections_kept_out(&self.tables, &ban, now).await?;
            let code = ban.scope.bye_code();
            let closings = stream::iter(connections).map(|connection| self.close_one_banned(connection, code));
            let of_ban =
                closings.buffer_unordered(limits::CLOSED_AT_ONCE).filter(|closed| std::future::ready(*closed)).count();
            closed += of_ban.await as u64;
        }
        Ok(closed)
    }

    async fn close_one_banned(&self, connection: Connection, code: &str) -> bool {
        let Connection { id, endpoint, format, .. } = connection;
        match self.close(&id, &endpoint, format, code).await {
            Ok(()) => true,
            Err(error) => {
                tracing::warn!({ field::CONNECTION_ID.0 } = %id, { field::ERROR.0 } = %error, "could not close the connection of a banned user; the next run closes it");
                false
            }
        }
    }
}

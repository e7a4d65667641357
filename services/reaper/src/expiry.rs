//! Expiry: deliveries already skip a connection whose token has expired. Here it receives a `bye`,
//! and is closed.

use domain::flow::forget;
use domain::ports::{
    Bans, Clock, Connections, Directory, Expiries, Gateway, Lapsed, Memberships, Result as PortResult,
};
use domain::{ConnectionId, Endpoint, Format, limits};
use futures::{StreamExt, stream};
use lambda_kit::Deadline;
use protocol::server::{Return, System, system_text};
use telemetry::field;

use crate::{RESERVE, Reaper, shards};

/// Connections that are closed at the same time.
const CLOSED_AT_ONCE: usize = 16;

impl<T, G, C> Reaper<T, G, C>
where
    T: Bans + Connections + Directory + Memberships + Expiries,
    G: Gateway,
    C: Clock,
{
    /// Closes connections whose token has expired, and returns their number.
    pub(crate) async fn close_expired(&self, deadline: Deadline) -> (u64, PortResult<()>) {
        let begun = self.clock.now();
        let (mut closed, mut left) = (0, limits::EXPIRED_PER_RUN);
        for shard in shards(begun) {
            let expired = match self.tables.expired(shard, begun, left).await {
                Ok(expired) => expired,
                Err(error) => return (closed, Err(error)),
            };
            left -= expired.len().min(left);
            let closings = stream::iter(expired).map(|lapsed| self.close_unless_late(lapsed, deadline));
            let of_shard =
                closings.buffer_unordered(CLOSED_AT_ONCE).filter(|closed| std::future::ready(*closed)).count();
            closed += of_shard.await as u64;
            if left == 0 || deadline.left(self.clock.now(), RESERVE).is_zero() {
                break;
            }
        }
        (closed, Ok(()))
    }

    async fn close_unless_late(&self, lapsed: Lapsed, deadline: Deadline) -> bool {
        if deadline.left(self.clock.now(), RESERVE).is_zero() {
            return false;
        }
        self.close_expired_one(&lapsed).await.unwrap_or_else(|error| {
            tracing::warn!({ field::CONNECTION_ID.0 } = %lapsed.connection, { field::ERROR.0 } = %error, "could not close a connection whose token has expired; the next run closes it");
            false
        })
    }

    /// Closes a connection, unless it was removed or renewed meanwhile: the index may be behind.
    async fn close_expired_one(&self, lapsed: &Lapsed) -> PortResult<bool> {
        let now = self.clock.now();
        let stored = self.tables.find(&lapsed.connection).await?;
        if stored.and_then(|stored| stored.expires_at).is_none_or(|expires_at| expires_at > now) {
            return Ok(false);
        }
        self.close(&lapsed.connection, &lapsed.endpoint, lapsed.format, "expired").await?;
        Ok(true)
    }

    /// Closes a connection: it receives `bye` with this code, then it is closed, and only then it
    /// is removed. So the next run finds a connection for which one of these steps failed.
    pub(crate) async fn close(
        &self,
        connection: &ConnectionId,
        endpoint: &Endpoint,
        format: Format,
        code: &str,
    ) -> PortResult<()> {
        if format == Format::RoomsV1 {
            let word = System::Bye { code: code.to_owned(), retry: Return::Never };
            // The result of this post does not matter: the close informs the client as well.
            self.gateway.post(endpoint, connection, system_text(&word).into()).await;
        }
        self.gateway.close(endpoint, connection).await?;
        forget(&self.tables, connection, self.clock.now()).await
    }
}

//! The connections of a user that a ban keeps out.

use futures::{StreamExt, TryStreamExt, stream};

use crate::ban::Ban;
use crate::connection::Connection;
use crate::limits::CLOSED_AT_ONCE;
use crate::ports::{Connections, Directory, Result};
use crate::timestamp::Timestamp;

/// Lists the stored connections that a ban keeps out at `now`. They are read by keys, because an
/// index would not show the newest ones.
///
/// A connection that is not yet stored when the list is read finds the ban itself: it is stored
/// first and reads the bans of its user then.
///
/// # Errors
/// Errors of the ports. A repeat is safe.
pub async fn connections_kept_out<P>(ports: &P, ban: &Ban, now: Timestamp) -> Result<Vec<Connection>>
where
    P: Connections + Directory,
{
    let entered = ports.connections_of(&ban.user, now).await?;
    let finding = stream::iter(entered).map(|id| async move { ports.find(&id).await });
    let found: Vec<Option<Connection>> = finding.buffer_unordered(CLOSED_AT_ONCE).try_collect().await?;
    let is_meant = |connection: &Connection| ban.keeps_out(connection.device.as_ref(), &connection.stamp, now);
    Ok(found.into_iter().flatten().filter(is_meant).collect())
}

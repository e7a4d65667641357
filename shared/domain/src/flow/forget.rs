//! A connection is gone: nobody finds it, and it cannot come back.

use crate::name::ConnectionId;
use crate::ports::{Connections, Memberships, Result};
use crate::timestamp::Timestamp;

/// Buries a connection, then removes its memberships.
///
/// In that order: once the tombstone stands, no join can write another membership, so the list read after it
/// is complete. Safe before, after, without and at the same time as a connect, and any number of times. A crash in between
/// leaves memberships that the next 410 on them, or their TTL, removes.
///
/// # Errors
/// Those of the ports; what was not done is done by a repeat.
pub async fn forget<P>(ports: &P, connection: &ConnectionId, now: Timestamp) -> Result<()>
where
    P: Connections + Memberships,
{
    ports.bury(connection, now).await?;
    let rooms = ports.rooms_of(connection).await?;
    if rooms.is_empty() { Ok(()) } else { ports.leave(connection, &rooms).await }
}

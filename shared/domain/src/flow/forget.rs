//! A connection is gone: nobody finds it, and it cannot come back.

use crate::name::ConnectionId;
use crate::ports::{Connections, Memberships, Result};
use crate::timestamp::Timestamp;

/// Buries a connection, then removes its memberships.
///
/// In that order: a membership that a join writes after the list was read finds the tombstone and is taken back ([`super::enter`]),
/// and any other is on the list. Safe before, after, without and at the same time as a connect, and any number of times. A crash in between
/// leaves memberships that presence removes, as the stream tells it of the tombstone; or the next 410 on them, or their TTL.
///
/// # Errors
/// Those of the ports; what was not done is done by a repeat.
pub async fn forget<P>(ports: &P, connection: &ConnectionId, now: Timestamp) -> Result<()>
where
    P: Connections + Memberships,
{
    ports.bury(connection, now).await?;
    leave_all(ports, connection).await.map(drop)
}

/// Removes what memberships are left of a connection that is gone; how many there were.
///
/// # Errors
/// Those of the port; what was not done is done by a repeat.
pub async fn leave_all(ports: &impl Memberships, connection: &ConnectionId) -> Result<usize> {
    let rooms = ports.rooms_of(connection).await?;
    if !rooms.is_empty() {
        ports.leave(connection, &rooms).await?;
    }
    Ok(rooms.len())
}

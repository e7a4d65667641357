//! Removal of a connection that is gone: it leaves every index, and cannot come back.

use crate::name::ConnectionId;
use crate::ports::{Connections, Memberships, Result};
use crate::timestamp::Timestamp;

/// Writes the tombstone of a connection, then removes its memberships.
///
/// The order matters. The join of a membership that was written after the list was read finds the
/// tombstone and removes the membership again ([`super::enter`]). Every other membership is on the
/// list. The function is safe before, after, without and concurrently with a connect, and any
/// number of times. A crash between the two steps leaves memberships. They are removed by
/// `presence` when the stream reports the tombstone, by the next 410 on them, or by their TTL.
///
/// # Errors
/// Errors of the ports. A repeat completes what is left.
pub async fn forget<P>(ports: &P, connection: &ConnectionId, now: Timestamp) -> Result<()>
where
    P: Connections + Memberships,
{
    ports.bury(connection, now).await?;
    leave_all(ports, connection).await.map(drop)
}

/// Removes the remaining memberships of a connection that is gone. Returns how many there were.
///
/// # Errors
/// Errors of the port. A repeat completes what is left.
pub async fn leave_all(ports: &impl Memberships, connection: &ConnectionId) -> Result<usize> {
    let rooms = ports.rooms_of(connection).await?;
    if !rooms.is_empty() {
        ports.leave(connection, &rooms).await?;
    }
    Ok(rooms.len())
}

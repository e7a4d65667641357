//! Charges a request to its connection, and to the user of the connection.

use std::future::{self, Future};
use std::time::Duration;

use futures::future::join;

use crate::charge::Charge;
use crate::name::{ConnectionId, UserId};
use crate::ports::{Charged, Charges, Result, Standing};
use crate::timestamp::Timestamp;

/// The outcome of charging a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Allowance<T = ()> {
    /// The request is accepted. An unknown connection is not charged. The second value is what was
    /// done meanwhile.
    Granted(Standing, T),
    /// The connection sends too much: the request fits after this pause.
    Connection(Duration),
    /// The user sends too much over all of its connections: the request fits after this pause.
    User(Duration),
}

/// Charges a request. The connection is charged first, since this shows whether the user has to be.
/// So a request that is refused for its user has used the allowance of its connection.
///
/// Costs a second write, unless the request is small and the connection was quiet.
///
/// # Errors
/// Errors of the port. A repeat is another charge.
pub async fn charge(
    ports: &impl Charges,
    connection: &ConnectionId,
    user: &UserId,
    charge: Charge,
    now: Timestamp,
) -> Result<Allowance> {
    charge_while(ports, connection, user, charge, now, future::ready(())).await
}

/// Like [`charge`], and does something else while the user is charged: a read that the request
/// needs. Its result is dropped if the user sends too much, so it must not change anything.
///
/// # Errors
/// Errors of the port. A repeat is another charge.
pub async fn charge_while<T>(
    ports: &impl Charges,
    connection: &ConnectionId,
    user: &UserId,
    charge: Charge,
    now: Timestamp,
    meanwhile: impl Future<Output = T>,
) -> Result<Allowance<T>> {
    let (standing, before) = match ports.charge(connection, charge, now).await? {
        Charged::Granted(standing, before) => (standing, before),
        Charged::TooSoon(pause) => return Ok(Allowance::Connection(pause)),
    };
    if standing == Standing::Unknown || !charge.concerns_user(before, now) {
        return Ok(Allowance::Granted(standing, meanwhile.await));
    }
    let before = before.unwrap_or_default();
    let (pause, done) = join(ports.charge_user(user, charge, before > now, now), meanwhile).await;
    let Some(pause) = pause? else {
        return Ok(Allowance::Granted(standing, done));
    };
    // The connection was charged for this request. Its repeat must fit there too.
    let used_until = before.max(now).plus(charge.takes());
    let for_connection = charge.apply(used_until, now).err().unwrap_or_default();
    Ok(Allowance::User(pause.max(for_connection)))
}

//! What the promises have in common: names nobody else uses, patience, and walks over pages.
#![allow(clippy::unwrap_used, reason = "a scene that cannot be set fails the promise")]

use std::collections::BTreeSet;
use std::time::Duration;

use domain::ports::{Clock, Connections, Joined, Memberships, Opened, Result};
use domain::{Connection, ConnectionId, Member, Membership, RoomId, Shard, Timestamp};
use futures::{StreamExt, stream};
use uuid::Uuid;

use super::StoreFixture;
use crate::samples;

/// How long a promise waits for what an adapter says only in time: an index that lags, a message on its way.
pub const PATIENCE: Duration = Duration::from_secs(10);
/// How long it waits before it looks again.
const LOOK_AGAIN: Duration = Duration::from_millis(50);
/// Connections that are opened at the same time.
const AT_ONCE: usize = 16;

/// A name that nobody else uses: of a room, a user, a connection, an epoch's room.
pub(super) fn unique(what: &str) -> String {
    format!("{what}-{}", Uuid::new_v4().simple())
}

/// A room that nobody else uses.
pub(super) fn unique_room() -> RoomId {
    samples::room(&unique("room"))
}

/// A connection that nobody else uses, of a user of its own.
pub(super) fn unique_connection(now: Timestamp) -> Connection {
    samples::connection(&unique("c"), &unique("user"), now)
}

/// Looks until there is something to see.
pub(super) async fn eventually<T>(clock: &impl Clock, what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let start = clock.now();
    loop {
        if let Some(seen) = look().await {
            return seen;
        }
        assert!(clock.now().since(start) < PATIENCE, "not after {PATIENCE:?}: {what}");
        clock.sleep(LOOK_AGAIN).await;
    }
}

/// Asks again while the answer is that somebody else wrote at the same moment.
pub(super) async fn insist<T>(clock: &impl Clock, mut ask: impl AsyncFnMut() -> Result<T>) -> T {
    eventually(clock, "an answer that is certain", async || certain(ask().await)).await
}

/// The answer, unless somebody else wrote at the same moment and nothing is certain.
pub(super) fn certain<T>(answer: Result<T>) -> Option<T> {
    match answer {
        Err(error) if error.is_transient() => None,
        answer => Some(answer.unwrap()),
    }
}

/// A connection that is open, of `*` and of its inbox.
pub(super) async fn opened(fixture: &impl StoreFixture) -> Connection {
    let connection = unique_connection(fixture.clock().now());
    open(fixture, &connection).await;
    connection
}

/// Opens a connection in `*` and in its inbox.
pub(super) async fn open(fixture: &impl StoreFixture, connection: &Connection) {
    let first = [samples::everyone(connection), samples::inbox(connection)];
    assert_eq!(fixture.store().open(connection, &first).await.unwrap(), Opened::Stored);
}

/// Lets a connection join.
pub(super) async fn join(fixture: &impl StoreFixture, connection: &Connection, room: &RoomId, shard: Shard) -> Joined {
    let membership = samples::membership(connection, room, shard);
    put(fixture, &membership).await.unwrap()
}

/// Stores one membership.
pub(super) async fn put(fixture: &impl StoreFixture, membership: &Membership) -> Result<Joined> {
    let mut joined = fixture.store().join(std::slice::from_ref(membership)).await;
    assert_eq!(joined.len(), 1, "one outcome for each membership");
    joined.remove(0)
}

/// Opens so many connections, each in the shard of the room from its start. In the order of their ids.
pub(super) async fn crowd(fixture: &impl StoreFixture, room: &RoomId, shard: Shard, count: usize) -> Vec<Connection> {
    let now = fixture.clock().now();
    let enter = async |connection: Connection| {
        let place = samples::membership(&connection, room, shard);
        let first = [samples::everyone(&connection), place];
        assert_eq!(fixture.store().open(&connection, &first).await.unwrap(), Opened::Stored);
        connection
    };
    let connections = (0..count).map(|_| unique_connection(now));
    let mut crowd: Vec<Connection> = stream::iter(connections).map(enter).buffer_unordered(AT_ONCE).collect().await;
    crowd.sort_by(|one, other| one.id.cmp(&other.id));
    crowd
}

/// Every page of a shard, none of whose members comes twice. In the order of their ids.
pub(super) async fn walk(fixture: &impl StoreFixture, room: &RoomId, shard: Shard) -> Vec<Member> {
    walk_after(fixture, room, shard, None).await
}

/// The same, after a member.
pub(super) async fn walk_after(
    fixture: &impl StoreFixture,
    room: &RoomId,
    shard: Shard,
    after: Option<ConnectionId>,
) -> Vec<Member> {
    let (mut members, mut seen, mut at) = (Vec::new(), BTreeSet::new(), after);
    loop {
        let page = fixture.store().page(room, shard, at.as_ref()).await.unwrap();
        for member in page.members {
            assert!(seen.insert(member.connection.clone()), "{} is listed twice", member.connection);
            members.push(member);
        }
        let Some(next) = page.next else { break };
        assert_ne!(at.as_ref(), Some(&next), "the walk stands still");
        at = Some(next);
    }
    members.sort_by(|one, other| one.connection.cmp(&other.connection));
    members
}

/// Walks until exactly these are listed.
pub(super) async fn walk_shows(fixture: &impl StoreFixture, room: &RoomId, shard: Shard, expected: &[Connection]) {
    let expected: Vec<Member> = expected.iter().map(Connection::member).collect();
    let what = format!("{} members in shard {shard} of {room}", expected.len());
    let shown = async || (walk(fixture, room, shard).await == expected).then_some(());
    eventually(fixture.clock(), &what, shown).await;
}

/// Walks until a connection is, or is not, listed.
pub(super) async fn listed(fixture: &impl StoreFixture, room: &RoomId, shard: Shard, id: &ConnectionId, is: bool) {
    let what = format!("{id} {} in shard {shard} of {room}", if is { "listed" } else { "not listed" });
    let look = async || {
        let members = walk(fixture, room, shard).await;
        let found = members.iter().any(|member| member.connection == *id);
        (found == is).then_some(())
    };
    eventually(fixture.clock(), &what, look).await;
}

//! The common parts of the promises: unique names, repeated reads, and walks over pages.
#![allow(clippy::unwrap_used, reason = "a scene that cannot be set fails the promise")]

use std::collections::BTreeSet;
use std::time::Duration;

use domain::ports::{Clock, Connections, Joined, Memberships, Opened, Result};
use domain::{Connection, ConnectionId, Extension, Member, Membership, RoomId, Shard, Timestamp};
use futures::{StreamExt, stream};
use uuid::Uuid;

use super::StoreFixture;
use crate::samples;

/// A promise waits this long for results that take time: an index that lags, a message on its way.
pub const PATIENCE: Duration = Duration::from_secs(10);
/// The pause between two such reads.
const LOOK_AGAIN: Duration = Duration::from_millis(50);
/// The number of connections that are opened at the same time.
const AT_ONCE: usize = 16;

/// A name that no other test uses, of a room, a user or a connection.
pub(super) fn unique(what: &str) -> String {
    format!("{what}-{}", Uuid::new_v4().simple())
}

/// A room that no other test uses.
pub(super) fn unique_room() -> RoomId {
    samples::room(&unique("room"))
}

/// A connection that no other test uses, of a user of its own.
pub(super) fn unique_connection(now: Timestamp) -> Connection {
    samples::connection(&unique("c"), &unique("user"), now)
}

/// Repeats `look` until it returns something.
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

/// Repeats a call while its result is uncertain because of a simultaneous write.
pub(super) async fn insist<T>(clock: &impl Clock, mut ask: impl AsyncFnMut() -> Result<T>) -> T {
    eventually(clock, "an answer that is certain", async || certain(ask().await)).await
}

/// The result of a call; `None` if it is uncertain because of a simultaneous write.
pub(super) fn certain<T>(answer: Result<T>) -> Option<T> {
    match answer {
        Err(error) if error.is_transient() => None,
        answer => Some(answer.unwrap()),
    }
}

/// Opens a new connection as a member of `*` and of its inbox.
pub(super) async fn opened(fixture: &impl StoreFixture) -> Connection {
    let connection = unique_connection(fixture.clock().now());
    open(fixture, &connection).await;
    connection
}

/// Opens a connection as a member of `*` and of its inbox.
pub(super) async fn open(fixture: &impl StoreFixture, connection: &Connection) {
    let first = [samples::everyone(connection), samples::inbox(connection)];
    assert_eq!(fixture.store().open(connection, &first).await.unwrap(), Opened::Stored);
}

/// Joins a connection to a room.
pub(super) async fn join(fixture: &impl StoreFixture, connection: &Connection, room: &RoomId, shard: Shard) -> Joined {
    let membership = samples::membership(connection, room, shard);
    put(fixture, &membership).await.unwrap()
}

/// Extensions of memberships without the right to see members.
pub(super) fn extensions(rooms: &[RoomId]) -> Vec<Extension> {
    rooms.iter().map(|room| Extension { room: room.clone(), sees_members: false }).collect()
}

/// Stores one membership.
pub(super) async fn put(fixture: &impl StoreFixture, membership: &Membership) -> Result<Joined> {
    let mut joined = fixture.store().join(std::slice::from_ref(membership)).await;
    assert_eq!(joined.len(), 1, "one outcome for each membership");
    joined.remove(0)
}

/// Opens `count` connections, each with a membership in the shard of the room from its start.
/// Returns them in the order of their ids.
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

/// Reads all pages of a shard and checks that no member comes twice. Returns the members in the
/// order of their ids.
pub(super) async fn walk(fixture: &impl StoreFixture, room: &RoomId, shard: Shard) -> Vec<Member> {
    walk_after(fixture, room, shard, None).await
}

/// Reads the pages after a member.
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

/// Reads all pages until they list exactly these members.
pub(super) async fn walk_shows(fixture: &impl StoreFixture, room: &RoomId, shard: Shard, expected: &[Connection]) {
    let expected: Vec<Member> = expected.iter().map(Connection::member).collect();
    let what = format!("{} members in shard {shard} of {room}", expected.len());
    let shown = async || (walk(fixture, room, shard).await == expected).then_some(());
    eventually(fixture.clock(), &what, shown).await;
}

/// Reads all pages until they list a connection, or do not list it.
pub(super) async fn listed(fixture: &impl StoreFixture, room: &RoomId, shard: Shard, id: &ConnectionId, is: bool) {
    let what = format!("{id} {} in shard {shard} of {room}", if is { "listed" } else { "not listed" });
    let look = async || {
        let members = walk(fixture, room, shard).await;
        let found = members.iter().any(|member| member.connection == *id);
        (found == is).then_some(())
    };
    eventually(fixture.clock(), &what, look).await;
}

//! Promises of [`Renewals`] and [`Expiries`]: the present identity of a connection, and the time
//! until which it receives.

use std::collections::BTreeSet;
use std::time::Duration;

use domain::ports::{
    Charged, Charges, Clock, Connections, Exchanged, Expiries, Joined, Lapsed, Memberships, Renewals, Standing,
};
use domain::{
    Charge, Connection, ConnectionId, Device, Extension, Holding, Identity, Membership, Pattern, Permissions, Position,
    RoomId, Sequence, Shard, Shards, Timestamp, TokenStamp, limits, liveness_shard,
};
use futures::future::{join_all, join5};

use crate::contracts::StoreFixture;
use crate::contracts::scene::{eventually, extensions, join, open, opened, put, unique_connection, unique_room, walk};
use crate::samples;

const ALREADY: Joined = Joined::Already { expires_at: None, began_at: None, sees_members: false };
/// More connections than any test lets expire in one shard.
const MANY: usize = 10_000;
const HOUR: Duration = Duration::from_secs(3_600);

pub async fn a_connection_is_as_it_connected_until_it_is_renewed(fixture: &impl StoreFixture) {
    let connection = opened(fixture).await;
    assert_eq!(standing(fixture, &connection.id).await, Standing::AsConnected);
    let (first, second) = (renewed(fixture, &connection, HOUR), renewed(fixture, &connection, 2 * HOUR));
    for identity in [first, second] {
        assert_eq!(renew(fixture, &connection.id, &identity).await, Exchanged::Stored);
        assert_eq!(standing(fixture, &connection.id).await, Standing::Renewed(identity));
    }
}

pub async fn a_renewal_moves_the_end_and_the_device_of_a_connection(fixture: &impl StoreFixture) {
    let connection = expiring(fixture, HOUR).await;
    let identity = renewed(fixture, &connection, 2 * HOUR);
    renew(fixture, &connection.id, &identity).await;
    let stored = fixture.store().find(&connection.id).await.unwrap().unwrap();
    let expected = Connection {
        expires_at: identity.expires_at,
        device: identity.device,
        sees_members: true,
        stamp: identity.stamp,
        ..connection.clone()
    };
    assert_eq!(stored, expected);
    let (device, stamp) = (None, TokenStamp::default());
    let nameless = Identity { device, expires_at: None, stamp, ..renewed(fixture, &connection, HOUR) };
    renew(fixture, &connection.id, &nameless).await;
    let stored = fixture.store().find(&connection.id).await.unwrap().unwrap();
    assert_eq!((stored.device, stored.expires_at), (expected.device, None), "a token without a device leaves it");
    assert_eq!(stored.stamp, TokenStamp::default(), "a token without marks has not those of the one before");
    let blind = Identity { admin: false, ..renewed(fixture, &connection, HOUR) };
    renew(fixture, &connection.id, &blind).await;
    assert!(!fixture.store().find(&connection.id).await.unwrap().unwrap().sees_members);
}

pub async fn a_buried_connection_is_unknown_and_cannot_be_renewed(fixture: &impl StoreFixture) {
    let connection = opened(fixture).await;
    let identity = renewed(fixture, &connection, HOUR);
    renew(fixture, &connection.id, &identity).await;
    fixture.store().bury(&connection.id, fixture.clock().now()).await.unwrap();
    assert_eq!(renew(fixture, &connection.id, &identity).await, Exchanged::NotConnected);
    assert_eq!(standing(fixture, &connection.id).await, Standing::Unknown);
    assert_eq!(fixture.store().find(&connection.id).await.unwrap(), None);
    let nobody = unique_connection(fixture.clock().now());
    assert_eq!(renew(fixture, &nobody.id, &identity).await, Exchanged::NotConnected);
    assert_eq!(standing(fixture, &nobody.id).await, Standing::Unknown);
}

pub async fn a_connection_renews_its_token_every_5_s_at_the_most(fixture: &impl StoreFixture) {
    let (connection, now) = (opened(fixture).await, fixture.clock().now());
    let identity = renewed(fixture, &connection, HOUR);
    let at = async |ms: u64| {
        fixture.store().renew(&connection.id, &identity, now.plus(Duration::from_millis(ms))).await.unwrap()
    };
    let pause_ms = u64::try_from(limits::RENEWAL_PAUSE.as_millis()).unwrap();
    assert_eq!(at(0).await, Exchanged::Stored);
    assert_eq!(at(0).await, Exchanged::TooSoon(limits::RENEWAL_PAUSE));
    assert_eq!(at(pause_ms - 1).await, Exchanged::TooSoon(Duration::from_millis(1)));
    assert_eq!(at(pause_ms).await, Exchanged::Stored);
    assert_eq!(at(0).await, Exchanged::Stored, "the last renewal was made by a clock that is ahead");
}

pub async fn a_renewal_leaves_what_was_last_seen(fixture: &impl StoreFixture) {
    let connection = opened(fixture).await;
    renew(fixture, &connection.id, &renewed(fixture, &connection, HOUR)).await;
    let stored = fixture.store().find(&connection.id).await.unwrap().unwrap();
    assert_eq!(stored.last_seen_at, connection.last_seen_at);
}

pub async fn holdings_are_told_with_who_gave_them_and_until_when(fixture: &impl StoreFixture) {
    let connection = expiring(fixture, HOUR).await;
    let (own, given) = (unique_room(), unique_room());
    join(fixture, &connection, &own, Shard::FIRST).await;
    let membership = domain::Membership { granted: true, ..samples::membership(&connection, &given, Shard::FIRST) };
    assert_eq!(put(fixture, &membership).await.unwrap(), Joined::New);
    let held = |room: &RoomId, granted| Holding {
        room: room.clone(),
        granted,
        expires_at: connection.expires_at,
        began_at: None,
        sees_members: false,
    };
    let expected = [held(&RoomId::inbox(&connection.user), false), held(&own, false), held(&given, true)];
    same(fixture, &connection.id, &expected).await;
}

pub async fn a_membership_that_a_backend_gives_again_is_its_gift(fixture: &impl StoreFixture) {
    let connection = opened(fixture).await;
    let room = unique_room();
    join(fixture, &connection, &room, Shard::FIRST).await;
    let given = domain::Membership { granted: true, ..samples::membership(&connection, &room, Shard::new(3)) };
    assert_eq!(put(fixture, &given).await.unwrap(), ALREADY);
    let inbox = RoomId::inbox(&connection.user);
    let expected = [(inbox, false), (room.clone(), true)];
    let held = expected.map(|(room, granted)| Holding {
        room,
        granted,
        expires_at: None,
        began_at: None,
        sees_members: false,
    });
    same(fixture, &connection.id, &held).await;
    assert_eq!(join(fixture, &connection, &room, Shard::FIRST).await, ALREADY);
    same(fixture, &connection.id, &held).await;
}

pub async fn memberships_are_extended_and_none_is_made(fixture: &impl StoreFixture) {
    let connection = expiring(fixture, HOUR).await;
    let (here, elsewhere) = (unique_room(), unique_room());
    join(fixture, &connection, &here, Shard::FIRST).await;
    let rooms = [elsewhere.clone(), here.clone(), RoomId::everyone()];
    let inbox = Holding {
        room: RoomId::inbox(&connection.user),
        granted: false,
        expires_at: connection.expires_at,
        began_at: None,
        sees_members: false,
    };
    for after in [2 * HOUR, 3 * HOUR] {
        let identity = renewed(fixture, &connection, after);
        renew(fixture, &connection.id, &identity).await;
        let missing = fixture.store().extend(&connection.id, &extensions(&rooms), identity.expires_at).await.unwrap();
        assert_eq!(missing, std::slice::from_ref(&elsewhere));
        let extended = Holding { room: here.clone(), expires_at: identity.expires_at, ..inbox.clone() };
        same(fixture, &connection.id, &[inbox.clone(), extended]).await;
    }
    assert_eq!(fixture.store().members_among(&elsewhere, std::slice::from_ref(&connection.id)).await.unwrap(), []);
    let endless = Identity { expires_at: None, ..renewed(fixture, &connection, HOUR) };
    renew(fixture, &connection.id, &endless).await;
    fixture.store().extend(&connection.id, &extensions(std::slice::from_ref(&here)), None).await.unwrap();
    same(fixture, &connection.id, &[inbox.clone(), Holding { room: here, expires_at: None, ..inbox }]).await;
}

pub async fn a_membership_keeps_where_it_began_and_is_extended_by_the_right_to_see_members(
    fixture: &impl StoreFixture,
) {
    let connection = expiring(fixture, HOUR).await;
    let room = unique_room();
    let began_at = Position { epoch: samples::epoch("k7Qf"), sequence: Sequence::new(7) };
    let mut membership =
        Membership { began_at: Some(began_at.clone()), ..samples::membership(&connection, &room, Shard::FIRST) };
    membership.member.sees_members = true;
    assert_eq!(put(fixture, &membership).await.unwrap(), Joined::New);
    let again = put(fixture, &samples::membership(&connection, &room, Shard::FIRST)).await.unwrap();
    let (expires_at, began_at) = (connection.expires_at, Some(began_at));
    assert_eq!(again, Joined::Already { expires_at, began_at: began_at.clone(), sees_members: true });
    for sees_members in [true, false, true] {
        let extension = Extension { room: room.clone(), sees_members };
        assert_eq!(fixture.store().extend(&connection.id, &[extension], expires_at).await.unwrap(), []);
        let holdings = fixture.store().holdings(&connection.id).await.unwrap();
        let held = holdings.into_iter().find(|held| held.room == room).unwrap();
        assert_eq!((held.began_at, held.sees_members), (began_at.clone(), sees_members));
        let among = fixture.store().members_among(&room, std::slice::from_ref(&connection.id)).await.unwrap();
        assert_eq!(among[0].sees_members, sees_members);
        let shown = async || {
            let members = walk(fixture, &room, Shard::FIRST).await;
            members.iter().all(|member| member.sees_members == sees_members).then_some(())
        };
        eventually(fixture.clock(), "the right to see members in by_room", shown).await;
    }
}

pub async fn a_token_that_was_replaced_extends_nothing(fixture: &impl StoreFixture) {
    let connection = expiring(fixture, HOUR).await;
    let here = unique_room();
    join(fixture, &connection, &here, Shard::FIRST).await;
    let newest = renewed(fixture, &connection, 3 * HOUR);
    renew(fixture, &connection.id, &newest).await;
    let before = fixture.store().holdings(&connection.id).await.unwrap();
    let replaced = renewed(fixture, &connection, 2 * HOUR);
    let extended =
        fixture.store().extend(&connection.id, &extensions(std::slice::from_ref(&here)), replaced.expires_at).await;
    assert_eq!(extended.unwrap(), [here]);
    same(fixture, &connection.id, &before).await;
}

pub async fn nothing_of_a_buried_connection_is_extended(fixture: &impl StoreFixture) {
    let connection = expiring(fixture, HOUR).await;
    let room = unique_room();
    join(fixture, &connection, &room, Shard::FIRST).await;
    let before = fixture.store().holdings(&connection.id).await.unwrap();
    fixture.store().bury(&connection.id, fixture.clock().now()).await.unwrap();
    fixture.store().extend(&connection.id, &extensions(&[room]), connection.expires_at).await.unwrap();
    same(fixture, &connection.id, &before).await;
}

pub async fn a_hundred_memberships_are_extended(fixture: &impl StoreFixture) {
    let connection = expiring(fixture, HOUR).await;
    let rooms: Vec<RoomId> = (0..100).map(|_| unique_room()).collect();
    for room in &rooms {
        join(fixture, &connection, room, Shard::FIRST).await;
    }
    let identity = renewed(fixture, &connection, 2 * HOUR);
    renew(fixture, &connection.id, &identity).await;
    let none_of_them = unique_room();
    let asked: Vec<RoomId> = std::iter::once(none_of_them).chain(rooms).collect();
    fixture.store().extend(&connection.id, &extensions(&asked), identity.expires_at).await.unwrap();
    let holdings = fixture.store().holdings(&connection.id).await.unwrap();
    assert_eq!(holdings.iter().filter(|held| held.expires_at == identity.expires_at).count(), 100);
}

pub async fn deliveries_learn_until_when_a_renewed_member_hears(fixture: &impl StoreFixture) {
    let connection = expiring(fixture, HOUR).await;
    let room = unique_room();
    join(fixture, &connection, &room, Shard::FIRST).await;
    let identity = renewed(fixture, &connection, 2 * HOUR);
    renew(fixture, &connection.id, &identity).await;
    fixture
        .store()
        .extend(&connection.id, &extensions(std::slice::from_ref(&room)), identity.expires_at)
        .await
        .unwrap();
    let everyone = RoomId::everyone();
    let place = Shards::initial(&everyone).place(&connection.id);
    for (room, shard) in [(&room, Shard::FIRST), (&everyone, place)] {
        let knows = async || {
            let members = walk(fixture, room, shard).await;
            let member = members.into_iter().find(|member| member.connection == connection.id)?;
            (member.expires_at == identity.expires_at).then_some(())
        };
        eventually(fixture.clock(), "the new end in by_room", knows).await;
        let among = fixture.store().members_among(room, std::slice::from_ref(&connection.id)).await.unwrap();
        assert_eq!(among[0].expires_at, identity.expires_at);
    }
}

pub async fn an_expired_connection_is_listed_as_it_was_opened(fixture: &impl StoreFixture) {
    let connection = expiring(fixture, HOUR).await;
    let at = connection.expires_at.unwrap();
    let expected = Lapsed {
        connection: connection.id.clone(),
        endpoint: connection.endpoint.clone(),
        format: connection.format,
        expires_at: at,
    };
    assert_eq!(lapses(fixture, &connection.id, at).await, expected);
    let before = Timestamp::from_ms(at.as_ms() - 1);
    assert!(!lapsed(fixture, &connection.id, before).await, "not a moment sooner");
}

pub async fn a_connection_without_a_token_never_expires(fixture: &impl StoreFixture) {
    let guest = opened(fixture).await;
    let member = expiring(fixture, HOUR).await;
    let far = fixture.clock().now().plus(1_000 * HOUR);
    lapses(fixture, &member.id, far).await;
    assert!(!lapsed(fixture, &guest.id, far).await);
}

pub async fn a_renewed_connection_is_not_listed_before_its_new_end(fixture: &impl StoreFixture) {
    let connection = expiring(fixture, HOUR).await;
    let at = connection.expires_at.unwrap();
    lapses(fixture, &connection.id, at).await;
    let identity = renewed(fixture, &connection, 2 * HOUR);
    renew(fixture, &connection.id, &identity).await;
    let gone = async || (!lapsed(fixture, &connection.id, at).await).then_some(());
    eventually(fixture.clock(), "the renewed connection gone from by_expiry", gone).await;
    lapses(fixture, &connection.id, identity.expires_at.unwrap()).await;
}

pub async fn a_buried_connection_is_listed_as_expired_no_more(fixture: &impl StoreFixture) {
    let connection = expiring(fixture, HOUR).await;
    let at = connection.expires_at.unwrap();
    lapses(fixture, &connection.id, at).await;
    fixture.store().bury(&connection.id, fixture.clock().now()).await.unwrap();
    let gone = async || (!lapsed(fixture, &connection.id, at).await).then_some(());
    eventually(fixture.clock(), "the buried connection gone from by_expiry", gone).await;
}

pub async fn expired_connections_come_longest_expired_first_and_at_most_the_limit(fixture: &impl StoreFixture) {
    let mut opened = Vec::new();
    for minutes in [5, 2, 9] {
        // One liveness shard, so that the connections are listed together.
        let connection = loop {
            let candidate = unique_connection(fixture.clock().now());
            if liveness_shard(&candidate.id) == 0 {
                break candidate;
            }
        };
        let at = fixture.clock().now().plus(minutes * Duration::from_secs(60));
        let connection = Connection { expires_at: Some(at), ..connection };
        open(fixture, &connection).await;
        opened.push(connection);
    }
    let far = fixture.clock().now().plus(HOUR);
    for connection in &opened {
        lapses(fixture, &connection.id, far).await;
    }
    let ours: BTreeSet<&ConnectionId> = opened.iter().map(|connection| &connection.id).collect();
    let listed = fixture.store().expired(0, far, MANY).await.unwrap();
    assert!(listed.is_sorted_by_key(|lapsed| lapsed.expires_at));
    let order: Vec<ConnectionId> =
        listed.iter().map(|lapsed| lapsed.connection.clone()).filter(|id| ours.contains(id)).collect();
    assert_eq!(order, [1, 0, 2].map(|n: usize| opened[n].id.clone()));
    assert_eq!(fixture.store().expired(0, far, 2).await.unwrap(), listed[..2]);
}

/// Opens a connection whose token expires after this time.
async fn expiring(fixture: &impl StoreFixture, after: Duration) -> Connection {
    let now = fixture.clock().now();
    let connection = Connection { expires_at: Some(now.plus(after)), ..unique_connection(now) };
    open(fixture, &connection).await;
    connection
}

/// The identity of a connection with another token, which expires after this time.
fn renewed(fixture: &impl StoreFixture, connection: &Connection, after: Duration) -> Identity {
    let permissions = Permissions { join: vec![Pattern::new("team:\"*")], ..Permissions::default() };
    Identity {
        user: connection.user.clone(),
        device: Some(Device::parse("phone").unwrap()),
        guest: false,
        admin: true,
        expires_at: Some(fixture.clock().now().plus(after)),
        permissions,
        stamp: samples::stamp("a-renewed-token", fixture.clock().now()),
    }
}

/// A publication, a ping and a renewal beside transactions on the same connection, in any order.
pub async fn what_is_written_beside_transactions_is_written_all_the_same(fixture: &impl StoreFixture) {
    let connection = expiring(fixture, HOUR).await;
    let (id, now) = (&connection.id, fixture.clock().now());
    let rooms: Vec<RoomId> = (0..3).map(|_| unique_room()).collect();
    for room in &rooms {
        join(fixture, &connection, room, Shard::FIRST).await;
    }
    let store = fixture.store();
    let later = now.plus(2 * limits::TOUCH);
    for _ in 0..4 {
        let extended = extensions(&rooms);
        let extend = || store.extend(id, &extended, connection.expires_at);
        let (extended, _, charged, pinged, touched) = join5(
            join_all([extend(), extend()]),
            store.leave(id, std::slice::from_ref(&rooms[0])),
            store.charge(id, Charge::publications(1), now),
            store.charge(id, Charge::ping(3), later),
            store.touch(id, later),
        )
        .await;
        assert!(extended.iter().all(std::result::Result::is_ok), "{extended:?}");
        assert!(charged.is_ok() && pinged.is_ok() && touched.is_ok(), "{charged:?} {pinged:?} {touched:?}");
    }
}

async fn standing(fixture: &impl StoreFixture, connection: &ConnectionId) -> Standing {
    match fixture.store().charge(connection, Charge::ping(0), fixture.clock().now()).await.unwrap() {
        Charged::Granted(standing, _) => standing,
        refused @ Charged::TooSoon(_) => panic!("{refused:?}"),
    }
}

/// Renews the token of a connection. The last renewal counts as one of long ago.
async fn renew(fixture: &impl StoreFixture, connection: &ConnectionId, identity: &Identity) -> Exchanged {
    let now = fixture.clock().now();
    match fixture.store().renew(connection, identity, now).await.unwrap() {
        Exchanged::TooSoon(pause) => fixture.store().renew(connection, identity, now.plus(pause)).await.unwrap(),
        done => done,
    }
}

async fn same(fixture: &impl StoreFixture, connection: &ConnectionId, expected: &[Holding]) {
    let mut holdings = fixture.store().holdings(connection).await.unwrap();
    let mut expected = expected.to_vec();
    holdings.sort_by(|one, other| one.room.cmp(&other.room));
    expected.sort_by(|one, other| one.room.cmp(&other.room));
    assert_eq!(holdings, expected);
}

async fn listing(fixture: &impl StoreFixture, connection: &ConnectionId, now: Timestamp) -> Option<Lapsed> {
    let listed = fixture.store().expired(liveness_shard(connection), now, MANY).await.unwrap();
    listed.into_iter().find(|lapsed| lapsed.connection == *connection)
}

async fn lapsed(fixture: &impl StoreFixture, connection: &ConnectionId, now: Timestamp) -> bool {
    listing(fixture, connection, now).await.is_some()
}

/// Reads the index until it lists a connection as expired.
async fn lapses(fixture: &impl StoreFixture, connection: &ConnectionId, now: Timestamp) -> Lapsed {
    eventually(fixture.clock(), "the connection in by_expiry", async || listing(fixture, connection, now).await).await
}

//! Promises of [`Charges`]: the rates of a connection and of a room are exact to the millisecond,
//! with any number of simultaneous charges.

use std::time::Duration;

use domain::ports::{Charged, Charges, Clock, Connections, Rooms, Standing};
use domain::{Charge, Connection, Head, Timestamp, limits};
use futures::future::join_all;

use crate::contracts::StoreFixture;
use crate::contracts::scene::{insist, opened, unique_connection, unique_room};
use crate::samples;

/// The number of publications that one connection may publish at once.
const BURST: usize = limits::CONNECTION_RATE.burst() as usize;

pub async fn a_burst_is_granted_and_what_is_beyond_it_is_told_when(fixture: &impl StoreFixture) {
    let (connection, now) = (opened(fixture).await, fixture.clock().now());
    for count in [1, 10, 10, 10, 8, 1] {
        assert_eq!(charge(fixture, &connection, count, now).await, Charged::Granted(Standing::AsConnected));
    }
    let after = |count| Charged::TooSoon(limits::CONNECTION_RATE.takes(count));
    assert_eq!(charge(fixture, &connection, 1, now).await, after(1));
    assert_eq!(charge(fixture, &connection, 10, now).await, after(10));
}

pub async fn what_was_refused_is_granted_at_the_moment_told_and_not_before(fixture: &impl StoreFixture) {
    let (connection, now) = (opened(fixture).await, fixture.clock().now());
    charge(fixture, &connection, BURST, now).await;
    let Charged::TooSoon(pause) = charge(fixture, &connection, 3, now).await else { panic!("all were granted") };
    let ms = Duration::from_millis(1);
    assert_eq!(charge(fixture, &connection, 3, now.plus(pause - ms)).await, Charged::TooSoon(ms));
    assert_eq!(charge(fixture, &connection, 3, now.plus(pause)).await, Charged::Granted(Standing::AsConnected));
}

pub async fn who_was_quiet_has_a_whole_burst_again_and_no_more(fixture: &impl StoreFixture) {
    let (connection, now) = (opened(fixture).await, fixture.clock().now());
    for quiet in [0, 3_600] {
        let now = now.plus(Duration::from_secs(quiet));
        assert_eq!(charge(fixture, &connection, BURST, now).await, Charged::Granted(Standing::AsConnected));
        assert!(matches!(charge(fixture, &connection, 1, now).await, Charged::TooSoon(_)));
    }
}

pub async fn charges_at_the_same_moment_all_count(fixture: &impl StoreFixture) {
    let (connection, now) = (opened(fixture).await, fixture.clock().now());
    let one = async || {
        insist(fixture.clock(), async || fixture.store().charge(&connection.id, Charge::publications(10), now).await)
            .await
    };
    let charged = join_all((0..8).map(|_| one())).await;
    let granted = charged.iter().filter(|charged| matches!(charged, Charged::Granted(_))).count();
    assert_eq!(granted, 4, "{charged:?}");
}

pub async fn one_connections_charges_are_no_others(fixture: &impl StoreFixture) {
    let (one, other, now) = (opened(fixture).await, opened(fixture).await, fixture.clock().now());
    charge(fixture, &one, BURST, now).await;
    assert_eq!(charge(fixture, &other, BURST, now).await, Charged::Granted(Standing::AsConnected));
}

pub async fn nobody_is_charged_who_is_not_connected_and_none_is_revived(fixture: &impl StoreFixture) {
    let (buried, now) = (opened(fixture).await, fixture.clock().now());
    charge(fixture, &buried, 1, now).await;
    fixture.store().bury(&buried.id, now).await.unwrap();
    for nobody in [buried, unique_connection(now)] {
        assert_eq!(charge(fixture, &nobody, 1, now).await, Charged::Granted(Standing::Unknown));
        assert_eq!(fixture.store().find(&nobody.id).await.unwrap(), None);
    }
}

pub async fn who_is_charged_is_alive_and_otherwise_as_before(fixture: &impl StoreFixture) {
    let (connection, now) = (opened(fixture).await, fixture.clock().now());
    charge(fixture, &connection, 1, now).await;
    assert_eq!(fixture.store().find(&connection.id).await.unwrap(), Some(connection.clone()));
    let later = now.plus(limits::TOUCH + Duration::from_millis(1));
    charge(fixture, &connection, 1, later).await;
    let seen = Connection { last_seen_at: later, ..connection.clone() };
    assert_eq!(fixture.store().find(&connection.id).await.unwrap(), Some(seen));
}

pub async fn publications_and_other_requests_share_one_allowance(fixture: &impl StoreFixture) {
    let (connection, now) = (opened(fixture).await, fixture.clock().now());
    let granted = Charged::Granted(Standing::AsConnected);
    charge(fixture, &connection, BURST, now).await;
    for request in [Charge::ping(3), Charge::join(), Charge::sync(100)] {
        assert_eq!(fixture.store().charge(&connection.id, request, now).await.unwrap(), granted);
    }
    let over = Charge::ping(3).takes() + Charge::join().takes() + Charge::sync(100).takes();
    let after = Charged::TooSoon(Charge::publications(1).takes() + over);
    assert_eq!(charge(fixture, &connection, 1, now).await, after);
}

pub async fn a_further_charge_is_written_whatever_the_rate_and_later_requests_wait_for_it(fixture: &impl StoreFixture) {
    let (connection, now) = (opened(fixture).await, fixture.clock().now());
    let (store, more) = (fixture.store(), Charge::sync(4_000));
    store.charge(&connection.id, Charge::who(), now).await.unwrap();
    store.charge_anyway(&connection.id, more).await.unwrap();
    let pause = Charge::who().takes() * 2 + more.takes() - limits::REQUEST_RATE.takes(limits::REQUEST_RATE.burst());
    assert_eq!(store.charge(&connection.id, Charge::who(), now).await.unwrap(), Charged::TooSoon(pause));
    let granted = Charged::Granted(Standing::AsConnected);
    assert_eq!(store.charge(&connection.id, Charge::who(), now.plus(pause)).await.unwrap(), granted);
}

pub async fn no_further_charge_revives_a_connection(fixture: &impl StoreFixture) {
    let (buried, now) = (opened(fixture).await, fixture.clock().now());
    fixture.store().bury(&buried.id, now).await.unwrap();
    for nobody in [buried, unique_connection(now)] {
        fixture.store().charge_anyway(&nobody.id, Charge::who()).await.unwrap();
        assert_eq!(charge(fixture, &nobody, 1, now).await, Charged::Granted(Standing::Unknown));
        assert_eq!(fixture.store().find(&nobody.id).await.unwrap(), None);
    }
}

pub async fn a_keep_alive_records_traffic_whenever_it_comes(fixture: &impl StoreFixture) {
    let (connection, now) = (opened(fixture).await, fixture.clock().now());
    let store = fixture.store();
    let seen = async || store.find(&connection.id).await.unwrap().unwrap().last_seen_at;
    for (after, charge, recorded) in [
        (Duration::from_secs(2), Charge::ping(1), false),
        (limits::KEEP_ALIVE, Charge::ping(1), true),
        (limits::KEEP_ALIVE, Charge::join(), false),
        (2 * limits::KEEP_ALIVE, Charge::join(), true),
    ] {
        let (at, before) = (now.plus(after), seen().await);
        store.charge(&connection.id, charge, at).await.unwrap();
        assert_eq!(seen().await, if recorded { at } else { before }, "{charge:?} after {after:?}");
    }
}

pub async fn what_is_appended_takes_up_the_rate_of_its_room(fixture: &impl StoreFixture) {
    let (room, now) = (unique_room(), fixture.clock().now());
    assert_eq!(fixture.store().room_busy_until(&room).await.unwrap(), Timestamp::default());
    let head = fixture.store().create(&room, &samples::epoch("k7QfA1"), fixture.clock().now()).await.unwrap();
    let append = samples::append(&room, &head, &vec![samples::data("1"); 3], now);
    fixture.store().append(&append).await.unwrap();
    let until = now.plus(limits::ROOM_RATE.takes(3));
    assert_eq!(fixture.store().room_busy_until(&room).await.unwrap(), until);
    assert_eq!(fixture.store().head(&room).await.unwrap().map(|head| head.busy_until), Some(until));
}

pub async fn what_is_not_stored_takes_up_the_rate_of_a_room_and_never_gives_it_back(fixture: &impl StoreFixture) {
    let (room, now) = (unique_room(), fixture.clock().now());
    let later = now.plus(Duration::from_millis(5));
    fixture.store().note_room_busy(&room, now).await.unwrap();
    assert_eq!(fixture.store().head(&room).await.unwrap(), None, "no room comes of it");
    let head = fixture.store().create(&room, &samples::epoch("k7QfA1"), fixture.clock().now()).await.unwrap();
    for (until, noted) in [(now, now), (later, later), (now, later)] {
        fixture.store().note_room_busy(&room, until).await.unwrap();
        assert_eq!(fixture.store().head(&room).await.unwrap(), Some(Head { busy_until: noted, ..head.clone() }));
    }
}

/// Charges a connection for so many publications.
async fn charge(fixture: &impl StoreFixture, connection: &Connection, count: usize, now: Timestamp) -> Charged {
    fixture.store().charge(&connection.id, Charge::publications(count), now).await.unwrap()
}

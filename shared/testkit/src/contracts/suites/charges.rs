//! Promises of [`Charges`]: the rates of a connection, of a user and of a room are exact to the
//! millisecond, with any number of simultaneous charges.

use std::time::Duration;

use domain::ports::{Charged, Charges, Clock, Connections, Rooms, Standing};
use domain::{Charge, Connection, Head, Load, Publisher, Shares, Timestamp, UserId, limits};
use futures::future::join_all;

use crate::contracts::StoreFixture;
use crate::contracts::scene::{insist, opened, unique, unique_connection, unique_room};
use crate::samples;

/// The number of publications that one connection may publish at once.
const BURST: usize = limits::CONNECTION_RATE.burst() as usize;
const GRANTED: Result<Standing, Duration> = Ok(Standing::AsConnected);

pub async fn a_burst_is_granted_and_what_is_beyond_it_is_told_when(fixture: &impl StoreFixture) {
    let (connection, now) = (opened(fixture).await, fixture.clock().now());
    for count in [1, 10, 10, 10, 8, 1] {
        assert_eq!(charge(fixture, &connection, count, now).await, GRANTED);
    }
    let after = |count| Err(limits::CONNECTION_RATE.takes(count));
    assert_eq!(charge(fixture, &connection, 1, now).await, after(1));
    assert_eq!(charge(fixture, &connection, 10, now).await, after(10));
}

pub async fn what_was_refused_is_granted_at_the_moment_told_and_not_before(fixture: &impl StoreFixture) {
    let (connection, now) = (opened(fixture).await, fixture.clock().now());
    assert_eq!(charge(fixture, &connection, BURST, now).await, GRANTED);
    let Err(pause) = charge(fixture, &connection, 3, now).await else { panic!("all were granted") };
    let ms = Duration::from_millis(1);
    assert_eq!(charge(fixture, &connection, 3, now.plus(pause - ms)).await, Err(ms));
    assert_eq!(charge(fixture, &connection, 3, now.plus(pause)).await, GRANTED);
}

pub async fn who_was_quiet_has_a_whole_burst_again_and_no_more(fixture: &impl StoreFixture) {
    let (connection, now) = (opened(fixture).await, fixture.clock().now());
    for quiet in [0, 3_600] {
        let now = now.plus(Duration::from_secs(quiet));
        assert_eq!(charge(fixture, &connection, BURST, now).await, GRANTED);
        assert!(charge(fixture, &connection, 1, now).await.is_err());
    }
}

pub async fn charges_at_the_same_moment_all_count(fixture: &impl StoreFixture) {
    let (connection, now) = (opened(fixture).await, fixture.clock().now());
    let one = async || {
        let call = async || fixture.store().charge(&connection.id, Charge::publications(10), now).await;
        outcome(insist(fixture.clock(), call).await)
    };
    let charged = join_all((0..8).map(|_| one())).await;
    let granted = charged.iter().filter(|charged| charged.is_ok()).count();
    assert_eq!(granted, 4, "{charged:?}");
}

pub async fn one_connections_charges_are_no_others(fixture: &impl StoreFixture) {
    let (one, other, now) = (opened(fixture).await, opened(fixture).await, fixture.clock().now());
    assert_eq!(charge(fixture, &one, BURST, now).await, GRANTED);
    assert_eq!(charge(fixture, &other, BURST, now).await, GRANTED);
}

pub async fn nobody_is_charged_who_is_not_connected_and_none_is_revived(fixture: &impl StoreFixture) {
    let (buried, now) = (opened(fixture).await, fixture.clock().now());
    assert_eq!(charge(fixture, &buried, 1, now).await, GRANTED);
    fixture.store().bury(&buried.id, now).await.unwrap();
    for nobody in [buried, unique_connection(now)] {
        assert_eq!(charge(fixture, &nobody, 1, now).await, Ok(Standing::Unknown));
        assert_eq!(fixture.store().find(&nobody.id).await.unwrap(), None);
    }
}

pub async fn who_is_charged_is_alive_and_otherwise_as_before(fixture: &impl StoreFixture) {
    let (connection, now) = (opened(fixture).await, fixture.clock().now());
    assert_eq!(charge(fixture, &connection, 1, now).await, GRANTED);
    assert_eq!(fixture.store().find(&connection.id).await.unwrap(), Some(connection.clone()));
    let later = now.plus(limits::TOUCH + Duration::from_millis(1));
    assert_eq!(charge(fixture, &connection, 1, later).await, GRANTED);
    let seen = Connection { last_seen_at: later, ..connection.clone() };
    assert_eq!(fixture.store().find(&connection.id).await.unwrap(), Some(seen));
}

pub async fn publications_and_other_requests_share_one_allowance(fixture: &impl StoreFixture) {
    let (connection, now) = (opened(fixture).await, fixture.clock().now());
    assert_eq!(charge(fixture, &connection, BURST, now).await, GRANTED);
    for request in [Charge::ping(3), Charge::join(), Charge::sync(100)] {
        assert_eq!(outcome(fixture.store().charge(&connection.id, request, now).await.unwrap()), GRANTED);
    }
    let over = Charge::ping(3).takes() + Charge::join().takes() + Charge::sync(100).takes();
    let after = Err(Charge::publications(1).takes() + over);
    assert_eq!(charge(fixture, &connection, 1, now).await, after);
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
    assert_eq!(fixture.store().room_load(&room).await.unwrap(), Load::default());
    let head = fixture.store().create(&room, &samples::epoch("k7QfA1"), fixture.clock().now()).await.unwrap();
    let append = samples::append(&room, &head, &vec![samples::data("1"); 3], now);
    fixture.store().append(&append).await.unwrap();
    let until = now.plus(limits::ROOM_RATE.takes(3));
    let publishers = append.publications.iter().map(|(_, key)| &key.publisher);
    let load = Load { busy_until: until, shares: Shares::default().note(publishers, now) };
    assert!(!load.shares.is_empty());
    assert_eq!(fixture.store().room_load(&room).await.unwrap(), load);
    let head = fixture.store().head(&room).await.unwrap().unwrap();
    assert_eq!((head.busy_until, head.shares), (until, load.shares));
}

pub async fn what_is_not_stored_takes_up_the_rate_of_a_room_and_never_gives_it_back(fixture: &impl StoreFixture) {
    let (room, now) = (unique_room(), fixture.clock().now());
    let later = now.plus(Duration::from_millis(5));
    let ada = Publisher::user(&samples::user("ada"));
    let load = |until: Timestamp| Load { busy_until: until, shares: Shares::default().note([&ada], until) };
    fixture.store().note_room_busy(&room, &load(now)).await.unwrap();
    assert_eq!(fixture.store().head(&room).await.unwrap(), None, "no room comes of it");
    let head = fixture.store().create(&room, &samples::epoch("k7QfA1"), fixture.clock().now()).await.unwrap();
    for (until, noted) in [(now, now), (later, later), (now, later)] {
        fixture.store().note_room_busy(&room, &load(until)).await.unwrap();
        let Load { busy_until, shares } = load(noted);
        assert_eq!(fixture.store().head(&room).await.unwrap(), Some(Head { busy_until, shares, ..head.clone() }));
    }
}

pub async fn a_charge_shows_what_was_used_before_it(fixture: &impl StoreFixture) {
    let (connection, now) = (opened(fixture).await, fixture.clock().now());
    let later = now.plus(Duration::from_secs(1));
    let first = now.plus(Charge::join().takes());
    let second = later.plus(Charge::join().takes());
    for (at, before) in [(now, None), (later, Some(first)), (later, Some(second))] {
        let charged = fixture.store().charge(&connection.id, Charge::join(), at).await.unwrap();
        assert_eq!(charged, Charged::Granted(Standing::AsConnected, before));
    }
}

pub async fn a_user_has_one_allowance_whatever_is_guessed_of_it(fixture: &impl StoreFixture) {
    let (now, ms) = (fixture.clock().now(), Duration::from_millis(1));
    for is_busy in [true, false] {
        let (user, other) = (unique_user(), unique_user());
        let charge = async |user, count, at| {
            fixture.store().charge_user(user, Charge::publications(count), is_busy, at).await.unwrap()
        };
        for quiet in [0, 3_600] {
            let now = now.plus(Duration::from_secs(quiet));
            assert_eq!([charge(&user, BURST - 10, now).await, charge(&user, 10, now).await], [None; 2]);
            let pause = charge(&user, 3, now).await.unwrap();
            assert_eq!(pause, limits::CONNECTION_RATE.takes(3));
            assert_eq!(charge(&user, 3, now.plus(pause - ms)).await, Some(ms));
            assert_eq!(charge(&user, 3, now.plus(pause)).await, None);
        }
        assert_eq!(charge(&other, BURST, now).await, None, "another user has its own");
    }
}

pub async fn charges_of_a_user_at_the_same_moment_all_count(fixture: &impl StoreFixture) {
    let (user, now) = (unique_user(), fixture.clock().now());
    let one = async || {
        let call = async || fixture.store().charge_user(&user, Charge::publications(10), false, now).await;
        insist(fixture.clock(), call).await
    };
    let charged = join_all((0..8).map(|_| one())).await;
    assert_eq!(charged.iter().filter(|pause| pause.is_none()).count(), 4, "{charged:?}");
}

fn unique_user() -> UserId {
    samples::user(&unique("u"))
}

/// Charges a connection for so many publications.
async fn charge(
    fixture: &impl StoreFixture,
    connection: &Connection,
    count: usize,
    now: Timestamp,
) -> Result<Standing, Duration> {
    outcome(fixture.store().charge(&connection.id, Charge::publications(count), now).await.unwrap())
}

fn outcome(charged: Charged) -> Result<Standing, Duration> {
    match charged {
        Charged::Granted(standing, _) => Ok(standing),
        Charged::TooSoon(pause) => Err(pause),
    }
}

//! A connection is replaced before API Gateway cuts it, without an effect on the application.

use roomcast_client::rules::{Event, LinkId, Loss, times};
use serde_json::json;

use crate::bench::{Bench, block};

/// A client that has just requested its second connection.
fn grown_old() -> Bench {
    let mut bench = Bench::in_lobby();
    while !bench.is_opening() {
        bench.pass_to_wakeup();
        bench.answer_pings();
    }
    let minutes = bench.now_ms / 60_000;
    assert!((105..=115).contains(&minutes), "{minutes}");
    bench
}

fn replay(seq: u64, count: u64) -> serde_json::Value {
    json!({"ep": "k7Qf", "seq": seq + count - 1, "recovered": true, "b": [block("lobby", "k7Qf", seq, count)]})
}

#[test]
fn a_second_connection_is_opened_and_synced_before_the_first_is_closed() {
    let mut bench = grown_old();
    let first = bench.link;
    let second = bench.open();
    let live = json!({"b": [block("lobby", "k7Qf", 11, 1)]}).to_string();
    bench.receive_on(first, &live);
    assert_eq!(bench.heard(), [11], "the first is still heard");
    assert!(bench.closed().is_empty());
    bench.answer_sync(&[("lobby", replay(11, 2))]);
    bench.receive_on(second, &live);
    bench.receive_on(first, &json!({"b": [block("lobby", "k7Qf", 12, 2)]}).to_string());
    assert_eq!(bench.heard(), [12, 13], "nothing twice, nothing lost");
    bench.pass(times::OVERLAP_MS);
    assert_eq!(bench.closed(), [first]);
    bench.receive_on(first, &json!({"b": [block("lobby", "k7Qf", 14, 1)]}).to_string());
    assert!(bench.heard().is_empty());
}

#[test]
fn the_first_is_kept_until_the_replay_on_the_second_is_whole() {
    let mut bench = grown_old();
    bench.open();
    let mut part = replay(11, 2);
    (part["seq"], part["next"]) = (json!(14), json!(12));
    bench.answer_sync(&[("lobby", part)]);
    bench.pass(times::OVERLAP_MS + 1);
    assert!(bench.closed().is_empty());
    let (id, _) = bench.asked("join");
    let mut rest = replay(13, 2);
    rest["room"] = json!("lobby");
    bench.ok(id, &rest);
    bench.pass(times::OVERLAP_MS);
    assert_eq!(bench.closed().len(), 1);
}

#[test]
fn a_publish_in_flight_goes_to_the_second_connection() {
    let mut bench = grown_old();
    bench.publish("lobby", "a");
    bench.asked("publish");
    bench.open();
    bench.asked("sync");
    let (id, request) = bench.asked("publish");
    assert_eq!(request["pid"], "a");
    bench.ok(id, &json!({"accepted": ["a"]}));
    assert!(matches!(bench.events()[..], [Event::Accepted { .. }]));
}

#[test]
fn a_second_connection_that_does_not_open_is_tried_again_and_the_first_stays() {
    for because in [Loss::Failed("no".to_owned()), Loss::Refused { status: 403 }] {
        let mut bench = grown_old();
        bench.fail(because);
        assert!(bench.events().is_empty() && !bench.is_opening());
        bench.pass(2 * times::ROTATE_RETRY_MS);
        assert!(bench.is_opening());
    }
}

#[test]
fn a_second_connection_that_is_lost_at_once_leaves_the_first_in_charge() {
    let mut bench = grown_old();
    let first = bench.link;
    let second = bench.open();
    bench.asked("sync");
    bench.client.closed(second, Loss::Closed { code: Some(1001) }, bench.now_ms);
    bench.link = first;
    bench.drain();
    bench.answer_sync(&[("lobby", replay(11, 1))]);
    assert_eq!(bench.heard(), [11]);
    bench.pass(2 * times::ROTATE_RETRY_MS);
    assert!(bench.is_opening());
}

#[test]
fn a_first_connection_that_is_lost_during_the_exchange_is_not_missed() {
    let mut bench = grown_old();
    let first = bench.link;
    bench.open();
    bench.client.closed(first, Loss::Closed { code: Some(1001) }, bench.now_ms);
    bench.drain();
    bench.answer_sync(&[("lobby", replay(11, 1))]);
    assert_eq!(bench.heard(), [11]);
}

#[test]
fn a_first_connection_that_is_lost_while_the_second_opens_means_waiting_for_that() {
    let mut bench = grown_old();
    bench.reset();
    assert!(matches!(bench.events()[..], [Event::Offline { retry_in_ms: 0, .. }]));
    bench.open();
    bench.answer_sync(&[("lobby", replay(11, 1))]);
    assert!(matches!(bench.events()[..], [Event::Online, Event::Message(_), Event::Resumed { .. }]));
}

#[test]
fn a_connection_that_opens_though_nobody_waits_for_it_is_closed() {
    let mut bench = Bench::in_lobby();
    bench.client.connected(LinkId(99), bench.now_ms);
    bench.drain();
    assert_eq!(bench.closed(), [LinkId(99)]);
}

//! Outcomes of publications and questions.

use domain::Data;
use roomcast_client::rules::{Event, NoAnswer, NotTaken, Ticket, times};
use serde_json::json;

use crate::bench::{Bench, pid, room};

#[test]
fn one_publish_is_in_flight_per_room_and_the_rest_waits_in_order() {
    let mut bench = Bench::in_lobby();
    for id in ["a", "b", "c"] {
        bench.publish("lobby", id);
    }
    bench.publish("elsewhere", "x");
    let (first, request) = bench.asked("publish");
    assert_eq!((&request["pid"], &request["data"]), (&json!("a"), &json!({"text": "a"})));
    assert_eq!(bench.asked("publish").1["room"], "elsewhere");
    bench.nothing_sent();
    bench.ok(first, &json!({"accepted": ["a"]}));
    assert_eq!(bench.events(), [Event::Accepted { room: room("lobby"), pid: pid("a") }]);
    let (second, request) = bench.asked("publish");
    assert_eq!(request["items"][0]["pid"], "b");
    assert_eq!(request["items"][1]["pid"], "c");
    bench.ok(second, &json!({"accepted": ["b", "c"]}));
    assert_eq!(bench.events().len(), 2);
}

#[test]
fn an_unanswered_publish_is_sent_again_with_the_same_id() {
    let mut bench = Bench::in_lobby();
    bench.publish("lobby", "a");
    let (first, _) = bench.asked("publish");
    bench.pass(times::REQUEST_TIMEOUT_MS);
    bench.asked("ping");
    bench.pong(&json!({}));
    bench.pass(times::BACKOFF_BASE_MS);
    let (again, request) = bench.asked("publish");
    assert_eq!((request["pid"].as_str(), again != first), (Some("a"), true));
    bench.ok(first, &json!({"accepted": ["a"]}));
    assert!(bench.events().is_empty(), "an answer that comes too late is passed over");
    bench.ok(again, &json!({"accepted": ["a"]}));
    assert_eq!(bench.events(), [Event::Accepted { room: room("lobby"), pid: pid("a") }]);
}

#[test]
fn an_id_that_was_used_before_is_reported_unless_this_client_has_sent_it_before() {
    let mut bench = Bench::in_lobby();
    bench.publish("lobby", "a");
    let (first, _) = bench.asked("publish");
    bench.ok(first, &json!({"accepted": ["a"], "repeated": ["a"]}));
    let (lobby, a) = (room("lobby"), pid("a"));
    let expected =
        [Event::Accepted { room: lobby.clone(), pid: a.clone() }, Event::Repeated { room: lobby.clone(), pid: a }];
    assert_eq!(bench.events(), expected);
    bench.publish("lobby", "b");
    bench.asked("publish");
    bench.pass(times::REQUEST_TIMEOUT_MS);
    bench.asked("ping");
    bench.pong(&json!({}));
    bench.pass(times::BACKOFF_BASE_MS);
    let (again, _) = bench.asked("publish");
    bench.ok(again, &json!({"accepted": ["b"], "repeated": ["b"]}));
    assert_eq!(bench.events(), [Event::Accepted { room: lobby, pid: pid("b") }], "it is its own repeat");
}

#[test]
fn an_unanswered_publish_is_sent_again_on_the_next_connection() {
    let mut bench = Bench::in_lobby();
    bench.publish("lobby", "a");
    bench.publish("lobby", "b");
    bench.asked("publish");
    bench.reset();
    bench.pass(1_000);
    bench.open();
    bench.asked("sync");
    assert_eq!(bench.asked("publish").1["pid"], "a");
    bench.nothing_sent();
}

#[test]
fn a_publish_that_is_refused_for_now_is_sent_again_when_the_server_said() {
    for code in ["rate_limited", "unavailable"] {
        let mut bench = Bench::in_lobby();
        bench.publish("lobby", "a");
        let (id, _) = bench.asked("publish");
        bench.refuse(id, code, Some(1_500));
        let waited = bench.pass_to_wakeup();
        assert!((1_500..=2_000).contains(&waited), "{waited}");
        assert_eq!(bench.asked("publish").1["pid"], "a");
        assert!(bench.events().is_empty());
    }
}

#[test]
fn a_publish_that_is_refused_for_good_is_told_and_the_next_one_goes_on() {
    let mut bench = Bench::in_lobby();
    bench.publish("secret", "a");
    bench.publish("secret", "b");
    let (id, _) = bench.asked("publish");
    bench.refuse(id, "forbidden", None);
    let [Event::Rejected { pid: rejected, .. }] = &bench.events()[..] else { panic!() };
    assert_eq!(*rejected, pid("a"));
    assert_eq!(bench.asked("publish").1["pid"], "b");
}

#[test]
fn a_full_queue_refuses_and_loses_nothing() {
    let mut bench = Bench::new();
    for n in 0..times::WAITING_PUBLICATIONS {
        bench.publish("lobby", &format!("p{n}"));
    }
    let data = Data::text("x").unwrap();
    assert_eq!(bench.client.publish(room("lobby"), pid("x"), data, 0), Err(NotTaken::Publications));
    bench.open();
    let mut accepted = 0;
    while accepted < times::WAITING_PUBLICATIONS {
        let (id, request) = bench.asked("publish");
        let ids: Vec<_> = request["items"].as_array().unwrap().iter().map(|item| item["pid"].clone()).collect();
        assert_eq!(ids[0], format!("p{accepted}"));
        accepted += ids.len();
        bench.ok(id, &json!({"accepted": ids}));
    }
}

#[test]
fn whoever_publishes_while_joining_hears_what_they_published() {
    let mut bench = Bench::new();
    bench.join("lobby");
    bench.publish("lobby", "a");
    bench.open();
    let (sync, _) = bench.asked("sync");
    bench.nothing_sent();
    bench.ok(sync, &json!({"rooms": {"lobby": {"room": "lobby", "ep": "k7Qf", "seq": 10}}}));
    bench.asked("publish");
}

#[test]
fn history_is_asked_for_and_answered() {
    let mut bench = Bench::in_lobby();
    bench.history(7, "lobby");
    let (id, request) = bench.asked("history");
    assert_eq!((&request["limit"], request.get("before")), (&json!(20), None));
    bench.ok(id, &json!({"room": "lobby", "ep": "k7Qf", "seq": 10, "history": []}));
    assert!(
        matches!(&bench.events()[..], [Event::History { ticket: Ticket(7), page: Ok(page) }] if page.seq.get() == 10)
    );
}

#[test]
fn history_that_is_refused_or_never_answered_is_told() {
    let mut bench = Bench::in_lobby();
    bench.history(1, "secret");
    let (id, _) = bench.asked("history");
    bench.refuse(id, "forbidden", None);
    assert!(matches!(bench.events()[..], [Event::History { page: Err(NoAnswer::Refused(_)), .. }]));
    bench.history(2, "lobby");
    for _ in 0..times::QUESTION_TRIES {
        let (id, _) = bench.asked("history");
        bench.refuse(id, "unavailable", Some(100));
        bench.pass(9_000);
    }
    assert!(matches!(bench.events()[..], [Event::History { ticket: Ticket(2), page: Err(NoAnswer::Unanswered) }]));
    bench.nothing_sent();
}

#[test]
fn who_is_there_is_asked_for_and_answered_refused_or_given_up() {
    let mut bench = Bench::in_lobby();
    bench.who(7, "lobby", Some("ada"));
    let (id, request) = bench.asked("who");
    assert_eq!((&request["limit"], &request["after"]), (&json!(20), &json!("ada")));
    bench.ok(id, &json!({"room": "lobby", "members": 1, "users": [{"user": "bob", "since": 5, "connections": 1}]}));
    assert!(matches!(&bench.events()[..], [Event::Who { ticket: Ticket(7), page: Ok(page) }] if page.members == 1));
    bench.who(8, "secret", None);
    let (id, _) = bench.asked("who");
    bench.refuse(id, "forbidden", None);
    assert!(matches!(bench.events()[..], [Event::Who { page: Err(NoAnswer::Refused(_)), .. }]));
    bench.who(9, "lobby", None);
    for _ in 0..times::QUESTION_TRIES {
        let (id, _) = bench.asked("who");
        bench.refuse(id, "unavailable", Some(100));
        bench.pass(9_000);
    }
    assert!(matches!(bench.events()[..], [Event::Who { ticket: Ticket(9), page: Err(NoAnswer::Unanswered) }]));
}

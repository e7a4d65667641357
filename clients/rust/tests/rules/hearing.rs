//! Delivery of a room to the application: positions, gaps, replays.

use domain::UserId;
use roomcast_client::rules::{Event, times};
use serde_json::json;

use crate::bench::{Bench, at, block, room};

#[test]
fn what_is_published_after_joining_is_heard_once_and_in_order() {
    let mut bench = Bench::in_lobby();
    bench.hear("lobby", "k7Qf", 9, 4);
    bench.hear("lobby", "k7Qf", 11, 2);
    bench.hear("lobby", "k7Qf", 13, 1);
    assert_eq!(bench.heard(), [11, 12, 13]);
    assert_eq!(bench.client.position(&room("lobby")), Some(&at("k7Qf", 13)));
    bench.nothing_sent();
}

#[test]
fn what_arrives_before_the_reply_waits_for_it() {
    let mut bench = Bench::new();
    bench.join("lobby");
    bench.open();
    bench.hear("lobby", "k7Qf", 10, 3);
    assert_eq!(bench.events(), [Event::Online]);
    bench.answer_sync(&[("lobby", json!({"ep": "k7Qf", "seq": 10, "members": 7}))]);
    let joined = bench.events().remove(0);
    assert_eq!(joined, Event::Joined { room: room("lobby"), head: at("k7Qf", 10), members: Some(7) });
    bench.hear("lobby", "k7Qf", 12, 2);
    assert_eq!(bench.client.position(&room("lobby")), Some(&at("k7Qf", 13)));
}

#[test]
fn rooms_that_were_not_joined_are_not_heard() {
    let mut bench = Bench::in_lobby();
    bench.hear("@ada", "k7Qf", 1, 1);
    assert!(bench.heard().is_empty());
}

#[test]
fn a_gap_that_fills_itself_within_two_seconds_is_not_asked_for() {
    let mut bench = Bench::in_lobby();
    bench.hear("lobby", "k7Qf", 12, 2);
    assert!(bench.heard().is_empty());
    bench.pass(times::HOLD_MS - 1);
    bench.hear("lobby", "k7Qf", 11, 1);
    assert_eq!(bench.heard(), [11, 12, 13]);
    bench.pass(60_000);
    bench.nothing_sent();
}

#[test]
fn a_gap_of_two_seconds_is_asked_for_with_jitter_and_filled_from_the_log() {
    let mut bench = Bench::in_lobby();
    bench.hear("lobby", "k7Qf", 13, 1);
    let waited = bench.pass_to_wakeup();
    assert!((times::HOLD_MS..=times::HOLD_MS + times::HOLD_JITTER_MS).contains(&waited), "{waited}");
    let (id, join) = bench.asked("join");
    assert_eq!(join["since"], json!({"ep": "k7Qf", "seq": 10}));
    let b = [block("lobby", "k7Qf", 11, 3)];
    bench.ok(id, &json!({"room": "lobby", "ep": "k7Qf", "seq": 13, "recovered": true, "b": b}));
    assert_eq!(bench.heard(), [11, 12, 13]);
}

#[test]
fn a_room_that_moves_gets_its_full_time_for_every_gap() {
    let mut bench = Bench::in_lobby();
    for n in 0..20 {
        bench.hear("lobby", "k7Qf", 12 + 2 * n, 1);
        bench.pass(1_500);
        bench.hear("lobby", "k7Qf", 11 + 2 * n, 1);
    }
    assert_eq!(bench.heard(), (11..=50).collect::<Vec<_>>());
    bench.nothing_sent();
}

#[test]
fn live_blocks_wait_until_the_replay_is_whole() {
    let mut bench = Bench::in_lobby();
    bench.reset();
    bench.pass(1_000);
    bench.open();
    bench.events();
    bench.hear("lobby", "k7Qf", 16, 1);
    let b = [block("lobby", "k7Qf", 11, 2)];
    bench.answer_sync(&[("lobby", json!({"ep": "k7Qf", "seq": 15, "recovered": true, "next": 12, "b": b}))]);
    assert_eq!(bench.heard(), [11, 12]);
    bench.pass(0);
    let (id, join) = bench.asked("join");
    assert_eq!(join["since"], json!({"ep": "k7Qf", "seq": 12}));
    let b = [block("lobby", "k7Qf", 13, 3)];
    bench.ok(id, &json!({"room": "lobby", "ep": "k7Qf", "seq": 15, "recovered": true, "b": b}));
    let resumed = Event::Resumed { room: room("lobby"), at: at("k7Qf", 16), replayed: 6 };
    let events = bench.events();
    assert_eq!(events.len(), 5);
    assert_eq!(events.last(), Some(&resumed));
}

#[test]
fn a_reply_that_brings_nothing_and_says_next_is_not_asked_on_at_once() {
    let mut bench = Bench::in_lobby();
    bench.hear("lobby", "k7Qf", 13, 1);
    bench.pass_to_wakeup();
    let mut asked_at_ms = Vec::new();
    while asked_at_ms.len() < 12 {
        let message = bench.sent();
        if message["action"] == "ping" {
            bench.pong(&json!({}));
        } else {
            asked_at_ms.push(bench.now_ms);
            let nothing = json!({"room": "lobby", "ep": "k7Qf", "seq": 13, "recovered": true, "next": 10});
            bench.ok(message["id"].as_u64().unwrap(), &nothing);
        }
        while bench.is_quiet() {
            bench.pass_to_wakeup();
        }
    }
    assert!(asked_at_ms[11] - asked_at_ms[0] > 20_000, "{asked_at_ms:?}");
}

#[test]
fn what_cannot_be_recovered_is_told_and_hearing_goes_on_from_there() {
    let mut bench = Bench::in_lobby();
    bench.hear("lobby", "k7Qf", 2_001, 1);
    bench.pass_to_wakeup();
    let (id, _) = bench.asked("join");
    bench.ok(id, &json!({"room": "lobby", "ep": "k7Qf", "seq": 2_000, "recovered": false}));
    let missed = Event::Missed { room: room("lobby"), from: at("k7Qf", 10), to: at("k7Qf", 2_000) };
    let events = bench.events();
    assert_eq!(events[0], missed);
    assert!(matches!(&events[1], Event::Message(message) if message.at == at("k7Qf", 2_001)));
}

#[test]
fn a_reply_that_recovers_nothing_is_no_loss_if_all_was_heard_meanwhile() {
    let mut bench = Bench::in_lobby();
    bench.hear("lobby", "k7Qf", 12, 1);
    bench.pass_to_wakeup();
    let (id, _) = bench.asked("join");
    bench.hear("lobby", "k7Qf", 11, 1);
    bench.ok(id, &json!({"room": "lobby", "ep": "k7Qf", "seq": 12, "recovered": false}));
    assert_eq!(bench.heard(), [11, 12]);
}

#[test]
fn a_new_epoch_is_told_and_hearing_goes_on_there() {
    let mut bench = Bench::in_lobby();
    bench.hear("lobby", "new", 1, 2);
    assert!(bench.heard().is_empty(), "nothing is heard before the server has said where the room stands");
    bench.pass_to_wakeup();
    let (id, join) = bench.asked("join");
    assert_eq!(join["since"], json!({"ep": "k7Qf", "seq": 10}));
    bench.ok(id, &json!({"room": "lobby", "ep": "new", "seq": 1, "recovered": false}));
    let events = bench.events();
    assert_eq!(events[0], Event::Missed { room: room("lobby"), from: at("k7Qf", 10), to: at("new", 0) });
    assert!(matches!(&events[1], Event::Message(message) if message.at == at("new", 1)));
    assert!(matches!(&events[2], Event::Message(message) if message.at == at("new", 2)));
}

#[test]
fn what_lies_between_the_first_that_came_live_in_a_new_epoch_and_its_head_is_asked_for() {
    let mut bench = Bench::in_lobby();
    bench.hear("lobby", "new", 21, 2);
    bench.pass_to_wakeup();
    let (id, _) = bench.asked("join");
    bench.ok(id, &json!({"room": "lobby", "ep": "new", "seq": 24, "recovered": false}));
    let events = bench.events();
    assert_eq!(events[0], Event::Missed { room: room("lobby"), from: at("k7Qf", 10), to: at("new", 20) });
    assert!(matches!(&events[2], Event::Message(message) if message.at == at("new", 22)));
    bench.pass(3_001);
    let join = std::iter::repeat_with(|| bench.sent()).find(|sent| sent["action"] == "join").unwrap();
    assert_eq!(join["since"], json!({"ep": "new", "seq": 22}));
}

#[test]
fn more_than_may_be_held_is_dropped_and_asked_for() {
    let mut bench = Bench::in_lobby();
    for n in 0..12 {
        bench.hear("lobby", "k7Qf", 12 + n * 100, 100);
    }
    assert!(bench.heard().is_empty());
    bench.pass_to_wakeup();
    let (id, _) = bench.asked("join");
    let b = [block("lobby", "k7Qf", 11, 50)];
    bench.ok(id, &json!({"room": "lobby", "ep": "k7Qf", "seq": 1_211, "recovered": true, "next": 60, "b": b}));
    assert_eq!(bench.heard().last(), Some(&60));
    bench.pass(0);
    assert_eq!(bench.asked("join").1["since"]["seq"], 60);
}

#[test]
fn a_join_is_settled_by_pings_after_two_and_ten_seconds() {
    let mut bench = Bench::new();
    bench.join("lobby");
    bench.open();
    bench.answer_sync(&[("lobby", json!({"ep": "k7Qf", "seq": 10}))]);
    assert_eq!(bench.pass_to_wakeup(), 2_000);
    assert_eq!(bench.asked("ping").1["at"], json!({"lobby": {"ep": "k7Qf", "seq": 10}}));
    bench.pong(&json!({}));
    assert_eq!(bench.pass_to_wakeup(), 8_000);
    bench.asked("ping");
}

#[test]
fn a_member_that_is_still_behind_two_seconds_after_a_pong_asks() {
    let mut bench = Bench::in_lobby();
    bench.pass_to_wakeup();
    bench.asked("ping");
    bench.pong(&json!({"lobby": {"ep": "k7Qf", "seq": 12}}));
    assert_eq!(bench.pass_to_wakeup(), times::BEHIND_MS);
    assert_eq!(bench.asked("join").1["since"]["seq"], 10);
}

#[test]
fn a_member_that_was_behind_at_the_pong_and_is_not_any_more_does_not_ask() {
    let mut bench = Bench::in_lobby();
    bench.pass_to_wakeup();
    bench.asked("ping");
    bench.pong(&json!({"lobby": {"ep": "k7Qf", "seq": 12}, "elsewhere": {"ep": "k7Qf", "seq": 1}}));
    bench.pass(1_900);
    bench.hear("lobby", "k7Qf", 11, 2);
    bench.pass(30_000);
    bench.nothing_sent();
}

#[test]
fn a_member_says_that_it_is_alive_every_eight_and_a_half_minutes() {
    let mut bench = Bench::in_lobby();
    let mut pauses = Vec::new();
    for _ in 0..10 {
        pauses.push(bench.pass_to_wakeup());
        bench.asked("ping");
        bench.pong(&json!({}));
    }
    let usual = times::KEEP_ALIVE_MS - times::KEEP_ALIVE_JITTER_MS..=times::KEEP_ALIVE_MS + times::KEEP_ALIVE_JITTER_MS;
    assert!(pauses[1..].iter().all(|pause| usual.contains(pause)), "{pauses:?}");
    assert!(pauses[1..].windows(2).any(|two| two[0] != two[1]), "there is jitter");
}

#[test]
fn a_room_that_is_left_is_heard_no_more_and_can_be_joined_again() {
    let mut bench = Bench::in_lobby();
    bench.leave("lobby");
    bench.hear("lobby", "k7Qf", 11, 1);
    assert!(bench.heard().is_empty());
    let (leave, _) = bench.asked("leave");
    bench.join("lobby");
    bench.nothing_sent();
    bench.ok(leave, &json!({"room": "lobby"}));
    let (join, request) = bench.asked("join");
    assert!(request.get("since").is_none(), "from now on, not from when it was left");
    bench.ok(join, &json!({"room": "lobby", "ep": "k7Qf", "seq": 15}));
    assert!(matches!(bench.events()[..], [Event::Left { .. }, Event::Joined { .. }]));
}

#[test]
fn a_room_that_is_left_while_it_is_joined_is_left_after_the_reply() {
    let mut bench = Bench::in_lobby();
    bench.join("team:7");
    let (join, _) = bench.asked("join");
    bench.leave("team:7");
    bench.nothing_sent();
    bench.ok(join, &json!({"room": "team:7", "ep": "k7Qf", "seq": 15}));
    let (leave, _) = bench.asked("leave");
    bench.ok(leave, &json!({"room": "team:7"}));
    assert_eq!(bench.events(), [Event::Left { room: room("team:7") }]);
}

#[test]
fn a_room_that_may_not_be_joined_is_told_and_forgotten() {
    let mut bench = Bench::in_lobby();
    bench.join("secret");
    let (join, _) = bench.asked("join");
    bench.refuse(join, "forbidden", None);
    let [Event::Refused { room: refused, failure }] = &bench.events()[..] else { panic!() };
    assert_eq!((refused, failure.message.as_str()), (&room("secret"), "no"));
    bench.reset();
    bench.pass(1_000);
    bench.open();
    assert_eq!(bench.sent()["rooms"], json!({"lobby": {"ep": "k7Qf", "seq": 10}}));
}

#[test]
fn a_join_that_is_refused_for_now_is_asked_again_when_the_server_said() {
    for code in ["rate_limited", "unavailable"] {
        let mut bench = Bench::in_lobby();
        bench.join("team:7");
        let (join, _) = bench.asked("join");
        bench.refuse(join, code, Some(1_500));
        let waited = bench.pass_to_wakeup();
        assert!((1_500..=2_000).contains(&waited), "{waited}");
        bench.asked("join");
    }
}

#[test]
fn more_rooms_than_a_connection_may_be_in_are_not_taken() {
    let mut bench = Bench::new();
    for n in 0..100 {
        bench.join(&format!("r{n}"));
    }
    assert!(bench.client.join(room("one-more"), None, 0).is_err());
    bench.open();
    assert_eq!(bench.asked("sync").1["rooms"].as_object().unwrap().len(), 100);
}

#[test]
fn a_position_that_the_application_remembered_is_resumed_from() {
    let mut bench = Bench::in_lobby();
    bench.client.join(room("team:7"), Some(at("old", 3)), bench.now_ms).unwrap();
    bench.drain();
    let (join, request) = bench.asked("join");
    assert_eq!(request["since"], json!({"ep": "old", "seq": 3}));
    let b = [block("team:7", "old", 4, 2)];
    bench.ok(join, &json!({"room": "team:7", "ep": "old", "seq": 5, "recovered": true, "b": b}));
    let events = bench.events();
    assert!(matches!(events[0], Event::Joined { .. }) && matches!(events[3], Event::Resumed { replayed: 2, .. }));
}

#[test]
fn who_came_and_who_went_is_told_of_rooms_that_are_joined() {
    let mut bench = Bench::in_lobby();
    let told = |name: &str| json!({"room": name, "p": {"members": 3, "users": 2, "in": ["bob"], "out": ["eve"]}});
    bench.receive(&json!({"b": [told("lobby"), told("elsewhere")]}));
    let names = |name: &str| vec![UserId::parse(name).unwrap()];
    let expected =
        Event::Presence { room: room("lobby"), members: 3, users: Some(2), came: names("bob"), went: names("eve") };
    assert_eq!(bench.events(), [expected]);
    bench.receive(&json!({"b": [{"room": "lobby", "p": {"members": 4813}}]}));
    let counted = Event::Presence { room: room("lobby"), members: 4813, users: None, came: vec![], went: vec![] };
    assert_eq!(bench.events(), [counted]);
}

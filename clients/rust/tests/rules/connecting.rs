//! Losses of connections, and reconnects.

use roomcast_client::rules::{Event, Loss, times};
use serde_json::json;

use crate::bench::{Bench, pid, room};

#[test]
fn the_hello_is_one_sync_with_every_room() {
    let mut bench = Bench::in_lobby();
    bench.join("team:7");
    bench.asked("join");
    bench.reset();
    bench.pass(1_000);
    bench.open();
    assert_eq!(bench.asked("sync").1["rooms"], json!({"lobby": {"ep": "k7Qf", "seq": 10}, "team:7": null}));
    bench.nothing_sent();
}

#[test]
fn the_first_attempt_after_a_loss_is_quick_and_further_ones_back_off_with_full_jitter() {
    let (mut first, mut tenth) = (Vec::new(), Vec::new());
    for seed in 0..200 {
        let mut bench = Bench::with_seed(seed);
        for attempt in 0..10 {
            bench.fail(Loss::Failed("refused".to_owned()));
            let [Event::Offline { retry_in_ms, .. }] = bench.events()[..] else { panic!() };
            match attempt {
                0 => first.push(retry_in_ms),
                9 => tenth.push(retry_in_ms),
                _ => {}
            }
            bench.pass(retry_in_ms);
        }
    }
    let (most, least) = (|waits: &[u64]| *waits.iter().max().unwrap(), |waits: &[u64]| *waits.iter().min().unwrap());
    assert!(most(&first) <= times::BACKOFF_BASE_MS && most(&tenth) <= times::BACKOFF_CAP_MS);
    assert!(least(&tenth) < 1_000 && most(&tenth) > 19_000, "anything from nothing to the cap");
}

#[test]
fn a_connection_that_was_of_use_resets_the_pause() {
    let mut bench = Bench::in_lobby();
    for _ in 0..8 {
        bench.reset();
        bench.pass(times::BACKOFF_CAP_MS);
        bench.open();
    }
    bench.events();
    bench.hear("lobby", "k7Qf", 11, 1);
    bench.events();
    bench.reset();
    assert!(matches!(bench.events()[..], [Event::Offline { retry_in_ms: 0..=times::BACKOFF_BASE_MS, .. }]));
}

#[test]
fn a_connection_that_is_silent_for_ten_seconds_after_a_ping_is_replaced() {
    let mut bench = Bench::in_lobby();
    let silent = bench.link;
    bench.hear("lobby", "k7Qf", 11, 1);
    bench.pass_to_wakeup();
    bench.asked("ping");
    bench.pass(times::PONG_TIMEOUT_MS);
    assert_eq!(bench.closed(), [silent]);
    assert!(bench.events().iter().any(|event| matches!(event, Event::Offline { because: Loss::Silent, .. })));
    bench.pass(times::BACKOFF_BASE_MS);
    assert!(bench.is_opening());
}

#[test]
fn a_connection_that_hears_frames_but_no_pong_is_pinged_six_times_and_then_replaced() {
    let mut bench = Bench::in_lobby();
    let deaf = bench.link;
    bench.pass_to_wakeup();
    for n in 0..u64::from(times::UNANSWERED_PINGS) {
        assert!(bench.closed().is_empty());
        bench.asked("ping");
        bench.hear("lobby", "k7Qf", 11 + n, 1);
        bench.pass(times::PONG_TIMEOUT_MS);
    }
    assert_eq!(bench.closed(), [deaf]);
}

#[test]
fn a_server_that_takes_longer_than_the_timeout_is_asked_once_and_keeps_its_connections() {
    let mut bench = Bench::in_lobby();
    bench.publish("lobby", "a");
    let (id, _) = bench.asked("publish");
    bench.pass(times::REQUEST_TIMEOUT_MS);
    bench.asked("ping");
    // Other members are served: what they publish arrives.
    bench.hear("lobby", "k7Qf", 11, 1);
    bench.pass(times::PONG_TIMEOUT_MS);
    bench.asked("ping");
    bench.nothing_sent();
    bench.ok(id, &json!({"accepted": ["a"]}));
    bench.pong(&json!({}));
    bench.pong(&json!({}));
    bench.pass(times::PONG_TIMEOUT_MS);
    bench.nothing_sent();
    assert!(bench.closed().is_empty());
    assert!(bench.events().contains(&Event::Accepted { room: room("lobby"), pid: pid("a") }));
}

#[test]
fn a_request_that_was_lost_is_sent_again_when_a_ping_is_answered() {
    for refused in [false, true] {
        let mut bench = Bench::new();
        bench.join("lobby");
        bench.open();
        bench.asked("sync");
        bench.pass(times::REQUEST_TIMEOUT_MS);
        let (id, _) = bench.asked("ping");
        bench.nothing_sent();
        if refused {
            bench.refuse(id, "unavailable", Some(60_000));
        } else {
            bench.pong(&json!({}));
        }
        bench.pass(times::BACKOFF_BASE_MS);
        bench.asked("join");
        bench.nothing_sent();
    }
}

#[test]
fn a_hello_without_an_answer_is_followed_by_a_ping_and_then_the_connection_is_replaced() {
    let mut bench = Bench::new();
    bench.join("lobby");
    bench.open();
    bench.asked("sync");
    bench.pass(times::REQUEST_TIMEOUT_MS);
    bench.asked("ping");
    bench.pass(times::PONG_TIMEOUT_MS);
    assert_eq!(bench.closed().len(), 1);
}

#[test]
fn the_gateways_own_error_frames_change_nothing() {
    let mut bench = Bench::in_lobby();
    bench.publish("lobby", "a");
    bench.asked("publish");
    for message in ["Internal server error", "Forbidden", "Endpoint request timed out", "Too Many Requests"] {
        let frame =
            format!(r#"{{"message": "{message}", "connectionId":"L0SM9cOFvHcCIhw=", "requestId":"L0SNDEzJPHcFYtg="}}"#);
        bench.receive_on(bench.link, &frame);
    }
    for nonsense in
        ["", "hello", "[]", "{}", "null", r#"{"id":1}"#, r#"{"b":7}"#, r#"{"sys":"dance"}"#, r#"{"id":1,"ok":7}"#]
    {
        bench.receive_on(bench.link, nonsense);
    }
    assert!(bench.events().is_empty());
    bench.nothing_sent();
    bench.pass(times::REQUEST_TIMEOUT_MS);
    bench.asked("ping");
    bench.pong(&json!({}));
    bench.pass(times::BACKOFF_BASE_MS);
    bench.asked("publish");
}

#[test]
fn a_reply_that_is_not_what_was_asked_for_is_asked_for_again() {
    let mut bench = Bench::in_lobby();
    bench.join("team:7");
    let (id, _) = bench.asked("join");
    bench.ok(id, &json!({"room": 7}));
    bench.pass(times::BACKOFF_BASE_MS);
    bench.asked("join");
}

#[test]
fn replies_to_unknown_ids_are_passed_over() {
    let mut bench = Bench::in_lobby();
    bench.ok(4_711, &json!({"room": "lobby", "ep": "zzz", "seq": 1}));
    bench.refuse(4_712, "forbidden", None);
    bench.receive(&json!({"id": null, "ok": {"accepted": []}}));
    assert!(bench.events().is_empty());
    bench.nothing_sent();
}

#[test]
fn a_connection_that_the_server_does_not_know_is_replaced() {
    for err in [
        json!({"code": "not_connected", "retry": false, "message": "no"}),
        json!({"code": "token_expired", "retry": false, "message": "the token has expired"}),
    ] {
        let mut bench = Bench::in_lobby();
        let old = bench.link;
        bench.publish("lobby", "a");
        let (id, _) = bench.asked("publish");
        bench.receive(&json!({"id": id, "err": err}));
        assert_eq!(bench.closed(), [old]);
        bench.pass(times::BACKOFF_BASE_MS);
        bench.open();
        bench.asked("sync");
        assert_eq!(bench.asked("publish").1["pid"], "a");
    }
}

#[test]
fn a_client_that_is_told_so_on_every_connection_comes_back_ever_more_slowly() {
    let mut bench = Bench::in_lobby();
    let mut longest = 0;
    for _ in 0..12 {
        bench.publish("lobby", "a");
        let mut request = bench.sent();
        while request["action"] != "publish" {
            request = bench.sent();
        }
        let err = json!({"code": "not_connected", "retry": false, "message": "no"});
        bench.receive(&json!({"id": request["id"], "err": err}));
        let offline = bench.events().into_iter().find_map(|event| match event {
            Event::Offline { retry_in_ms, .. } => Some(retry_in_ms),
            _ => None,
        });
        longest = longest.max(offline.unwrap());
        bench.pass(times::BACKOFF_CAP_MS);
        bench.open();
    }
    assert!(longest > 2_000, "{longest}");
}

#[test]
fn a_bye_says_whether_to_come_back() {
    for (retry, pauses) in [("now", 0..=times::BACKOFF_BASE_MS), ("later", times::LATER_MS..=times::LATER_MS + 500)] {
        let mut bench = Bench::in_lobby();
        bench.receive(&json!({"sys": "bye", "code": "busy", "retry": retry}));
        assert_eq!(bench.closed(), [bench.link]);
        let [Event::Offline { retry_in_ms, .. }] = bench.events()[..] else { panic!() };
        assert!(pauses.contains(&retry_in_ms), "{retry}: {retry_in_ms}");
        bench.pass(times::LATER_MS + 500);
        assert!(bench.is_opening());
    }
    let mut bench = Bench::in_lobby();
    bench.receive(&json!({"sys": "bye", "code": "kicked", "retry": "never"}));
    assert_eq!(bench.events(), [Event::Ended { because: Loss::Told { code: "kicked".to_owned() } }]);
    assert_eq!((bench.closed().len(), bench.client.next_wakeup_ms()), (1, None));
    assert!(bench.client.join(room("lobby"), None, bench.now_ms).is_err());
}

#[test]
fn a_token_that_is_refused_ends_it_and_any_other_status_does_not() {
    for status in [401, 403] {
        let mut bench = Bench::new();
        bench.fail(Loss::Refused { status });
        assert_eq!(bench.events(), [Event::Ended { because: Loss::Refused { status } }]);
        assert_eq!(bench.client.next_wakeup_ms(), None);
    }
    for status in [400, 404, 410, 429, 500, 502, 503, 504] {
        let mut bench = Bench::new();
        bench.fail(Loss::Refused { status });
        assert!(matches!(bench.events()[..], [Event::Offline { .. }]), "{status}");
    }
}

#[test]
fn a_refused_ping_is_not_taken_for_silence() {
    let mut bench = Bench::in_lobby();
    bench.pass_to_wakeup();
    let (id, _) = bench.asked("ping");
    bench.refuse(id, "unavailable", Some(500));
    bench.pass(times::PONG_TIMEOUT_MS);
    assert!(bench.closed().is_empty() && bench.events().is_empty());
    bench.asked("ping");
}

#[test]
fn a_client_that_is_stopped_closes_and_does_nothing_more() {
    let mut bench = Bench::in_lobby();
    bench.client.stop();
    bench.drain();
    assert_eq!(bench.closed(), [bench.link]);
    bench.hear("lobby", "k7Qf", 11, 1);
    bench.reset();
    assert!(bench.events().is_empty());
    assert_eq!(bench.client.next_wakeup_ms(), None);
}

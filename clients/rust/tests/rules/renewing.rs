//! Renewal of tokens on live connections.

use roomcast_client::rules::{Event, LinkId, Loss, times};
use serde_json::{Value, json};

use crate::bench::{Bench, room};

const MINUTE_MS: u64 = 60_000;

/// A client in the lobby, with a renewable token that lasts ten minutes.
fn bench() -> Bench {
    let mut bench = Bench::renewing(1);
    bench.join("lobby");
    bench.open();
    bench.token_lasts(10 * MINUTE_MS);
    bench.answer_sync(&[("lobby", json!({"ep": "k7Qf", "seq": 10}))]);
    bench.settle();
    bench.events();
    bench
}

/// Lets time pass until a token is requested. Returns the time until then.
fn pass_to_renewal(bench: &mut Bench) -> u64 {
    let began = bench.now_ms;
    while bench.renewals.is_empty() {
        assert!(bench.now_ms < began + 11 * MINUTE_MS, "no token was ever asked for");
        bench.pass_to_wakeup();
        bench.answer_pings();
    }
    bench.now_ms - began
}

fn take_renewal(bench: &mut Bench) -> LinkId {
    pass_to_renewal(bench);
    bench.renewals.remove(0)
}

fn bye(code: &str) -> Value {
    json!({"sys": "bye", "code": code, "retry": "never"})
}

#[test]
fn a_token_is_renewed_before_it_expires_and_so_is_the_next_one() {
    let mut bench = bench();
    for _ in 0..3 {
        let took = pass_to_renewal(&mut bench);
        let margin = 10 * MINUTE_MS - 2 * times::RENEW_BEFORE_MS - 20_000..=10 * MINUTE_MS - times::RENEW_BEFORE_MS;
        assert!(margin.contains(&took), "{took}");
        let link = bench.renewals.remove(0);
        assert_eq!(link, bench.link);
        bench.renew(link, "a.b.c", Some(10 * MINUTE_MS));
        let (id, auth) = bench.asked("auth");
        assert_eq!(auth["token"], "a.b.c");
        bench.receive(&json!({"id": id, "ok": {"expires_at": 1, "left": []}}));
    }
    assert!(bench.events().is_empty() && bench.closed().is_empty(), "nobody notices");
}

#[test]
fn rooms_that_the_new_token_does_not_allow_are_told() {
    let mut bench = bench();
    let link = take_renewal(&mut bench);
    bench.renew(link, "a.b.c", None);
    let (id, _) = bench.asked("auth");
    bench.receive(&json!({"id": id, "ok": {"expires_at": 1, "left": ["lobby", "@ada"]}}));
    assert_eq!(bench.events(), [Event::Removed { room: room("lobby"), code: "forbidden".to_owned() }]);
    bench.hear("lobby", "k7Qf", 11, 1);
    assert!(bench.events().is_empty());
}

#[test]
fn what_a_renewal_without_an_answer_has_left_is_found_out_after_the_next() {
    let mut bench = bench();
    let link = take_renewal(&mut bench);
    bench.renew(link, "a.b.c", None);
    bench.asked("auth");
    bench.pass(times::REQUEST_TIMEOUT_MS);
    bench.answer_pings();
    let link = take_renewal(&mut bench);
    bench.renew(link, "a.b.c", None);
    let (id, _) = bench.asked("auth");
    bench.receive(&json!({"id": id, "ok": {"expires_at": 1, "left": []}}));
    let (id, join) = bench.asked("join");
    assert_eq!(join["room"], "lobby");
    bench.receive(&json!({"id": id, "err": {"code": "forbidden", "retry": false, "message": "no", "field": "room"}}));
    assert!(matches!(&bench.events()[..], [Event::Refused { .. }]));
}

#[test]
fn what_is_not_renewed_is_tried_again_and_the_connection_goes_on() {
    let mut bench = bench();
    let link = take_renewal(&mut bench);
    bench.not_renewed(link);
    let link = take_renewal(&mut bench);
    bench.renew(link, "bad", None);
    let (id, _) = bench.asked("auth");
    bench.receive(
        &json!({"id": id, "err": {"code": "invalid_token", "retry": false, "message": "no", "field": "token"}}),
    );
    let link = take_renewal(&mut bench);
    bench.renew(link, "a.b.c", None);
    let (id, _) = bench.asked("auth");
    bench.receive(
        &json!({"id": id, "err": {"code": "unavailable", "retry": true, "message": "later", "after_ms": 500}}),
    );
    let link = take_renewal(&mut bench);
    bench.renew(link, "a.b.c", None);
    bench.asked("auth");
    bench.pass(times::REQUEST_TIMEOUT_MS);
    bench.answer_pings();
    take_renewal(&mut bench);
    assert!(bench.closed().is_empty());
}

#[test]
fn a_request_that_finds_the_token_expired_is_made_again_on_a_connection_with_another() {
    let mut bench = bench();
    bench.publish("lobby", "p1");
    let (id, _) = bench.asked("publish");
    bench.receive(&json!({"id": id, "err": {"code": "token_expired", "retry": false, "message": "expired"}}));
    assert_eq!(bench.closed().len(), 1);
    bench.pass(times::BACKOFF_CAP_MS);
    bench.open();
    bench.answer_sync(&[("lobby", json!({"ep": "k7Qf", "seq": 10}))]);
    assert_eq!(bench.asked("publish").1["pid"], "p1");
}

#[test]
fn after_bye_expired_a_client_that_can_renew_comes_back_and_another_has_ended() {
    let mut renewing = bench();
    renewing.receive(&bye("expired"));
    let told = |code: &str| Loss::Told { code: code.to_owned() };
    assert!(matches!(&renewing.events()[..], [Event::Offline { because, .. }] if *because == told("expired")));
    renewing.pass(times::BACKOFF_CAP_MS);
    assert!(renewing.is_opening());
    let mut fixed = Bench::in_lobby();
    fixed.receive(&bye("expired"));
    assert_eq!(fixed.events(), [Event::Ended { because: told("expired") }]);
    let mut kicked = bench();
    kicked.receive(&bye("kicked"));
    assert_eq!(kicked.events(), [Event::Ended { because: told("kicked") }]);
}

#[test]
fn a_token_that_never_says_when_it_expires_is_not_renewed_on_the_way() {
    let mut bench = Bench::in_lobby();
    bench.token_lasts(1_000);
    for _ in 0..10 {
        bench.pass_to_wakeup();
        bench.answer_pings();
    }
    assert!(bench.renewals.is_empty(), "this client has no other token");
}

#[test]
fn a_token_that_is_refused_may_have_expired_on_its_way_and_another_one_is_tried() {
    let refused = || Loss::Refused { status: 401 };
    let mut bench = Bench::renewing(1);
    for _ in 1..times::REFUSED_TOKENS {
        bench.fail(refused());
        let events = bench.events();
        let [Event::Offline { because, retry_in_ms }] = &events[..] else { panic!("{events:?}") };
        assert_eq!(*because, refused());
        assert!(*retry_in_ms >= times::RENEW_APART_MS, "a token of the same second is refused too");
        bench.pass(times::BACKOFF_CAP_MS);
    }
    bench.open();
    assert_eq!(bench.events(), [Event::Online]);
    bench.reset();
    for _ in 1..times::REFUSED_TOKENS {
        bench.pass(times::BACKOFF_CAP_MS);
        bench.fail(refused());
    }
    bench.pass(times::BACKOFF_CAP_MS);
    bench.events();
    bench.fail(refused());
    assert_eq!(
        bench.events(),
        [Event::Ended { because: refused() }],
        "a connection in between has begun the count anew"
    );
}

#[test]
fn another_token_is_of_no_use_where_it_is_not_allowed() {
    let mut bench = Bench::renewing(1);
    bench.fail(Loss::Refused { status: 403 });
    assert_eq!(bench.events(), [Event::Ended { because: Loss::Refused { status: 403 } }]);
}

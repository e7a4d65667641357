//! Tests the effects of time and of a new token on a live connection.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use domain::RoomId;
use e2e::{Member, everything, start, token};
use roomcast_client::connection::{Options, Token, connect};
use roomcast_client::rules::Event;
use serde_json::json;

fn seconds_from_now(seconds: u64) -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs() + seconds
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_whose_token_expired_hears_and_says_nothing_more_and_is_closed() {
    let (stack, url) = start(everything()).await;
    let mut ada = Member::connect(&url, "ada").await;
    ada.join("lobby").await;
    let mut bob = Member::with_claims(&url, json!({ "sub": "bob", "exp": seconds_from_now(3) })).await;
    bob.join("lobby").await;
    assert_eq!(bob.until_closed().await, 1000);
    assert!(bob.notes().iter().any(|note| note["sys"] == "bye" && note["code"] == "expired"), "{:?}", bob.notes());
    ada.publish("lobby", "later").await;
    ada.hear("lobby", 1).await;
    assert!(bob.heard("lobby").is_empty());
    stack.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_was_renewed_keeps_its_connection_and_its_permissions_take_effect() {
    let (stack, url) = start(everything()).await;
    let mut ada = Member::connect(&url, "ada").await;
    ada.join("lobby").await;
    ada.join("team:7").await;
    let expires = seconds_from_now(4);
    let mut bob = Member::with_claims(&url, json!({ "sub": "bob", "exp": expires })).await;
    bob.join("lobby").await;
    bob.join("team:7").await;
    let lobby = json!({ "join": ["lobby"], "publish": ["lobby"], "history": ["lobby"] });
    let renewed = token(json!({ "sub": "bob", "rooms": lobby }));
    let answer = bob.ask(json!({ "action": "auth", "token": renewed })).await;
    assert_eq!(answer["ok"]["left"], json!(["team:7"]), "{answer}");
    let refused = bob.ask(json!({ "action": "join", "room": "team:7" })).await;
    assert_eq!(refused["err"]["code"], "forbidden");
    let refused = bob.ask(json!({ "action": "publish", "room": "team:7", "pid": "p", "data": 1 })).await;
    assert_eq!(refused["err"]["code"], "forbidden");
    while seconds_from_now(0) <= expires + 1 {
        bob.listen_for(Duration::from_millis(200)).await;
    }
    ada.publish("team:7", "not-for-bob").await;
    ada.publish("lobby", "for-bob").await;
    bob.hear("lobby", 1).await;
    bob.publish("lobby", "from-bob").await;
    ada.hear("lobby", 2).await;
    assert!(bob.heard("team:7").is_empty());
    stack.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_becomes_somebody_else_by_a_renewal_and_a_bad_token_changes_nothing() {
    let (stack, url) = start(everything()).await;
    let mut eve = Member::with_claims(&url, json!({ "sub": "eve" })).await;
    let refused = eve.ask(json!({ "action": "auth", "token": token(json!({ "sub": "bob" })) })).await;
    assert_eq!(refused["err"]["code"], "forbidden", "{refused}");
    let past = token(json!({ "sub": "eve", "exp": seconds_from_now(0) - 60 }));
    for bad in ["no.token.atall", &past] {
        let refused = eve.ask(json!({ "action": "auth", "token": bad })).await;
        assert_eq!(refused["err"]["code"], "invalid_token", "{refused}");
        assert!(!refused.to_string().contains(bad), "a token is never shown");
    }
    eve.join("lobby").await;
    stack.shutdown().await;
}

/// Runs the client library with tokens of 20 s, for twice as long. A renewal begins when at least
/// 5 s are left: a machine that other tests keep busy may take some of them.
#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_renews_its_tokens_goes_on_on_one_connection() {
    let (stack, url) = start(everything()).await;
    let asked = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&asked);
    let renew = move || {
        count.fetch_add(1, Ordering::Relaxed);
        std::future::ready(Some(token(json!({ "sub": "bob", "exp": seconds_from_now(20) }))))
    };
    let (handle, mut events) = connect(Options::new(&url).with_token(Token::renewed(renew))).unwrap();
    handle.join(RoomId::parse("lobby").unwrap(), None).await.unwrap();
    let mut ada = Member::connect(&url, "ada").await;
    ada.join("lobby").await;
    let end = tokio::time::Instant::now() + Duration::from_secs(40);
    assert_eq!(events.next().await, Some(Event::Online));
    while !matches!(events.next().await, Some(Event::Joined { .. })) {}
    let (mut heard, mut published) = (0, 0);
    let mut said = tokio::time::interval(Duration::from_secs(1));
    loop {
        tokio::select! {
            () = tokio::time::sleep_until(end) => break,
            _ = said.tick() => {
                published += 1;
                ada.publish("lobby", &format!("p{published}")).await;
            }
            event = events.next() => match event.unwrap() {
                Event::Message(_) => heard += 1,
                Event::Presence { .. } => {}
                other => panic!("{other:?}"),
            },
        }
    }
    while heard < published {
        if let Event::Message(_) = events.next().await.unwrap() {
            heard += 1;
        }
    }
    assert!(asked.load(Ordering::Relaxed) >= 3, "one for the handshake, and one each 15 s at the latest");
    handle.close().await;
    stack.shutdown().await;
}

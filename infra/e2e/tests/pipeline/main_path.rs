//! Tests that a publication of one member arrives at all other members under any fault.

use e2e::{Member, everything, members, start, topology_with};
use futures::future::join_all;
use local::{Options, Stack};

/// 200 members are in one room, 20 of them also in another one. Several of them publish 50
/// publications. Each member receives each publication of its rooms once, in one order, without a
/// gap.
async fn everybody_hears_everything(options: Options) {
    let (stack, url) = start(options).await;
    let mut both = members(&url, "both", 20, &["big", "small"]).await;
    let mut big = members(&url, "big", 180, &["big"]).await;
    let publishers = both.iter_mut().take(5).enumerate().map(|(n, member)| async move {
        for k in 0..10 {
            let room = if k % 5 == 4 { "small" } else { "big" };
            member.publish(room, &format!("p{n}-{k}")).await;
        }
    });
    join_all(publishers).await;
    join_all(both.iter_mut().map(|member| async {
        member.hear("big", 40).await;
        member.hear("small", 10).await;
    }))
    .await;
    join_all(big.iter_mut().map(|member| member.hear("big", 40))).await;
    let order = both[0].heard("big").to_vec();
    for member in both.iter().chain(&big) {
        assert_eq!(member.heard("big"), order);
    }
    for member in &both {
        assert_eq!(member.heard("small"), both[0].heard("small"));
        assert_eq!(member.heard("small").len(), 10);
    }
    assert!(
        big.iter().all(|member| member.heard("small").is_empty()),
        "a member receives only rooms that it has joined"
    );
    drop((both, big));
    stack.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_member_hears_each_publication_of_its_rooms_once_in_one_order_without_a_gap() {
    everybody_hears_everything(everything()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_holds_when_every_invocation_gets_a_fresh_process() {
    everybody_hears_everything(Options { fresh_process_per_invocation: true, ..everything() }).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_member_whose_socket_was_reset_returns_and_gets_exactly_what_it_missed() {
    let (stack, url) = start(everything()).await;
    let mut ada = Member::connect(&url, "ada").await;
    let mut bob = Member::connect(&url, "bob").await;
    ada.join("lobby").await;
    bob.join("lobby").await;
    ada.publish("lobby", "before").await;
    bob.hear("lobby", 1).await;
    let away = bob.reset();
    for n in 0..40 {
        ada.publish("lobby", &format!("missed{n}")).await;
    }
    let mut bob = away.return_to(&url, "bob").await;
    let answer = bob.join("lobby").await;
    assert_eq!(answer["ok"]["recovered"], true);
    ada.publish("lobby", "after").await;
    join_all([bob.hear("lobby", 42), ada.hear("lobby", 42)]).await;
    assert_eq!(bob.heard("lobby"), ada.heard("lobby"));
    stack.shutdown().await;
}

/// A kill may hit between any two statements. The messages are received again after their
/// visibility timeout, which is shortened here from 30 s.
#[tokio::test(flavor = "multi_thread")]
async fn a_fanout_process_killed_in_the_middle_loses_nothing() {
    let quick = topology_with(&[
        ("timeout_s: 5\n", "timeout_s: 2\n"),
        ("visibility_timeout_s: 30", "visibility_timeout_s: 12"),
    ]);
    let options = Options { topology: quick.path().join("topology.yaml"), ..everything() };
    let (stack, url) = start(options).await;
    let mut members = members(&url, "m", 60, &["lobby"]).await;
    let mut publisher = Member::connect(&url, "publisher").await;
    let mut killed = 0;
    for n in 0..30 {
        publisher.publish("lobby", &format!("p{n}")).await;
        if n % 6 == 5 {
            killed += usize::from(kill_busy(&stack).await);
        }
    }
    join_all(members.iter_mut().map(|member| member.hear("lobby", 30))).await;
    let order = members[0].heard("lobby").to_vec();
    assert!(members.iter().all(|member| member.heard("lobby") == order));
    assert!(killed > 0, "no process was there to be killed");
    stack.shutdown().await;
}

/// Kills a process of the fan-out, if there is one.
async fn kill_busy(stack: &Stack) -> bool {
    tokio::task::yield_now().await;
    stack.lambda().kill("fanout").is_some()
}

#[tokio::test(flavor = "multi_thread")]
async fn history_is_there_after_a_stop_and_a_start_with_the_same_data() {
    let folder = tempfile::tempdir().unwrap();
    let options = || Options { data: Some(folder.path().to_owned()), ..everything() };
    let (stack, url) = start(options()).await;
    let mut ada = Member::connect(&url, "ada").await;
    ada.join("lobby").await;
    for id in ["a", "b", "c"] {
        ada.publish("lobby", id).await;
    }
    ada.hear("lobby", 3).await;
    let away = ada.reset();
    stack.shutdown().await;
    let (stack, url) = start(options()).await;
    let mut ada = away.return_to(&url, "ada").await;
    let page = ada.ask(serde_json::json!({ "action": "history", "room": "lobby" })).await;
    let ids: Vec<&str> =
        page["ok"]["history"][0]["m"].as_array().unwrap().iter().map(|m| m["id"].as_str().unwrap()).collect();
    assert_eq!(ids, ["a", "b", "c"]);
    assert_eq!(ada.join("lobby").await["ok"]["recovered"], true, "positions hold over a restart");
    ada.publish("lobby", "d").await;
    ada.hear("lobby", 4).await;
    stack.shutdown().await;
}

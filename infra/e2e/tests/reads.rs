//! What a broadcast reads, as the capacity that DynamoDB would have charged for it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests fail by panicking")]

use std::time::Duration;

use e2e::{Member, everything, members, start};
use futures::future::join_all;
use local::Stack;

/// Connections that have nothing to do with the room, or that are in another one.
const OTHERS: usize = 300;
/// Who is there has been counted and told by then, for the last time.
const SETTLES: Duration = Duration::from_secs(8);

/// Read units of those who take a publication in, give it its place, and deliver it.
fn read_units(stack: &Stack) -> f64 {
    let calls = stack.statistics()["calls"].clone();
    let functions = ["ingest", "sequencer", "fanout"];
    let reads = ["dynamodb:GetItem", "dynamodb:BatchGetItem", "dynamodb:Query", "dynamodb:Scan"];
    let pairs = functions.iter().flat_map(|function| reads.iter().map(move |read| (function, read)));
    pairs.filter_map(|(function, read)| calls[*function][*read]["units"].as_f64()).sum()
}

/// What ten broadcasts to these members read, one after the other.
async fn read_by_ten(stack: &Stack, members: &mut [Member], name: &str) -> f64 {
    let before = read_units(stack);
    for n in 0..10 {
        let heard = members[0].heard("lobby").len() + 1;
        members[0].publish("lobby", &format!("{name}{n}")).await;
        join_all(members.iter_mut().map(|member| member.hear("lobby", heard))).await;
    }
    read_units(stack) - before
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broadcast_reads_no_more_however_many_others_are_connected() {
    let (stack, url) = start(everything()).await;
    let mut few = members(&url, "few", 5, &["lobby"]).await;
    few[0].listen_for(SETTLES).await;
    let alone = read_by_ten(&stack, &mut few, "a").await;
    let others = members(&url, "other", OTHERS, &["elsewhere"]).await;
    few[0].listen_for(SETTLES).await;
    let among_others = read_by_ten(&stack, &mut few, "b").await;
    assert!(alone > 0.0, "a broadcast reads its room");
    assert!((among_others - alone).abs() < 0.1, "{alone} units alone, {among_others} among {OTHERS} others");
    drop((few, others));
    stack.shutdown().await;
}

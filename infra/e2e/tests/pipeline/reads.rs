//! Tests the reads of a broadcast, as the capacity that DynamoDB would charge.

use std::time::Duration;

use domain::ports::{Clock, Rooms};
use domain::{Data, Epoch, Head};
use e2e::{Member, everything, members, start, tables};
use futures::future::join_all;
use lambda_kit::SystemClock;
use local::Stack;
use serde_json::{Value, json};
use testkit::samples;

/// Connections without a relation to the room, or in another one.
const OTHERS: usize = 300;
/// Time after which the last presence count was sent.
const SETTLES: Duration = Duration::from_secs(8);

/// Returns the read units of the functions that accept a publication, assign its position, and
/// deliver it.
fn read_units(stack: &Stack) -> f64 {
    let calls = stack.statistics()["calls"].clone();
    let functions = ["ingest", "sequencer", "fanout"];
    let reads = ["dynamodb:GetItem", "dynamodb:BatchGetItem", "dynamodb:Query", "dynamodb:Scan"];
    let pairs = functions.iter().flat_map(|function| reads.iter().map(move |read| (function, read)));
    pairs.filter_map(|(function, read)| calls[*function][*read]["units"].as_f64()).sum()
}

/// Returns the read units of ten broadcasts to these members, one after the other.
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

/// Bytes of one read unit in an eventually consistent read.
const BYTES_PER_UNIT: f64 = 8_192.0;

/// Returns the read units of the membership function's queries.
fn query_units(stack: &Stack) -> f64 {
    stack.statistics()["calls"]["membership"]["dynamodb:Query"]["units"].as_f64().unwrap_or_default()
}

/// Joins from a position, page by page. Returns the number of pages, and the bytes of their blocks.
async fn resume(member: &mut Member, epoch: &Epoch, mut since: u64) -> (usize, usize) {
    let (mut pages, mut given) = (0, 0);
    loop {
        let position = json!({ "ep": epoch.as_str(), "seq": since });
        let answer = member.ask(json!({ "action": "join", "room": "lobby", "since": position })).await;
        let joined: &Value = &answer["ok"];
        assert_eq!(joined["recovered"], true, "{answer}");
        pages += 1;
        given += joined["b"].to_string().len();
        match joined["next"].as_u64() {
            Some(next) => since = next,
            None => return (pages, given),
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_resume_of_a_thousand_reads_at_most_1_3_times_the_bytes_it_gives() {
    let (stack, url) = start(everything()).await;
    let (tables, room) = (tables(&stack), samples::room("lobby"));
    let mut head = Head::new(&room, Epoch::from_random(7));
    let data = vec![Data::text(&"x".repeat(4_096)).unwrap(); 40];
    for _ in 0..1_000 / data.len() {
        let append = samples::append(&room, &head, &data, SystemClock.now());
        tables.append(&append).await.unwrap();
        head = append.head_after();
    }
    let mut ada = Member::connect(&url, "ada").await;
    resume(&mut ada, &head.epoch, 1_000).await;
    // Besides the log, a join reads the rooms of the connection and the number of members of the
    // room.
    let before = query_units(&stack);
    let pages_without_log = 10;
    for _ in 0..pages_without_log {
        resume(&mut ada, &head.epoch, 1_000).await;
    }
    let beside = (query_units(&stack) - before) / f64::from(pages_without_log);
    let before = query_units(&stack);
    let (pages, given) = resume(&mut ada, &head.epoch, 0).await;
    let units = query_units(&stack) - before - beside * pages as f64;
    let read = units * BYTES_PER_UNIT;
    eprintln!("{given} bytes given in {pages} pages, {units} units read of the log: {:.2}", read / given as f64);
    assert!(read <= given as f64 * 1.3, "{read} bytes read for {given} given");
    drop(ada);
    stack.shutdown().await;
}

//! Measures the embedded DynamoDB through the AWS SDK:
//! `cargo run --release --package local --example dynamodb_speed`.
//!
//! 32 concurrent callers put items to a table with an index and a stream. Then one partition of the
//! index is read completely.

use std::time::{Duration, Instant};

use aws_sdk_dynamodb::types::AttributeValue;
use futures::future::join_all;
use local::{Error, Options, Stack};

const CALLERS: usize = 32;
const PUTS: usize = 20_000;
const MEMBERS: usize = 5_000;

const TOPOLOGY: &str = "
version: 1
name: speed
functions: {}
tables:
  things:
    partition_key: { name: pk, type: S }
    indexes:
      by_room:
        partition_key: { name: room, type: S }
        sort_key: { name: pk, type: S }
        projection: { include: [endpoint] }
    stream: new_and_old_images
";

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let file = std::env::temp_dir().join(format!("dynamodb-speed-{}.yaml", std::process::id()));
    std::fs::write(&file, TOPOLOGY)?;
    let started = Instant::now();
    let stack = start(&file).await;
    std::fs::remove_file(&file)?;
    let stack = stack?;
    println!("start            {:>10.1?}", started.elapsed());
    let puts = measure(&stack).await;
    report("puts", PUTS, puts);
    let gets = gets(&stack).await;
    report("gets", PUTS, gets);
    let (members, took) = query(&stack).await?;
    println!("query of {members:>7} {took:>10.1?}");
    stack.shutdown().await;
    Ok(())
}

async fn start(file: &std::path::Path) -> Result<Stack, Error> {
    Stack::start(Options::for_tests(file, ".")).await
}

fn report(what: &str, count: usize, took: Duration) {
    println!("{count:>7} {what:<8} {took:>10.1?}  {:>8.0}/s", count as f64 / took.as_secs_f64());
}

async fn measure(stack: &Stack) -> Duration {
    let started = Instant::now();
    let callers = (0..CALLERS).map(|caller| async move {
        for number in (caller..PUTS).step_by(CALLERS) {
            let room = if number < MEMBERS { "lobby".to_owned() } else { format!("room-{}", number % 100) };
            let put = stack.clients().dynamodb.put_item().table_name("things");
            let put = put
                .item("pk", AttributeValue::S(format!("CONN#{number:016}")))
                .item("room", AttributeValue::S(room))
                .item("endpoint", AttributeValue::S("http://127.0.0.1:3001/local".to_owned()));
            if let Err(error) = put.send().await {
                eprintln!("{error:?}");
            }
        }
    });
    join_all(callers).await;
    started.elapsed()
}

async fn gets(stack: &Stack) -> Duration {
    let started = Instant::now();
    let callers = (0..CALLERS).map(|caller| async move {
        for number in (caller..PUTS).step_by(CALLERS) {
            let get = stack.clients().dynamodb.get_item().table_name("things");
            let get = get.key("pk", AttributeValue::S(format!("CONN#{number:016}")));
            if let Err(error) = get.send().await {
                eprintln!("{error:?}");
            }
        }
    });
    join_all(callers).await;
    started.elapsed()
}

async fn query(stack: &Stack) -> Result<(usize, Duration), Box<dyn std::error::Error>> {
    let started = Instant::now();
    let query = stack.clients().dynamodb.query().table_name("things").index_name("by_room");
    let query = query
        .key_condition_expression("room = :room")
        .expression_attribute_values(":room", AttributeValue::S("lobby".to_owned()));
    let mut pages = query.into_paginator().send();
    let mut members = 0;
    while let Some(page) = pages.next().await {
        members += page?.items().len();
    }
    Ok((members, started.elapsed()))
}

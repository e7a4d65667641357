//! One side in a separate process, with its stack and its members. Each side has its own file
//! descriptors, and neither waits for the other's threads. The process reads one order from each
//! line, and answers each with one line.

use std::ops::Range;
use std::process::Stdio;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};

use super::audience::Audience;
use super::measure::Sample;
use super::side::{Side, Way};

/// The argument that makes the program one side. The name of the side and the latency of a post in
/// milliseconds follow it.
pub const ARGUMENT: &str = "side";

/// A running side.
pub(crate) struct Contender {
    process: Child,
    orders: ChildStdin,
    answers: Lines<BufReader<ChildStdout>>,
}

impl Contender {
    pub(crate) async fn roomcast(latency: Duration) -> Self {
        Self::start("roomcast", latency).await
    }

    pub(crate) async fn recipe(latency: Duration) -> Self {
        Self::start("recipe", latency).await
    }

    async fn start(name: &str, latency: Duration) -> Self {
        let mut itself = Command::new(std::env::current_exe().unwrap());
        itself.args([ARGUMENT, name, &latency.as_millis().to_string()]).kill_on_drop(true);
        let mut process = itself.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let (orders, answers) = (process.stdin.take().unwrap(), process.stdout.take().unwrap());
        let mut contender = Self { process, orders, answers: BufReader::new(answers).lines() };
        contender.order(&json!({ "do": "begin" })).await;
        contender
    }

    pub(crate) async fn grow_to(&mut self, members: usize) {
        self.order(&json!({ "do": "grow", "members": members })).await;
    }

    pub(crate) async fn crowd(&mut self, numbers: Range<usize>) {
        self.order(&json!({ "do": "crowd", "from": numbers.start, "to": numbers.end })).await;
    }

    pub(crate) async fn broadcast(&mut self, way: Way) -> Sample {
        Sample::from_json(&self.order(&json!({ "do": "broadcast", "way": way.name() })).await)
    }

    pub(crate) async fn stop(mut self) {
        self.order(&json!({ "do": "stop" })).await;
        self.process.wait().await.unwrap();
    }

    async fn order(&mut self, order: &Value) -> Value {
        self.orders.write_all(format!("{order}\n").as_bytes()).await.unwrap();
        let answer = self.answers.next_line().await.unwrap().expect("a side that runs");
        serde_json::from_str(&answer).unwrap()
    }
}

/// Runs one side until it is ordered to stop.
pub async fn serve(name: &str, latency: Duration) {
    let side = if name == "recipe" { Side::recipe(latency).await } else { Side::roomcast(latency).await };
    let mut audience = Audience::new(&side.url);
    let mut orders = BufReader::new(tokio::io::stdin()).lines();
    while let Some(order) = orders.next_line().await.unwrap() {
        let order: Value = serde_json::from_str(&order).unwrap();
        let number = |name: &str| usize::try_from(order[name].as_u64().unwrap()).unwrap();
        let mut answer = Value::Null;
        match order["do"].as_str().unwrap() {
            "grow" => audience.grow_to(number("members")).await,
            "crowd" => side.crowd(number("from")..number("to")).await,
            "broadcast" => {
                let way = Way::named(order["way"].as_str().unwrap());
                answer = side.broadcast(way, &mut audience).await.to_json();
            }
            "stop" => break,
            _ => {}
        }
        println!("{answer}");
    }
    drop(audience);
    side.stop().await;
    println!("null");
}

//! Measures invocations a second through the pool:
//! `cargo run --release -p local-lambda --example lambda_throughput`
//!
//! Needs the example `lambda_test_function`, built before. Prints one line for each number of
//! callers.
#![allow(clippy::expect_used, clippy::panic, reason = "part of the tests")]

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use local_lambda::{Config, Credentials, Function, Lambda, Record, Sink};

const INVOCATIONS: u32 = 20_000;

struct Silence;

impl Sink for Silence {
    fn record(&self, _: &str, _: u64, _: Record<'_>) {}
}

#[tokio::main]
async fn main() {
    let program: PathBuf = std::env::current_exe().expect("this executable").with_file_name("lambda_test_function");
    for callers in [1, 2, 4, 8] {
        let function = Function {
            name: "f".to_owned(),
            program: program.clone(),
            args: vec![],
            environment: vec![],
            credentials: Credentials::default(),
            memory_mb: 128,
            timeout: Duration::from_secs(5),
            concurrency: callers,
        };
        let lambda = Lambda::start(Config::new(vec![function], Arc::new(Silence))).expect("one function");
        run(&lambda, callers, callers).await;
        let start = Instant::now();
        run(&lambda, callers, INVOCATIONS).await;
        let rate = f64::from(INVOCATIONS) / start.elapsed().as_secs_f64();
        println!("{callers} callers: {rate:.0} invocations/s");
        lambda.shutdown(Duration::from_secs(1)).await;
    }
}

async fn run(lambda: &Lambda, callers: u32, invocations: u32) {
    let calls = (0..callers).map(|_| {
        let lambda = lambda.clone();
        tokio::spawn(async move {
            for _ in 0..invocations / callers {
                lambda.invoke("f", Bytes::from_static(br#"{"do":"echo"}"#)).await.expect("an answer");
            }
        })
    });
    for call in calls.collect::<Vec<_>>() {
        call.await.expect("a caller");
    }
}

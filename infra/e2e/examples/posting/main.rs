//! Measures the CPU time of the fan-out for each post, compared with the minimum that HTTP needs
//! and with the AWS SDK.
//!
//! ```sh
//! cargo run --example posting
//! ```
//!
//! Three ways post one frame to 500 connections, 60 at a time, to a sink in a separate process. The
//! first is a loop over hyper that signs nothing. The second is the fan-out itself, from the job to
//! the last post, with tables in memory. The third is a loop over the AWS SDK. Each pair of ways
//! runs as A B B A. The result is the median of the ratios of CPU time of this process (user and
//! system, of its only thread). It is not wall-clock time.

#![allow(clippy::expect_used, reason = "a benchmark fails by panicking")]

mod sink;
mod ways;

use std::time::Duration;

use ways::{Fanned, Hyper, Sdk, Way};

/// Number of times that each pair runs.
const QUARTETS: usize = 7;
/// Jobs in one run. Each job reaches all members.
const JOBS: u64 = 30;
/// Largest acceptable ratio to the loop over hyper.
const AT_MOST_OF_HYPER: f64 = 1.35;
/// Largest acceptable ratio to the loop over the SDK.
const AT_MOST_OF_THE_SDK: f64 = 0.25;

fn main() {
    if std::env::args().nth(1).as_deref() == Some(sink::ARGUMENT) {
        return sink::serve();
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(compare());
}

async fn compare() {
    let sink = sink::Sink::start();
    let (hyper, fanned, sdk) = (Hyper::new(&sink.url), Fanned::new(&sink.url).await, Sdk::new(&sink.url));
    // The first runs open connections and load code, so they are not counted.
    cost(&hyper).await;
    cost(&fanned).await;
    cost(&sdk).await;
    let over_hyper = quartets(&fanned, &hyper).await;
    let over_the_sdk = quartets(&fanned, &sdk).await;
    println!("CPU of a delivery, medians of {QUARTETS} quartets of {} posts a run", JOBS * ways::MEMBERS as u64);
    report("a bare loop over hyper", &over_hyper, AT_MOST_OF_HYPER);
    report("a loop over the AWS SDK", &over_the_sdk, AT_MOST_OF_THE_SDK);
}

/// The costs of both sides, pair by pair.
struct Pairs {
    ours: Vec<f64>,
    theirs: Vec<f64>,
    ratios: Vec<f64>,
}

async fn quartets(ours: &impl Way, theirs: &impl Way) -> Pairs {
    let mut pairs = Pairs { ours: Vec::new(), theirs: Vec::new(), ratios: Vec::new() };
    for _ in 0..QUARTETS {
        let [a, b, c, d] = [cost(ours).await, cost(theirs).await, cost(theirs).await, cost(ours).await];
        let (ours, theirs) = ((a + d) / 2.0, (b + c) / 2.0);
        pairs.ours.push(ours);
        pairs.theirs.push(theirs);
        pairs.ratios.push(ours / theirs);
    }
    pairs
}

/// Returns the microseconds of CPU time for each post.
async fn cost(way: &impl Way) -> f64 {
    let before = cpu_time();
    let mut posts = 0;
    for _ in 0..JOBS {
        posts += way.broadcast().await;
    }
    assert_eq!(posts, JOBS * ways::MEMBERS as u64, "every post is taken");
    (cpu_time() - before).as_secs_f64() * 1e6 / posts as f64
}

/// Returns the CPU time of this thread in nanoseconds, from the scheduler. Source:
/// <https://docs.kernel.org/scheduler/sched-stats.html>
fn cpu_time() -> Duration {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").expect("Linux");
    Duration::from_nanos(text.split(' ').next().and_then(|first| first.parse().ok()).expect("nanoseconds"))
}

fn report(of: &str, pairs: &Pairs, at_most: f64) {
    let [ours, theirs, ratio] = [&pairs.ours, &pairs.theirs, &pairs.ratios].map(|values| median(values));
    let verdict = if ratio <= at_most { "reached" } else { "NOT reached" };
    println!(
        "  fan-out {ours:.1} us, {of} {theirs:.1} us: {ratio:.2} of it (at most {at_most:.2} was the goal: {verdict})"
    );
}

fn median(values: &[f64]) -> f64 {
    let mut values = values.to_vec();
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

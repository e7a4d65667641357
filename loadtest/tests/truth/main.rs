//! The load test finds and names every planted fault, and raises no alarm in clean runs.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests fail by panicking")]

mod clean;
mod faults;
mod generator;
mod npm;
mod process;
mod scale;
mod server;

use std::sync::Arc;
use std::time::Duration;

use loadtest::cost::Cost;
use loadtest::counters::Usage;
use loadtest::member::Patience;
use loadtest::report::{Report, collect};
use loadtest::run::world::World;
use loadtest::scenario::parse;
use loadtest::wire::target::Target;

pub(crate) use server::{Fault, Server};

/// Timeouts that are a fraction of the real ones.
fn impatience() -> Patience {
    Patience {
        hold: 60_000,
        answer: 1_000_000,
        leave: 150_000,
        settle: Duration::from_millis(100),
        census: Duration::from_millis(300),
        stall: 500_000,
    }
}

/// Ten members in each of two rooms, and 40 publications into each: 800 deliveries.
const SMALL: &str = r#"
name = "small"
about = "Two rooms of ten."
drain_s = 1.0
[[rooms]]
count = 2
members = 10
rate = 80
publishers = 2
[ramp]
shape = "spike"
[[phases]]
name = "steady"
seconds = 0.5
"#;

fn world(server: &Server, scenario: &str) -> World {
    let target = Target::parse(&server.url, None).unwrap();
    World::new(target, parse(scenario, "test").unwrap(), "r1", "load", impatience())
}

async fn report(world: impl Into<Arc<World>>) -> Report {
    let world = world.into();
    let ended = loadtest::run::run(&world).await.unwrap();
    let report = collect(&world, &ended, Usage::unknown("no counter"), Cost::default());
    assert!(report.account.adds_up(), "{:#?}", report.account);
    report
}

async fn run(fault: Fault, scenario: &str) -> Report {
    let server = Server::start(fault).await;
    report(world(&server, scenario)).await
}

/// The names of the violations.
fn violations(report: &Report) -> Vec<&str> {
    report.judgement.violations.iter().map(|finding| finding.what.as_str()).collect()
}

/// The names of the reasons why a run is invalid.
fn invalid(report: &Report) -> Vec<&str> {
    report.judgement.invalid.iter().map(|finding| finding.what.as_str()).collect()
}

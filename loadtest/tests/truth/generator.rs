//! Faults of the load test and its machine. They make a run invalid, or show in its times.

use std::sync::Arc;
use std::time::Duration;

use loadtest::report::Verdict;
use loadtest::run::world::read;

use crate::{Fault, SMALL, Server, invalid, report, run, world};

#[tokio::test(flavor = "multi_thread")]
async fn a_publisher_that_is_frozen_for_200_ms_shows_in_p999() {
    let server = Server::start(Fault::None).await;
    let mut world = world(&server, &SMALL.replace("0.5", "1.5"));
    world.freeze = Some((900_000, 200_000));
    let report = report(world).await;
    let p999 = report.times.each.at(0.999).unwrap();
    assert!(p999 >= 150.0, "{p999}");
    assert!(report.times.accepted.at(0.999).unwrap() >= 150.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clock_that_goes_back_makes_the_run_invalid() {
    // A member receives nothing for a while, and the clock steps back meanwhile. So publications
    // arrive before they were sent.
    let server = Server::start(Fault::Stalls(401, 400)).await;
    let world = Arc::new(world(&server, SMALL));
    let watched = Arc::clone(&world);
    tokio::spawn(async move {
        while read(&watched.counts.delivered) < 420 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        watched.clock.step(-600_000);
    });
    let report = report(world).await;
    assert!(invalid(&report).contains(&"negative latency"), "{:?}", report.judgement);
    assert_eq!(report.judgement.verdict.exit_code(), 5);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wall_clock_that_steps_makes_the_run_invalid() {
    let server = Server::start(Fault::None).await;
    let world = world(&server, SMALL);
    let clock = Arc::clone(&world.clock);
    tokio::spawn(async move {
        tokio::time::sleep(Duration::from_millis(300)).await;
        clock.step_wall(3_000_000);
    });
    let report = report(world).await;
    assert!(invalid(&report).contains(&"clock step"), "{:?}", report.judgement);
    assert_eq!(report.judgement.verdict, Verdict::Invalid);
    assert_eq!(report.judgement.verdict.exit_code(), 5);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_saturated_generator_makes_the_run_invalid() {
    let server = Server::start(Fault::None).await;
    for _ in 0..2 {
        tokio::spawn(async {
            loop {
                // Blocks a thread of the runtime, which no task should do.
                std::thread::sleep(Duration::from_millis(60));
                tokio::task::yield_now().await;
            }
        });
    }
    let report = report(world(&server, SMALL)).await;
    assert!(invalid(&report).contains(&"saturated generator"), "{:?}", report.judgement);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_invalid_run_that_lost_something_is_incorrect() {
    let server = Server::start(Fault::Loses(401)).await;
    let world = world(&server, SMALL);
    world.clock.step_wall(0);
    let clock = Arc::clone(&world.clock);
    tokio::spawn(async move {
        tokio::time::sleep(Duration::from_millis(300)).await;
        clock.step_wall(3_000_000);
    });
    let report = report(world).await;
    assert!(!invalid(&report).is_empty());
    assert_eq!(report.judgement.verdict.exit_code(), 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_threshold_that_fails_is_exit_code_3_unless_the_run_is_invalid() {
    let report = run(Fault::None, &format!("{SMALL}\n[thresholds]\neach_p50_ms = 0.001")).await;
    let expected = if invalid(&report).is_empty() { 3 } else { 5 };
    assert_eq!(report.judgement.verdict.exit_code(), expected);
    assert_eq!(report.judgement.thresholds[0].was, report.times.each.at(0.5));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_is_stopped_waits_for_what_is_on_its_way_and_reports() {
    let server = Server::start(Fault::None).await;
    let world = Arc::new(world(&server, &SMALL.replace("0.5", "600")));
    let watched = Arc::clone(&world);
    tokio::spawn(async move {
        while read(&watched.counts.delivered) < 100 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        watched.stop_because("it was interrupted");
    });
    let report = report(world).await;
    assert_eq!(report.run.stopped.as_deref(), Some("it was interrupted"));
    assert_eq!((report.account.missing, report.account.unknown), (0, 0));
    assert!(report.account.tally.delivered >= 100 && report.run.phases_s < 60.0);
}

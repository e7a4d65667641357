//! Tests that everything arrives once and in order under any fault, and that nothing remains
//! afterwards.

use e2e::chaos::{Plan, Report, run};

/// Runs a small number of members under these faults. They join, publish, leave, restart and lose
/// their connections.
async fn under(faults: &str) -> Report {
    let plan = Plan {
        members: 24,
        rooms: 4,
        rooms_of_a_member: 3,
        publications_per_second: 20.0,
        changes_per_second: 4.0,
        ..Plan::new(1_000, faults.parse().unwrap(), 7)
    };
    run(&plan).await
}

fn assert_holds(report: &Report) {
    assert!(report.holds(), "{report}");
    assert!(report.not_fired.is_empty(), "{report}");
}

#[tokio::test(flavor = "multi_thread")]
async fn under_faults_of_functions_queues_and_tables_everything_arrives_once_and_in_order() {
    assert_holds(&under("F1=0.05,F7=0.05,F8=0.1,F11=0.1,F16=0.1,F17=0.03,F19=0..2000ms,F22=0.02").await);
}

#[tokio::test(flavor = "multi_thread")]
async fn under_faults_of_posts_and_connections_everything_arrives_and_no_ghost_is_left() {
    assert_holds(&under("F32=0.3,F33=0.05,F34=0.02,F35=0.05,F38=0.02,F40=0.03,F42=0.1,F43=0.5,F45=0.5,F48=0.02").await);
}

//! Runs without faults, which must raise no alarm.

use futures::stream::{StreamExt, iter};

use crate::{Fault, SMALL, invalid, run, violations};

/// Everything at once: members leave, close, reset and vanish; some read slowly; some publications
/// are ephemeral.
const BUSY: &str = r#"
name = "busy"
about = "Everything that may happen to members."
drain_s = 5.0
[[rooms]]
count = 3
members = 8
rate = 40
publishers = 2
ephemeral_rate = 5
slow_readers = 0.2
slow_pause_ms = 5
[ramp]
shape = "step"
per_second = 400
step_s = 0.1
[[phases]]
name = "warm"
seconds = 0.3
rate = 0.5
measured = false
[[phases]]
name = "steady"
seconds = 1.0
[[churn]]
kind = "leave"
share = 0.2
every_s = 0.4
away_s = 0.1
[[churn]]
kind = "close"
share = 0.2
every_s = 0.5
away_s = 0.1
[[churn]]
kind = "reset"
share = 0.2
every_s = 0.4
away_s = 0.05
[[churn]]
kind = "half-open"
share = 0.2
every_s = 0.6
away_s = 0.05
[[churn]]
kind = "black-hole"
share = 0.2
every_s = 0.6
away_s = 0.05
[[churn]]
kind = "storm"
share = 0.5
every_s = 0.7
"#;

#[tokio::test(flavor = "multi_thread")]
async fn fifty_clean_runs_raise_no_alarm() {
    let runs = iter(0..50).map(|n| async move { run(Fault::None, if n % 2 == 0 { SMALL } else { BUSY }).await });
    let reports: Vec<_> = runs.buffer_unordered(5).collect().await;
    for report in &reports {
        assert_eq!(violations(report), Vec::<&str>::new(), "{:#?}", report.account);
        assert_eq!((report.account.unknown, report.account.excused.told), (0, 0));
        // Five concurrent runs on a small machine may starve each other. Then the report is right
        // to be invalid.
        assert!(invalid(report).iter().all(|what| *what == "saturated generator"), "{:?}", report.judgement);
    }
    assert_eq!(reports.len(), 50);
}

#[tokio::test(flavor = "multi_thread")]
async fn members_that_go_in_every_way_come_back_and_miss_nothing() {
    let report = run(Fault::None, BUSY).await;
    assert_eq!((violations(&report), report.account.missing), (Vec::<&str>::new(), 0), "{:#?}", report.account);
    assert!(report.account.tally.recovered_by_resume > 0 && report.traffic.resumed > 0, "{:?}", report.traffic);
    assert!(report.traffic.ephemeral_heard > 0 && report.census.vanished > 0);
}

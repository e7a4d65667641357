//! Members that are the npm client in Node. Without Node 20, or before `npm ci && npm run build` in
//! clients/web, these tests print that nothing was checked.

use loadtest::member::npm;

use crate::{Fault, run, violations};

/// Ten members, four of which are the npm client. Each connection is reset once a second.
const MIXED: &str = r#"
name = "mixed"
about = "Members of the npm client among others."
drain_s = 15.0
[[rooms]]
members = 10
npm_members = 4
rate = 40
publishers = 2
[ramp]
shape = "spike"
[[phases]]
name = "steady"
seconds = 3
[[churn]]
kind = "reset"
share = 1.0
every_s = 1.0
away_s = 0.1
"#;

/// The same without churn.
fn calm() -> &'static str {
    MIXED.split("[[churn]]").next().unwrap_or_default()
}

fn is_ready() -> bool {
    npm::check().map_err(|error| eprintln!("not checked: {error}")).is_ok()
}

#[tokio::test(flavor = "multi_thread")]
async fn npm_members_whose_connections_are_reset_resume_and_miss_nothing() {
    if !is_ready() {
        return;
    }
    let report = run(Fault::None, MIXED).await;
    assert_eq!((violations(&report), report.account.missing), (Vec::<&str>::new(), 0), "{:#?}", report.complaints);
    assert_eq!((report.account.expected, report.traffic.joined), (1_200, 10), "{:#?}", report.complaints);
    assert!(report.traffic.resumed >= 10, "{:?}", report.traffic);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_delivery_that_an_npm_member_never_gets_is_found() {
    if !is_ready() {
        return;
    }
    let report = run(Fault::Silences, &calm().replace("npm_members = 4", "npm_members = 10")).await;
    assert_eq!(report.traffic.joined, 10, "{:#?}", report.complaints);
    assert!(violations(&report).contains(&"silent member"), "{:?}", report.judgement);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_publication_that_npm_members_get_twice_is_found() {
    if !is_ready() {
        return;
    }
    let report = run(Fault::SequencesTwice(401), &calm().replace("npm_members = 4", "npm_members = 10")).await;
    assert!(violations(&report).contains(&"duplicated"), "{:?}", report.judgement);
    assert_eq!(report.account.tally.duplicates, 10);
}

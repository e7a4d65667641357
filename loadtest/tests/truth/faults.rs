//! Faults of the server. Each must be found and named.

use loadtest::ledger::Account;
use loadtest::report::Verdict;

use crate::{Fault, SMALL, run, violations};

/// 250 members and 400 publications: 100,000 deliveries.
const LARGE: &str = r#"
name = "large"
about = "One hundred thousand deliveries."
drain_s = 8.0
[[rooms]]
members = 250
rate = 100
publishers = 2
[ramp]
shape = "spike"
[[phases]]
name = "steady"
seconds = 4
"#;

fn named(account: &Account, what: &str) -> usize {
    account.tally.samples.iter().filter(|sample| sample.what == what).count()
}

#[tokio::test(flavor = "multi_thread")]
async fn one_of_100000_deliveries_that_is_lost_is_found_and_named() {
    let report = run(Fault::Loses(60_123), LARGE).await;
    assert_eq!((report.account.expected, report.account.missing, report.account.lost.middle), (100_000, 1, 1));
    assert_eq!(violations(&report), ["lost middle"]);
    assert_eq!(report.judgement.verdict.exit_code(), 4);
    assert_eq!(named(&report.account, "lost"), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_delivery_that_is_dropped_and_kept_in_the_log_is_recovered() {
    let report = run(Fault::Drops(401), SMALL).await;
    assert_eq!(violations(&report), Vec::<&str>::new());
    assert_eq!((report.account.missing, report.account.tally.recovered_in_gaps > 0), (0, true));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_last_delivery_that_is_dropped_is_recovered_before_the_end() {
    let report = run(Fault::Drops(800), SMALL).await;
    assert_eq!((report.account.missing, report.account.tally.recovered_in_gaps), (0, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_tail_and_a_lost_prefix_are_told_apart() {
    let tail = run(Fault::LosesTheRest(401), SMALL).await;
    assert_eq!(violations(&tail), ["lost tail"]);
    assert_eq!(tail.account.missing, tail.account.lost.tail);
    let prefix = run(Fault::LosesTheBeginning(3), SMALL).await;
    assert_eq!((violations(&prefix), prefix.account.lost.prefix), (vec!["lost prefix"], 1));
    assert_eq!(prefix.judgement.verdict, Verdict::Incorrect);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_delivery_that_is_repeated_on_the_wire_is_counted_and_no_violation() {
    let report = run(Fault::Repeats(401), SMALL).await;
    assert_eq!((report.account.tally.repeats_on_the_wire, report.account.tally.duplicates), (1, 0));
    assert_eq!(violations(&report), Vec::<&str>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_publication_with_two_positions_is_duplicated_to_applications() {
    let report = run(Fault::SequencesTwice(401), SMALL).await;
    assert!(violations(&report).contains(&"duplicated"), "{:?}", report.judgement);
    assert_eq!(report.account.tally.duplicates, 10);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_deliveries_that_are_swapped_on_the_wire_are_counted_and_held() {
    let report = run(Fault::SwapsOnTheWire(401), SMALL).await;
    assert_eq!(violations(&report), Vec::<&str>::new());
    assert_eq!((report.account.missing, report.account.tally.out_of_order_on_the_wire), (0, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn two_publications_that_are_swapped_for_one_member_are_misordered() {
    let report = run(Fault::SwapsPositions(401), SMALL).await;
    assert!(violations(&report).contains(&"misordered"), "{:?}", report.judgement);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_delivery_in_a_foreign_room_is_named() {
    let report = run(Fault::ForeignRoom(401), SMALL).await;
    assert_eq!(violations(&report), ["foreign room"]);
    assert_eq!(report.account.tally.foreign_room, 1);
    let told = &report.account.tally.samples[0].told;
    assert!(told.contains("in room elsewhere"), "{told}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_phantom_is_named() {
    let report = run(Fault::Phantom(401), SMALL).await;
    assert_eq!(violations(&report), ["phantom"]);
    assert_eq!(report.account.tally.phantoms, 10);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_comes_late_after_a_leave_is_named() {
    let leaves = format!(
        "{}\n[[churn]]\nkind = \"leave\"\nshare = 0.3\nevery_s = 0.3\naway_s = 5.0",
        SMALL.replace("0.5", "1.5")
    );
    let report = run(Fault::ForgetsLeaves, &leaves).await;
    assert!(violations(&report).contains(&"late after leave"), "{:?}", report.judgement);
    let honest = run(Fault::None, &leaves).await;
    assert_eq!(violations(&honest), Vec::<&str>::new());
    assert!(honest.account.excused.absent > 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stalled_member_is_named() {
    let report = run(Fault::Stalls(401, 900), SMALL).await;
    assert_eq!((report.account.stalled_members, report.account.missing), (1, 0));
    assert!(named(&report.account, "stalled member") > 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_silent_member_is_named() {
    let report = run(Fault::Silences, SMALL).await;
    assert_eq!(violations(&report), ["silent member"]);
    assert_eq!((report.account.silent_members, report.account.lost.whole), (2, 80));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ghost_that_stays_is_named() {
    let closes = format!("{SMALL}\n[[churn]]\nkind = \"close\"\nshare = 0.3\nevery_s = 0.2\naway_s = 0.05");
    let report = run(Fault::KeepsGhosts, &closes).await;
    assert_eq!(violations(&report), ["ghost"]);
    assert!(report.census.samples[0].contains("and the server counts"), "{:?}", report.census);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_published_without_an_answer_is_unknown_and_owed_once_somebody_has_heard_it() {
    let report = run(Fault::DoesNotAnswer, SMALL).await;
    assert_eq!((report.account.unknown, report.account.missing), (80, 0));
    assert_eq!(report.account.tally.delivered, 800);
}

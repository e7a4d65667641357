//! Tests a restore of the rooms table while members are connected.

use e2e::restore::drill;

#[tokio::test(flavor = "multi_thread")]
async fn members_that_stay_connected_during_a_restore_end_at_the_head_with_an_honest_gap() {
    let report = drill(50).await;
    assert!(report.holds(), "{report}");
}

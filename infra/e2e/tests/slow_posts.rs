//! Tests a gateway that answers slowly: no function reaches its timeout, and every member receives
//! everything.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests fail by panicking")]

use std::time::Duration;

use e2e::{everything, members, start};
use futures::future::join_all;

const ROOMS: [&str; 4] = ["a", "b", "c", "d"];

#[tokio::test(flavor = "multi_thread")]
async fn slow_posts_to_four_rooms_of_500_run_no_function_out_of_time() {
    let mut options = everything();
    options.limits.call_latency = Duration::from_millis(300);
    let (stack, url) = start(options).await;
    let mut crowd = members(&url, "m", 500, &ROOMS).await;
    for (member, room) in crowd.iter_mut().zip(ROOMS) {
        member.publish(room, &format!("p-{room}")).await;
    }
    for room in ROOMS {
        join_all(crowd.iter_mut().map(|member| member.hear(room, 1))).await;
    }
    let statistics = stack.statistics();
    assert_eq!(statistics["functions"]["fanout"]["timeouts"], 0, "{}", statistics["functions"]["fanout"]);
    drop(crowd);
    stack.shutdown().await;
}

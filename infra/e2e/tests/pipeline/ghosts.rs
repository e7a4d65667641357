//! Tests that connections that ended without a close are removed: at the first 410, or by the
//! reaper.

use std::time::Duration;

use aws_adapters::Tables;
use domain::ports::{Connections, Memberships, Opened};
use domain::{Connection, Shard, Timestamp, limits};
use e2e::{Member, everything, start, tables};
use local::Stack;
use testkit::samples;

fn now() -> Timestamp {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    Timestamp::from_ms(since.as_millis() as u64)
}

/// Stores a connection in the tables that the gateway does not have.
async fn ghost(stack: &Stack, tables: &Tables, seen_ago: Duration) -> Connection {
    let seen = now().minus(seen_ago);
    let mut ghost = samples::connection("R2hvc3RHaG9zdA=", "ghost", seen);
    ghost.endpoint = domain::Endpoint::new(&stack.addresses().websocket.as_ref().unwrap().management_url);
    let lobby = samples::membership(&ghost, &samples::room("lobby"), Shard::FIRST);
    assert_eq!(tables.open(&ghost, &[lobby]).await.unwrap(), Opened::Stored);
    ghost
}

/// Waits until a connection is removed and is in no room.
async fn forgotten(tables: &Tables, connection: &Connection) {
    let gone = async || {
        tables.find(&connection.id).await.unwrap().is_none()
            && tables.rooms_of(&connection.id).await.unwrap().is_empty()
    };
    let waiting = async {
        while !gone().await {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), waiting).await.expect("forgotten in time");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_is_gone_is_forgotten_at_the_first_410() {
    let (stack, url) = start(everything()).await;
    let tables = tables(&stack);
    let mut ada = Member::connect(&url, "ada").await;
    ada.join("lobby").await;
    let ghost = ghost(&stack, &tables, 2 * limits::NOT_READY).await;
    ada.publish("lobby", "p").await;
    ada.hear("lobby", 1).await;
    forgotten(&tables, &ghost).await;
    stack.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_silent_connection_is_reaped_and_a_live_one_is_not() {
    let (stack, url) = start(everything()).await;
    let tables = tables(&stack);
    let mut ada = Member::connect(&url, "ada").await;
    ada.join("lobby").await;
    let ghost = ghost(&stack, &tables, limits::STALE + Duration::from_secs(60)).await;
    forgotten(&tables, &ghost).await;
    ada.publish("lobby", "p").await;
    ada.hear("lobby", 1).await;
    stack.shutdown().await;
}

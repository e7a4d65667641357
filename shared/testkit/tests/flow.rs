//! A join at any time during the removal of its connection leaves no membership behind.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests fail by panicking")]

use std::sync::atomic::{AtomicU32, Ordering};

use domain::flow::{forget, leave_all};
use domain::ports::{Clock, Connections, Memberships};
use domain::{Membership, Shard};
use testkit::faults::{Call, Decide, Fault, Faulty};
use testkit::memory::Store;
use testkit::{World, samples};

/// Joins a room right before the call with this number.
struct JoinsBefore {
    store: Store,
    membership: Membership,
    call: u32,
    calls: AtomicU32,
}

impl Decide for JoinsBefore {
    fn decide(&self, _: Call) -> Fault {
        Fault::Pass
    }

    async fn before(&self, _: Call) {
        if self.calls.fetch_add(1, Ordering::Relaxed) == self.call {
            for joined in self.store.join(std::slice::from_ref(&self.membership)).await {
                joined.unwrap();
            }
        }
    }
}

/// Joins before the given call. Returns whether a membership remains, and the number of calls.
async fn leaves_a_membership(call: u32, buries_first: bool) -> (bool, u32) {
    let world = World::new();
    let connection = world.connect("c1", "ada").await;
    let membership = samples::membership(&connection, &samples::room("lobby"), Shard::FIRST);
    let joins = JoinsBefore { store: world.store.clone(), membership, call, calls: AtomicU32::new(0) };
    let tables = Faulty::new(world.store.clone(), joins);
    let now = world.clock.now();
    if buries_first {
        forget(&tables, &connection.id, now).await.unwrap();
    } else {
        leave_all(&tables, &connection.id).await.unwrap();
        tables.bury(&connection.id, now).await.unwrap();
    }
    let calls = testkit::faults::Operation::ALL.iter().map(|operation| tables.calls(*operation)).sum();
    (!world.store.memberships().is_empty(), calls)
}

/// The first call before which a join leaves a membership behind.
async fn first_hole(buries_first: bool) -> Option<u32> {
    let (_, calls) = leaves_a_membership(u32::MAX, buries_first).await;
    assert!(calls >= 3);
    for call in 0..calls {
        if leaves_a_membership(call, buries_first).await.0 {
            return Some(call);
        }
    }
    None
}

#[tokio::test]
async fn whatever_joins_while_a_connection_is_forgotten_leaves_nothing_and_leaving_before_burying_is_found() {
    assert_eq!(first_hole(true).await, None);
    assert_ne!(first_hole(false).await, None);
}

//! Promises to backends: publications once and in order, or a dead letter with its reason.

use simulation::{Fault, Kind, Stake};

use crate::proof::Promise;

#[test]
fn an_event_or_row_that_comes_twice_is_published_once() {
    Promise {
        lives: |life| life.has(Fault::ToldTwice) || life.has(Fault::Replayed) || life.has(Fault::DeliveredAgain),
        stakes: &[(Stake::FromBackend, 100)],
        kinds: &[Kind::Duplicated, Kind::Lost],
        mistakes: &["OutboxIdsAnew", "NoDedupe"],
    }
    .holds();
}

#[test]
fn events_of_a_fifo_topic_keep_their_order() {
    Promise {
        lives: |_| true,
        stakes: &[(Stake::InOrder, 50)],
        kinds: &[Kind::Overtaken],
        mistakes: &["GroupForgotten"],
    }
    .holds();
}

#[test]
fn what_cannot_be_delivered_names_who_misses_what_and_redriven_twice_delivers_exactly_that() {
    Promise {
        lives: |life| life.has(Fault::Redriven) && life.has(Fault::Poison),
        stakes: &[(Stake::Buried, 20), (Stake::Owed, 150)],
        kinds: &[Kind::NotBuried, Kind::Repeated, Kind::Lost],
        mistakes: &["PoisonForgotten", "PostedTwice", "WholeBatchDone"],
    }
    .holds();
}

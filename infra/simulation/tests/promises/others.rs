//! The trouble of one room, one member or one message neither delays others nor costs them
//! anything.

use simulation::{Fault, Kind, Stake, Trouble};

use crate::proof::Promise;

#[test]
fn nobody_waits_for_poison_or_for_a_slow_member() {
    let poison = Promise {
        lives: |life| life.calm && (life.has(Fault::Poison) || life.has(Fault::PoisonRecord)),
        stakes: &[(Stake::Timely, 1_000), (Stake::Buried, 20)],
        kinds: &[Kind::Delayed, Kind::Repaired],
        mistakes: &["JobsLost"],
    };
    let slow = Promise {
        lives: |life| life.calm && life.trouble == Some(Trouble::Slow),
        stakes: &[(Stake::Timely, 2_000)],
        mistakes: &["LateOnMainLine"],
        ..poison
    };
    let failing = Promise {
        lives: |life| life.calm && life.trouble == Some(Trouble::Failing),
        mistakes: &["WholeBatchFails"],
        ..slow
    };
    let hot =
        Promise { lives: |life| life.calm && life.trouble == Some(Trouble::Hot), mistakes: &["JobsInOneLine"], ..slow };
    [poison, slow, failing, hot].iter().for_each(Promise::holds);
}

#[test]
fn a_broadcast_reads_no_more_however_many_others_are_connected() {
    Promise { lives: |_| true, stakes: &[(Stake::Read, 10_000)], kinds: &[Kind::Scanned], mistakes: &["PageScans"] }
        .holds();
}

#[test]
fn a_wide_room_is_served_while_small_rooms_chat_undisturbed() {
    Promise {
        lives: |life| life.calm && life.trouble == Some(Trouble::Wide),
        stakes: &[(Stake::BesideWide, 1_000)],
        kinds: &[Kind::Delayed, Kind::Repaired],
        mistakes: &["WideThroughNarrow"],
    }
    .holds();
}

#[test]
fn who_publishes_too_fast_is_told_when_to_try_again_and_keeps_the_connection() {
    Promise {
        lives: |life| life.calm && life.trouble == Some(Trouble::Flood),
        stakes: &[(Stake::TooFast, 500), (Stake::LetIn, 60), (Stake::Timely, 2_000)],
        kinds: &[Kind::TooFast, Kind::Refused, Kind::Delayed],
        mistakes: &["RateIgnored", "UserRateIgnored", "PauseTooShort"],
    }
    .holds();
}

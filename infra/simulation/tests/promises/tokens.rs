//! Promises about tokens: the rooms that they allow, and the time for which they are valid.

use simulation::{Fault, Kind, Stake};

use crate::proof::Promise;

#[test]
fn a_connection_whose_token_expired_hears_and_says_nothing_more_and_is_closed() {
    Promise {
        lives: |life| life.has(Fault::TokenExpires),
        stakes: &[(Stake::Lapsed, 2)],
        kinds: &[Kind::HeardExpired, Kind::NotClosed],
        mistakes: &["ExpiredTold", "ExpiredNotClosed"],
    }
    .holds();
}

#[test]
fn a_token_that_was_renewed_keeps_its_connection_and_its_permissions_take_effect() {
    Promise {
        lives: |_| true,
        stakes: &[(Stake::Renewed, 10)],
        kinds: &[Kind::NotAllowed, Kind::Refused],
        mistakes: &["RenewalKeepsRooms", "RenewalForgotten"],
    }
    .holds();
}

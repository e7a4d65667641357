//! Promises about publications: their order, their delivery, and the truth of replies.

use simulation::{Fault, Kind, Stake};

use crate::proof::Promise;

#[test]
fn every_member_hears_each_publication_of_its_rooms_once_in_one_order_without_a_gap() {
    Promise {
        lives: |_| true,
        stakes: &[(Stake::Heard, 3_000)],
        kinds: &[Kind::Misordered, Kind::Phantom, Kind::Lost, Kind::CrossRoom],
        mistakes: &["HoldDropped", "ForeignRoom"],
    }
    .holds();
}

#[test]
fn a_fanout_process_killed_in_the_middle_loses_nothing() {
    Promise {
        lives: |life| !life.calm,
        stakes: &[(Stake::Owed, 100), (Stake::Positioned, 500)],
        kinds: &[Kind::Lost, Kind::Unserved],
        mistakes: &[
            "AcceptBeforeEnqueue",
            "WholeBatchDone",
            "JobsNotResent",
            "HeadBeforeMembership",
            "FirstPageOnly",
            "EpochlessJobId",
            "DeadlineDrops",
            "LastFailureOnly",
        ],
    }
    .holds();
}

#[test]
fn an_id_that_is_repeated_is_accepted_again_and_published_once() {
    Promise {
        lives: |life| life.has(Fault::DeliveredAgain) || life.has(Fault::ResponseLost),
        stakes: &[(Stake::Positioned, 1_000)],
        kinds: &[Kind::Duplicated, Kind::Lost],
        mistakes: &["NoDedupe", "DedupeWithoutPublisher"],
    }
    .holds();
}

#[test]
fn a_member_whose_socket_was_reset_returns_and_gets_exactly_what_it_missed() {
    Promise {
        lives: |_| true,
        stakes: &[(Stake::Replayed, 50)],
        kinds: &[Kind::FalseRecovered],
        mistakes: &["ReplayCut"],
    }
    .holds();
}

#[test]
fn members_that_stay_connected_during_a_restore_end_at_the_head_with_an_honest_gap() {
    Promise {
        lives: |life| life.has(Fault::Restored),
        stakes: &[(Stake::Owed, 150)],
        kinds: &[Kind::Lost, Kind::Misordered, Kind::FalseRecovered],
        mistakes: &["ReplayCut"],
    }
    .holds();
}

#[test]
fn a_pong_names_the_rooms_that_have_moved_on() {
    Promise {
        lives: |life| life.has(Fault::JobLost) || life.has(Fault::BlackHole),
        stakes: &[(Stake::Behind, 50), (Stake::Owed, 150)],
        kinds: &[Kind::Lost, Kind::Repaired],
        mistakes: &["PongsSilent"],
    }
    .holds();
}

#[test]
fn ephemeral_publications_reach_who_is_there_and_are_never_stored() {
    Promise {
        lives: |_| true,
        stakes: &[(Stake::Said, 10), (Stake::Silent, 10)],
        kinds: &[Kind::Stored, Kind::Echoed, Kind::Phantom, Kind::Lost],
        mistakes: &["EphemeralStored", "EphemeralMoves", "EchoForced"],
    }
    .holds();
}

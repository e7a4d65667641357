//! Promises about membership: which connections receive, which are removed, and how many a room
//! has.

use simulation::{Fault, Kind, Stake};

use crate::proof::Promise;

#[test]
fn who_left_is_posted_nothing_more() {
    Promise {
        lives: |_| true,
        stakes: &[(Stake::Left, 10)],
        kinds: &[Kind::LateAfterLeave],
        mistakes: &["LeaveIgnored"],
    }
    .holds();
}

#[test]
fn a_connection_that_is_gone_is_forgotten_at_the_first_410() {
    Promise {
        lives: |life| !life.calm,
        stakes: &[(Stake::Forgotten, 50), (Stake::Kept, 50)],
        kinds: &[Kind::GhostLeft, Kind::LiveReaped],
        mistakes: &["ForgetOnAny410", "WrongConnectionForgotten", "NoTombstone", "NothingForgotten"],
    }
    .holds();
}

#[test]
fn the_count_of_a_room_is_true_10_s_after_its_last_change() {
    Promise {
        lives: |_| true,
        stakes: &[(Stake::Counted, 30)],
        kinds: &[Kind::WrongCount],
        mistakes: &["CountsIncremented", "AnnouncementsLost"],
    }
    .holds();
}

#[test]
fn what_is_sent_to_a_user_reaches_every_device_and_the_one_that_was_away_on_its_return() {
    Promise {
        lives: |_| true,
        stakes: &[(Stake::Inbox, 10)],
        kinds: &[Kind::Lost, Kind::CrossRoom],
        mistakes: &["ForeignRoom", "WholeBatchDone"],
    }
    .holds();
}

#[test]
fn a_user_who_was_removed_is_out_within_2_s_and_one_who_was_joined_is_in() {
    Promise {
        lives: |_| true,
        stakes: &[(Stake::Obeyed, 10)],
        kinds: &[Kind::NotObeyed, Kind::Admitted],
        mistakes: &["LeaveIgnored", "CloseIgnored", "BanForgotten"],
    }
    .holds();
}

#[test]
fn a_silent_connection_is_reaped_and_a_live_one_is_not() {
    Promise {
        lives: |life| life.has(Fault::NeverDisconnected),
        stakes: &[(Stake::Forgotten, 100), (Stake::Kept, 100)],
        kinds: &[Kind::GhostLeft, Kind::LiveReaped],
        mistakes: &["NothingForgotten"],
    }
    .holds();
}

#[test]
fn rooms_are_joined_by_the_hundred_beside_publications_and_pings() {
    Promise {
        lives: |life| life.calm,
        stakes: &[(Stake::Beside, 1_000)],
        kinds: &[Kind::Conflicted],
        mistakes: &["ConflictsNotRetried"],
    }
    .holds();
}

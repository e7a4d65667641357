//! The promises of every adapter of a port, written once:
//! [`contract_tests!`](crate::contract_tests) makes a test of each promise.
//!
//! A promise uses the ports and, through a fixture, the other parts that a test needs: the clock,
//! the receivers of the queues, the clients of the gateway. It uses rooms and connections of its
//! own, so a fixture may share its tables with other tests; its queues are its own. It never
//! expects an index to show a write at once: it reads again until the fixture's clock has passed
//! [`PATIENCE`].

mod fixtures;
mod scene;
mod suites;
mod world;

pub use fixtures::{ChecksFixture, GatewayFixture, Peer, QueuesFixture, StoreFixture, Taken, Told, TopicFixture};
pub use scene::PATIENCE;

/// Makes one `#[tokio::test]` of each promise of a suite, in a module of the suite's name.
///
/// The suites are `charges`, `connections`, `memberships`, `entrances`, `renewals`, `rooms`,
/// `rosters` and `presences` over a [`StoreFixture`], `submissions`, `jobs` and `retries` over a
/// [`QueuesFixture`], `checks` over a [`ChecksFixture`], `activities` over a [`TopicFixture`],
/// `gateway` over a [`GatewayFixture`]. The second argument is an async function (or closure) that
/// makes the fixture. The crate that uses this macro needs `tokio` among its dev-dependencies.
///
/// [`StoreFixture`]: crate::contracts::StoreFixture
/// [`QueuesFixture`]: crate::contracts::QueuesFixture
/// [`GatewayFixture`]: crate::contracts::GatewayFixture
///
/// ```
/// async fn make() -> testkit::World {
///     testkit::World::new()
/// }
/// testkit::contract_tests!(rooms, make);
/// testkit::contract_tests!(gateway, make);
/// ```
#[macro_export]
macro_rules! contract_tests {
    (@tests $suite:ident, $make:expr, [$($promise:ident)+]) => {
        mod $suite {
            #[allow(unused_imports)]
            use super::*;
            $(
                #[tokio::test]
                async fn $promise() {
                    let make = $make;
                    $crate::contracts::$suite::$promise(&make().await).await;
                }
            )+
        }
    };
    (@promises $suite:ident, [$($promise:ident)+]) => {
        #[doc = concat!("The promises of the suite `", stringify!($suite), "`, each in its name.")]
        pub mod $suite {
            pub use super::suites::$suite::{$($promise),+};
        }
    };
    (charges $(, $make:expr)?) => {
        $crate::contract_tests! { @list charges, [
            a_burst_is_granted_and_what_is_beyond_it_is_told_when
            what_was_refused_is_granted_at_the_moment_told_and_not_before
            who_was_quiet_has_a_whole_burst_again_and_no_more
            charges_at_the_same_moment_all_count
            one_connections_charges_are_no_others
            nobody_is_charged_who_is_not_connected_and_none_is_revived
            who_is_charged_is_alive_and_otherwise_as_before
            a_keep_alive_records_traffic_whenever_it_comes
            publications_and_other_requests_share_one_allowance
            a_charge_shows_what_was_used_before_it
            a_user_has_one_allowance_whatever_is_guessed_of_it
            charges_of_a_user_at_the_same_moment_all_count
            what_is_appended_takes_up_the_rate_of_its_room
            what_is_not_stored_takes_up_the_rate_of_a_room_and_never_gives_it_back
        ] $(, $make)? }
    };
    (connections $(, $make:expr)?) => {
        $crate::contract_tests! { @list connections, [
            a_connection_is_found_as_it_was_opened
            a_connection_opens_once
            a_refused_open_stores_no_membership
            a_buried_connection_cannot_be_opened_again
            a_connection_buried_before_it_opened_is_refused
            a_buried_connection_is_not_found
            burying_twice_is_no_error
            what_a_connection_joins_at_open_is_stored_with_it
            an_open_connection_is_a_member_of_everyone_in_the_shard_it_was_given
            an_open_connection_is_a_member_of_everyone_even_if_it_was_given_no_shard
            a_buried_connection_is_no_member_of_everyone
            a_touch_soon_after_the_last_is_not_written
            a_touch_long_after_the_last_is_written
            a_touch_knows_no_buried_connection_and_revives_none
            a_suspect_is_told_as_it_was_opened
            silent_connections_come_longest_silent_first
            silent_connections_are_at_most_the_limit_and_the_longest_silent
            a_connection_seen_since_is_not_silent
            a_touched_connection_is_silent_no_more
            a_buried_connection_is_silent_no_more
            a_silent_connection_is_in_its_shard_alone
            an_open_at_the_moment_of_a_burial_leaves_it_buried
            the_connections_of_a_user_are_listed_at_once_until_they_cannot_live
            a_connection_that_left_the_directory_is_not_listed
        ] $(, $make)? }
    };
    (memberships $(, $make:expr)?) => {
        $crate::contract_tests! { @list memberships, [
            a_room_is_joined_once
            a_second_join_keeps_the_first_shard
            joins_at_the_same_moment_store_one_membership
            several_rooms_are_joined_at_once_with_an_outcome_for_each
            a_hundred_rooms_are_joined_at_once
            many_rooms_joined_twice_at_the_same_moment_are_joined_once
            what_was_joined_is_taken_back_but_not_what_was_extended_or_given_since
            nobody_leaves_everyone
            leaving_takes_the_rooms_named_and_no_other
            leaving_twice_is_no_error
            a_room_left_may_be_joined_again_in_another_shard
            a_hundred_and_thirty_rooms_are_all_listed_and_all_left
            the_rooms_of_a_buried_connection_are_still_listed
            the_rooms_of_nobody_are_none
            a_member_is_listed_as_it_joined
            a_shard_of_a_thousand_is_walked_whole_and_without_repeats
            a_walk_goes_on_after_a_member_that_has_left
            a_member_that_left_is_listed_no_more
            a_shard_counts_what_its_pages_hold
            an_empty_shard_has_one_last_page
            members_among_many_are_those_that_are_members_now
            members_of_everyone_are_those_connected_now
        ] $(, $make)? }
    };
    (entrances $(, $make:expr)?) => {
        $crate::contract_tests! { @list entrances, [
            rooms_are_entered_and_their_heads_created
            a_full_shard_makes_its_room_grow_before_it_is_entered
            who_is_not_connected_enters_nothing
            an_entrance_at_the_moment_of_a_burial_leaves_nothing
            a_token_that_was_replaced_enters_nothing
            what_a_backend_gives_follows_a_token_that_was_replaced
            a_membership_that_expires_otherwise_is_extended
        ] $(, $make)? }
    };
    (renewals $(, $make:expr)?) => {
        $crate::contract_tests! { @list renewals, [
            a_connection_is_as_it_connected_until_it_is_renewed
            a_renewal_moves_the_end_and_the_device_of_a_connection
            a_buried_connection_is_unknown_and_cannot_be_renewed
            a_connection_renews_its_token_every_5_s_at_the_most
            a_renewal_leaves_what_was_last_seen
            holdings_are_told_with_who_gave_them_and_until_when
            a_membership_that_a_backend_gives_again_is_its_gift
            memberships_are_extended_and_none_is_made
            a_membership_keeps_where_it_began_and_is_extended_by_the_right_to_see_members
            a_token_that_was_replaced_extends_nothing
            nothing_of_a_buried_connection_is_extended
            a_hundred_memberships_are_extended
            deliveries_learn_until_when_a_renewed_member_hears
            an_expired_connection_is_listed_as_it_was_opened
            a_connection_without_a_token_never_expires
            a_renewed_connection_is_not_listed_before_its_new_end
            a_buried_connection_is_listed_as_expired_no_more
            expired_connections_come_longest_expired_first_and_at_most_the_limit
            what_is_written_beside_transactions_is_written_all_the_same
        ] $(, $make)? }
    };
    (rooms $(, $make:expr)?) => {
        $crate::contract_tests! { @list rooms, [
            a_room_has_no_head_until_it_is_created
            a_room_is_created_once_and_keeps_its_first_epoch
            a_head_that_is_kept_expires_later_and_is_otherwise_the_same
            creators_at_the_same_moment_agree
            the_heads_of_a_hundred_rooms_are_read_at_once
            a_room_grows_only_from_the_size_expected
            a_room_that_is_not_there_does_not_grow
            an_append_moves_the_head_and_stands_in_the_log
            an_append_may_not_know_how_far_jobs_are_queued
            an_append_to_a_room_without_a_head_creates_it
            an_append_in_another_epoch_replaces_the_one_it_read
            an_append_to_a_head_that_is_gone_is_stale
            an_append_to_a_position_that_has_a_row_finds_it_occupied
            an_id_remembers_its_position_and_whether_that_is_in_the_log
            ids_are_forgotten_unless_they_were_used_for_another_position
            a_head_of_an_older_generation_goes_on_in_another_epoch
            an_append_that_read_another_sequence_stores_nothing
            an_append_that_read_another_epoch_stores_nothing
            an_append_that_read_another_size_stores_nothing
            an_append_that_repeats_an_id_stores_nothing
            the_largest_transaction_is_stored_whole
            appends_at_the_same_moment_store_one_of_them
            an_id_is_known_once_it_is_appended
            an_id_is_known_only_in_its_room_and_of_its_publisher
            hundreds_of_ids_are_asked_for_at_once_even_twice
            jobs_sent_are_noted_and_never_taken_back
            jobs_sent_in_another_epoch_are_not_noted
            a_publication_is_read_byte_for_byte
            a_range_of_the_log_is_read_in_order_and_alone
            a_log_longer_than_a_page_is_read_whole
            the_log_backwards_is_read_latest_first
            the_log_of_another_epoch_is_empty
            how_far_a_shard_is_is_noted_and_never_taken_back
            how_far_a_shard_is_says_nothing_of_another_shard_or_epoch
            what_has_expired_is_not_read
        ] $(, $make)? }
    };
    (bans $(, $make:expr)?) => {
        $crate::contract_tests! { @list bans, [
            a_user_has_the_bans_that_were_stored_until_they_end
            a_ban_replaces_the_one_before_it_and_ends_it_if_it_lies_in_the_past
            of_the_revocations_of_a_user_the_one_of_the_latest_time_holds
            bans_are_listed_from_the_moment_of_their_write_on
        ] $(, $make)? }
    };
    (holds $(, $make:expr)?) => {
        $crate::contract_tests! { @list holds, [
            a_room_that_was_never_held_has_no_hold
            held_publications_are_numbered_in_turn_even_at_the_same_moment
            a_gate_passes_its_own_hold_and_no_other
            what_was_released_is_never_taken_back_and_begins_no_hold
            a_hold_that_is_over_begins_anew_and_one_that_is_not_goes_on
            how_busy_rooms_are_is_read_with_their_holds
        ] $(, $make)? }
    };
    (submissions $(, $make:expr)?) => {
        $crate::contract_tests! { @list submissions, [
            a_numbered_submission_arrives_in_the_queue_of_held_publications_alone
            a_submission_arrives_as_it_was_made
            the_largest_submission_arrives
            whatever_json_can_say_arrives_with_its_value
            submissions_of_a_room_arrive_in_order
            many_submissions_all_arrive_and_those_of_a_room_in_order
            a_repeat_is_queued_once
            the_same_ids_elsewhere_are_no_repeat
            a_room_in_flight_holds_back_no_other
        ] $(, $make)? }
    };
    (jobs $(, $make:expr)?) => {
        $crate::contract_tests! { @list jobs, [
            nothing_to_dispatch_is_no_error
            a_job_arrives_as_it_was_dispatched
            a_job_that_carries_its_content_arrives_as_it_was_dispatched_and_once
            every_one_of_1_to_40_jobs_arrives
            a_job_for_every_shard_of_the_largest_room_arrives
            jobs_of_a_shard_arrive_in_order
            jobs_sent_again_are_queued_once
            late_members_do_not_hold_back_their_shard
            jobs_of_large_rooms_go_through_the_wide_queue
        ] $(, $make)? }
    };
    (retries $(, $make:expr)?) => {
        $crate::contract_tests! { @list retries, [
            a_message_comes_back_no_sooner_than_asked_for
            a_message_without_a_pause_comes_back_at_once
            a_message_that_waits_holds_back_its_room_and_no_other
            messages_of_every_queue_come_back
            a_receipt_of_another_queue_is_refused
        ] $(, $make)? }
    };
    (gateway $(, $make:expr)?) => {
        $crate::contract_tests! { @list gateway, [
            a_frame_arrives_byte_for_byte
            frames_arrive_in_the_order_of_the_posts
            a_post_to_one_that_hung_up_is_gone
            a_post_to_one_that_never_was_is_gone
            a_frame_beyond_the_limit_is_too_large_and_does_no_harm
            a_probe_tells_the_living_from_the_gone
            a_probe_tells_when_it_was_last_active
            a_closed_connection_is_closed_for_its_peer_and_gone_for_us
            closing_one_that_is_gone_is_no_error
        ] $(, $make)? }
    };
    (rosters $(, $make:expr)?) => {
        $crate::contract_tests! { @list rosters, [
            an_occupant_is_told_as_it_joined
            occupants_among_many_are_those_that_are_members_now
            nobody_occupies_everyone
            devices_are_told_of_those_that_have_one_and_are_there
        ] $(, $make)? }
    };
    (presences $(, $make:expr)?) => {
        $crate::contract_tests! { @list presences, [
            nobody_was_ever_in_a_room_that_nothing_is_known_of
            a_presence_is_read_as_it_was_written
            the_presence_of_the_largest_room_is_read_as_it_was_written
            the_longest_names_are_read_as_they_were_written
            a_presence_that_somebody_else_wrote_meanwhile_is_not_written_over
            of_writers_at_the_same_moment_one_is_heard
            the_members_counted_are_known_some_time_after
            a_presence_is_no_head
        ] $(, $make)? }
    };
    (checks $(, $make:expr)?) => {
        $crate::contract_tests! { @list checks, [
            a_check_comes_as_it_was_made_and_not_before_it_is_due
            a_check_without_delay_comes_at_once
            a_part_of_a_second_is_a_second
        ] $(, $make)? }
    };
    (activities $(, $make:expr)?) => {
        $crate::contract_tests! { @list activities, [
            nothing_to_tell_is_no_error
            an_activity_arrives_as_it_was_told_with_attributes_to_filter_on
            every_one_of_23_activities_arrives
        ] $(, $make)? }
    };
    (@list $suite:ident, [$($promise:ident)+], $make:expr) => {
        $crate::contract_tests! { @tests $suite, $make, [$($promise)+] }
    };
    (@list $suite:ident, [$($promise:ident)+]) => {
        $crate::contract_tests! { @promises $suite, [$($promise)+] }
    };
}

contract_tests!(charges);
contract_tests!(connections);
contract_tests!(memberships);
contract_tests!(entrances);
contract_tests!(renewals);
contract_tests!(rooms);
contract_tests!(bans);
contract_tests!(holds);
contract_tests!(submissions);
contract_tests!(jobs);
contract_tests!(retries);
contract_tests!(gateway);
contract_tests!(rosters);
contract_tests!(presences);
contract_tests!(checks);
contract_tests!(activities);

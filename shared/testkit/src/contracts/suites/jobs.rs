//! Promises of [`Jobs`]: every shard gets its range once and in order, and late jobs delay no
//! others.

use domain::ports::Jobs;
use domain::{Announcement, Job, LateMember, Line, RoomId, Shards, Work, limits};

use crate::contracts::scene::{eventually, unique_room};
use crate::contracts::{QueuesFixture, Taken};
use crate::samples;

pub async fn nothing_to_dispatch_is_no_error(fixture: &impl QueuesFixture) {
    fixture.queues().dispatch(&[]).await.unwrap();
}

pub async fn a_job_arrives_as_it_was_dispatched(fixture: &impl QueuesFixture) {
    let room = unique_room();
    let main = jobs(&room, 1, 0, 3).remove(0);
    let late = late(&main, limits::MEMBERS_PER_LATE_JOB);
    dispatch(fixture, &[main.clone(), late.clone()]).await;
    let mut taken = take(fixture, Line::Narrow, 2).await;
    taken.sort_by_key(|message| !matches!(message.body.work, Work::Shard { .. }));
    for (message, job) in taken.iter().zip([main, late]) {
        assert_eq!(message.body, job);
        assert_eq!(message.group, job.group());
    }
}

pub async fn a_job_that_carries_its_content_arrives_as_it_was_dispatched_and_once(fixture: &impl QueuesFixture) {
    let room = unique_room();
    let name = |n: usize| samples::user(&format!("{n:0>127}"));
    let told = Announcement {
        members: 100,
        users: Some(100),
        came: (0..100).map(name).collect(),
        went: (100..200).map(name).collect(),
    };
    let work = Work::Presence { version: 7, at: samples::NOW, told };
    let presence = Job::for_each_shard(&room, Shards::new(1), &work);
    let last = jobs(&room, 1, 0, 1);
    for jobs in [&presence, &presence, &last] {
        dispatch(fixture, jobs).await;
    }
    assert_eq!(take_in_turn(fixture, Line::Narrow, 2).await, [presence, last].concat());
}

pub async fn every_one_of_1_to_40_jobs_arrives(fixture: &impl QueuesFixture) {
    for count in 1..=40 {
        let jobs: Vec<Job> = (0..count).flat_map(|_| jobs(&unique_room(), 1, 0, 1)).collect();
        dispatch(fixture, &jobs).await;
        assert_eq!(sorted(take_in_turn(fixture, Line::Narrow, count).await), sorted(jobs));
    }
}

pub async fn a_job_for_every_shard_of_the_largest_room_arrives(fixture: &impl QueuesFixture) {
    let jobs = jobs(&unique_room(), limits::SHARDS_PER_ROOM, 0, 1);
    dispatch(fixture, &jobs).await;
    assert_eq!(sorted(take_in_turn(fixture, Line::Wide, jobs.len()).await), sorted(jobs));
}

pub async fn jobs_of_a_shard_arrive_in_order(fixture: &impl QueuesFixture) {
    let room = unique_room();
    let jobs: Vec<Job> = (0..25).flat_map(|n| jobs(&room, 1, n, n + 1)).collect();
    for some in jobs.chunks(6) {
        dispatch(fixture, some).await;
    }
    assert_eq!(take_in_turn(fixture, Line::Narrow, jobs.len()).await, jobs);
}

pub async fn jobs_sent_again_are_queued_once(fixture: &impl QueuesFixture) {
    let room = unique_room();
    let first = jobs(&room, 16, 0, 3);
    // After these jobs, in the same groups, no repeat can be on its way any more.
    let last = jobs(&room, 16, 3, 4);
    for jobs in [&first[..], &first[..7], &first[..], &last[..]] {
        dispatch(fixture, jobs).await;
    }
    let expected = sorted(first.into_iter().chain(last));
    assert_eq!(sorted(take_in_turn(fixture, Line::Narrow, expected.len()).await), expected);
}

pub async fn late_members_do_not_hold_back_their_shard(fixture: &impl QueuesFixture) {
    let room = unique_room();
    let late = late(&jobs(&room, 1, 0, 3)[0], 1);
    dispatch(fixture, std::slice::from_ref(&late)).await;
    assert_eq!(take(fixture, Line::Narrow, 1).await[0].body, late);
    let next = jobs(&room, 1, 3, 4);
    dispatch(fixture, &next).await;
    assert_eq!(take(fixture, Line::Narrow, 1).await[0].body, next[0]);
}

pub async fn jobs_of_large_rooms_go_through_the_wide_queue(fixture: &impl QueuesFixture) {
    let narrow = jobs(&unique_room(), limits::SHARDS_OF_A_NARROW_ROOM, 0, 1);
    let wide = jobs(&unique_room(), 2 * limits::SHARDS_OF_A_NARROW_ROOM, 0, 1);
    let both: Vec<Job> = narrow.iter().chain(&wide).cloned().collect();
    dispatch(fixture, &both).await;
    assert_eq!(sorted(take_in_turn(fixture, Line::Narrow, narrow.len()).await), sorted(narrow));
    assert_eq!(sorted(take_in_turn(fixture, Line::Wide, wide.len()).await), sorted(wide));
}

/// One job for each shard.
fn jobs(room: &RoomId, shards: u16, after: u64, through: u64) -> Vec<Job> {
    let range = samples::range(&samples::epoch("k7Qf"), after, through);
    Job::for_shards(room, &range, Shards::new(shards))
}

/// The first late job of a shard, for this number of members.
fn late(main: &Job, members: usize) -> Job {
    let member = |n| LateMember::new(samples::connection_id(&format!("L0SM9cOFvHcC{n:04}=")));
    let members = (0..members).map(member).collect();
    let range = main.work.range().unwrap().clone();
    let work = Work::Late { range, attempt: 1, not_before: samples::NOW, members };
    Job { work, ..main.clone() }
}

async fn dispatch(fixture: &impl QueuesFixture, jobs: &[Job]) {
    fixture.queues().dispatch(jobs).await.unwrap();
}

/// Takes exactly `count` messages, and leaves them in flight.
async fn take(fixture: &impl QueuesFixture, line: Line, count: usize) -> Vec<Taken<Job>> {
    let mut taken = Vec::new();
    let look = async || {
        taken.extend(fixture.take_jobs(line).await);
        (taken.len() >= count).then_some(())
    };
    eventually(fixture.clock(), &format!("{count} jobs"), look).await;
    assert_eq!(taken.len(), count, "{taken:?}");
    taken
}

/// Takes and finishes the messages of one receive after the other, until there were exactly
/// `count`.
async fn take_in_turn(fixture: &impl QueuesFixture, line: Line, count: usize) -> Vec<Job> {
    let mut bodies = Vec::new();
    while bodies.len() < count {
        let look = async || Some(fixture.take_jobs(line).await).filter(|some| !some.is_empty());
        let what = format!("{count} jobs of which {} have come", bodies.len());
        for message in eventually(fixture.clock(), &what, look).await {
            fixture.finish(&message.receipt).await;
            bodies.push(message.body);
        }
    }
    assert_eq!(bodies.len(), count, "{bodies:?}");
    bodies
}

fn sorted(jobs: impl IntoIterator<Item = Job>) -> Vec<Job> {
    let mut jobs: Vec<Job> = jobs.into_iter().collect();
    jobs.sort_by_key(|job| (job.room.clone(), job.shard, job.work.range().map(|range| range.after)));
    jobs
}

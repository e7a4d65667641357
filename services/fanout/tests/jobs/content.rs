//! Presence is posted once, to members that read blocks, and is never late.

use std::time::Duration;

use domain::ports::{Clock, Jobs, Memberships};
use domain::{Announcement, Connection, Format, Job, Said, Shards, Work, limits};
use lambda_kit::batch::Failed;
use telemetry::{Summary, metric};
use testkit::faults::{Fault, How, Operation, Plan};
use testkit::memory::Behaviour;
use testkit::{World, samples};

use crate::scene::{members, run_with};

fn told(members: u64, came: &[&str], went: &[&str]) -> Announcement {
    let names = |names: &[&str]| names.iter().map(|name| samples::user(name)).collect();
    Announcement { members, users: Some(members), came: names(came), went: names(went) }
}

async fn announce(world: &World, version: u64, told: Announcement) {
    let work = Work::Presence { version, at: world.clock.now(), told };
    world.queues.dispatch(&Job::for_each_shard(&samples::room("lobby"), Shards::new(1), &work)).await.unwrap();
}

async fn run(world: &World) -> (Vec<Failed>, Summary) {
    run_with(world, Plan::new()).await
}

#[tokio::test]
async fn members_that_read_blocks_are_told_who_came_and_classic_ones_are_not() {
    let world = World::new();
    let members = members(&world, 3).await;
    let classic = world.connect_as("old", "eve", Format::Classic).await;
    world.join(&classic, "lobby").await;
    announce(&world, 1, told(4, &["eve"], &[])).await;
    let (failed, _) = run(&world).await;
    assert!(failed.is_empty());
    for member in members {
        assert_eq!(world.heard(&member.id), [r#"{"b":[{"room":"lobby","p":{"members":4,"users":4,"in":["eve"]}}]}"#]);
    }
    assert!(world.heard(&classic.id).is_empty());
}

#[tokio::test]
async fn a_member_that_may_not_see_members_receives_counts_only() {
    let world = World::new();
    let members = members(&world, 1).await;
    let eve = world.connect("c9", "eve").await;
    let blind = samples::membership(&eve, &samples::room("lobby"), domain::Shard::FIRST);
    world.store.join(&[blind]).await.remove(0).unwrap();
    announce(&world, 1, told(2, &["ada"], &["bob"])).await;
    say(&world, "1", vec![said(&eve, None, "1", false)]).await;
    run(&world).await;
    let named = r#"{"b":[{"room":"lobby","p":{"members":2,"users":2,"in":["ada"],"out":["bob"]}}]}"#;
    assert_eq!(world.heard(&members[0].id)[1], named);
    assert_eq!(world.heard(&eve.id), [r#"{"b":[{"room":"lobby","p":{"members":2}}]}"#]);
}

#[tokio::test]
async fn what_waited_together_is_told_in_one_frame() {
    let world = World::new();
    let members = members(&world, 1).await;
    announce(&world, 1, told(2, &["bob"], &[])).await;
    announce(&world, 2, told(2, &["eve"], &["bob"])).await;
    run(&world).await;
    assert_eq!(
        world.heard(&members[0].id),
        [r#"{"b":[{"room":"lobby","p":{"members":2,"users":2,"in":["eve"],"out":["bob"]}}]}"#]
    );
}

#[tokio::test]
async fn what_is_older_than_10_s_is_told_to_nobody() {
    let world = World::new();
    let members = members(&world, 1).await;
    announce(&world, 1, told(1, &["u0"], &[])).await;
    world.clock.advance(limits::CONTENT_JOB_LIFE + Duration::from_millis(1));
    let (failed, summary) = run(&world).await;
    assert!(failed.is_empty() && world.heard(&members[0].id).is_empty());
    assert_eq!(summary.counted(metric::JOBS_DROPPED), 1);
}

#[tokio::test]
async fn a_slow_member_is_not_told_late_and_a_gone_one_is_forgotten() {
    let world = World::new();
    let members = members(&world, 3).await;
    world.gateway.behave(&members[0].id, Behaviour::BufferFull);
    world.gateway.hang_up(&members[1].id);
    announce(&world, 1, told(3, &["u2"], &[])).await;
    let (failed, summary) = run(&world).await;
    assert!(failed.is_empty());
    assert_eq!((summary.counted(metric::POSTS_SENT), summary.counted(metric::MEMBERS_LATE)), (3, 0));
    assert!(world.store.is_buried(&members[1].id) && !world.store.is_buried(&members[0].id));
    assert_eq!(world.heard(&members[2].id).len(), 1);
}

#[tokio::test]
async fn if_the_members_cannot_be_listed_the_jobs_come_back() {
    let world = World::new();
    members(&world, 1).await;
    announce(&world, 1, told(1, &["u0"], &[])).await;
    let (failed, _) = run_with(&world, Plan::new().nth(Operation::Page, 1, Fault::Before(How::Throttled))).await;
    assert_eq!(failed.len(), 1);
}

async fn say(world: &World, id: &str, said: Vec<Said>) {
    let work = Work::Ephemeral { id: id.to_owned(), at: world.clock.now(), said };
    world.queues.dispatch(&Job::for_each_shard(&samples::room("lobby"), Shards::new(1), &work)).await.unwrap();
}

fn said(from: &Connection, key: Option<&str>, data: &str, echo: bool) -> Said {
    let key = key.map(|key| domain::Key::parse(key).unwrap());
    Said { by: from.user.clone(), key, data: samples::data(data), from: Some(from.id.clone()), echo }
}

#[tokio::test]
async fn what_is_ephemeral_is_told_once_the_last_of_each_author_and_key() {
    let world = World::new();
    let members = members(&world, 2).await;
    let (ada, bob) = (&members[0], &members[1]);
    say(&world, "1", vec![said(ada, Some("typing"), "true", true), said(bob, None, "1", true)]).await;
    say(&world, "2", vec![said(ada, Some("typing"), "false", true)]).await;
    run(&world).await;
    let frame = r#"{"b":[{"room":"lobby","e":[{"by":"u1","data":1,"from":"c1"},{"by":"u0","key":"typing","data":false,"from":"c0"}]}]}"#;
    for member in &members {
        assert_eq!(world.heard(&member.id), [frame]);
    }
}

#[tokio::test]
async fn whoever_asked_for_no_echo_is_not_told_what_it_said_itself() {
    let world = World::new();
    let members = members(&world, 2).await;
    say(&world, "1", vec![said(&members[0], None, "1", false)]).await;
    run(&world).await;
    assert!(world.heard(&members[0].id).is_empty());
    assert_eq!(world.heard(&members[1].id).len(), 1);
}

#[tokio::test]
async fn much_that_is_ephemeral_is_told_in_frames_of_one_metered_unit() {
    let world = World::new();
    let members = members(&world, 1).await;
    let data = format!("\"{}\"", "x".repeat(4_000));
    let all = (0..20).map(|n| said(&members[0], Some(&format!("k{n}")), &data, true)).collect();
    say(&world, "1", all).await;
    run(&world).await;
    let heard = world.heard(&members[0].id);
    assert!(heard.len() > 1 && heard.iter().all(|frame| frame.len() <= limits::FRAME_BYTES), "{}", heard.len());
    assert_eq!(heard.iter().map(|frame| frame.matches("\"key\"").count()).sum::<usize>(), 20);
}

//! A job that cannot be delivered names the members that lack its range, and can be redriven.

use std::time::Duration;

use domain::ports::{Clock, DeadLetter, DeadLetters, Jobs, Result};
use domain::{ConnectionId, Job, Limits, Range, Work, limits};
use lambda_kit::batch::Message;
use lambda_kit::start::Batches;
use telemetry::{Summary, metric};
use testkit::faults::{Fault, How, Operation, Plan};
use testkit::{World, samples};

use crate::scene::{Scene, run_over};

/// Returns the job of a letter.
fn job(letter: &DeadLetter) -> Job {
    protocol::queue::decode(&letter.body).unwrap()
}

fn named(letter: &DeadLetter) -> Vec<ConnectionId> {
    let Work::Late { members, .. } = job(letter).work else { panic!("{letter:?} names no members") };
    members.into_iter().map(|member| member.connection).collect()
}

/// Works off jobs until none returns, while time passes. Returns the time until the first run
/// without a failure.
async fn until_quiet(scene: &Scene, plan: impl Fn() -> Plan) -> Duration {
    let begun = scene.world.clock.now();
    for _ in 0..60 {
        let (failed, _) = scene.run_with(plan()).await;
        if failed.is_empty() {
            return scene.world.clock.now().since(begun);
        }
        scene.world.clock.advance(failed.iter().filter_map(|failed| failed.retry_after).max().unwrap());
    }
    panic!("it comes back for ever");
}

#[tokio::test]
async fn poison_is_a_dead_letter_at_once_and_what_came_with_it_is_delivered() {
    let scene = Scene::with(1).await;
    let members = scene.members(1).await;
    scene.queue(0, 1).await;
    let mut summary = Summary::new("fanout");
    let world = &scene.world;
    let taken = world.queues.deliveries.take().remove(0);
    let good = Message {
        id: taken.id,
        receipt: taken.receipt,
        group: taken.group,
        receives: 1,
        first_received_at: samples::NOW,
        attributes: [].into(),
        body: protocol::queue::encode(&taken.body).unwrap(),
    };
    let poison = Message { id: "poison".to_owned(), body: "this is no job".to_owned(), ..good.clone() };
    let (tables, queues, gateway) = (world.store.clone(), world.queues.clone(), world.gateway.clone());
    let fanout = fanout::Fanout::new(tables, queues, gateway, world.clock.clone(), world.chance.clone());
    let deadline = lambda_kit::Deadline::at(samples::NOW.plus(Duration::from_secs(60)));
    let failed = fanout.handle(vec![vec![poison, good]], deadline, &mut summary).await;
    assert!(failed.is_empty());
    assert_eq!(summary.counted(metric::MESSAGES_POISONOUS), 1);
    let letters = scene.letters();
    assert_eq!((letters[0].id.as_str(), letters[0].body.as_str()), ("poison", "this is no job"));
    assert!(letters[0].reason.contains("not a message of version 1"), "{}", letters[0].reason);
    assert_eq!(world.heard(&members[0].id).len(), 1);
}

#[tokio::test]
async fn a_job_that_is_refused_is_soon_a_dead_letter_with_room_positions_and_the_members_that_miss_it() {
    let scene = Scene::with(3).await;
    let members = scene.members(5).await;
    // Two pages are posted to, and the third is refused, each time.
    scene.world.store.set_page_size(2);
    scene.queue(0, 3).await;
    let refused = || Plan::new().nth(Operation::Page, 3, Fault::Before(How::Refused));
    let waited = until_quiet(&scene, refused).await;
    assert!(waited <= Duration::from_secs(10), "those behind it waited {waited:?}");
    let letters = scene.letters();
    let [letter] = letters.as_slice() else { panic!("{letters:?}") };
    let missed: Range = samples::range(&scene.head.epoch, 0, 3);
    assert_eq!((letter.room.clone(), letter.missed.clone()), (Some(samples::room("lobby")), Some(missed)));
    assert_eq!(named(letter), [members[4].id.clone()]);
    assert!(letter.reason.starts_with("tried 3 times; at last: "), "{}", letter.reason);
}

#[tokio::test]
async fn a_job_whose_members_cannot_be_listed_is_a_dead_letter_as_it_came() {
    let scene = Scene::with(1).await;
    scene.members(1).await;
    scene.queue(0, 1).await;
    until_quiet(&scene, || Plan::new().always(Operation::Page, Fault::Before(How::Refused))).await;
    assert!(matches!(job(&scene.letters()[0]).work, Work::Shard { .. }));
}

/// Works off jobs for so long, while time passes.
async fn work_for(scene: &Scene, time: Duration, plan: impl Fn() -> Plan) {
    let until = scene.world.clock.now().plus(time);
    while scene.world.clock.now() < until {
        let (failed, _) = scene.run_with(plan()).await;
        let pause = failed.iter().filter_map(|failed| failed.retry_after).max().unwrap_or(Duration::from_secs(30));
        scene.world.clock.advance(pause);
    }
}

#[tokio::test]
async fn an_hour_without_the_rooms_table_costs_no_job_and_keeps_their_order() {
    let scene = Scene::with(4).await;
    let members = scene.members(2).await;
    scene.queue(0, 1).await;
    scene.queue(1, 2).await;
    let unavailable = || {
        let how = Fault::Before(How::Unavailable);
        Plan::new().always(Operation::Log, how).always(Operation::Delivered, how)
    };
    work_for(&scene, Duration::from_secs(1_800), unavailable).await;
    scene.queue(2, 4).await;
    work_for(&scene, Duration::from_secs(1_800), unavailable).await;
    assert!(scene.letters().is_empty());
    assert!(until_quiet(&scene, Plan::new).await < domain::limits::LONGEST_RETRY_PAUSE * 2);
    for member in &members {
        let heard = scene.world.heard(&member.id);
        assert_eq!(heard.len(), 1, "they have become one range: {heard:?}");
        assert!(heard[0].contains("\"seq\":1") && heard[0].matches("\"id\"").count() == 4, "{}", heard[0]);
    }
}

#[tokio::test]
async fn what_is_unavailable_for_four_hours_is_a_dead_letter_that_names_its_members() {
    let scene = Scene::with(1).await;
    let members = scene.members(2).await;
    scene.queue(0, 1).await;
    let unavailable = || Plan::new().always(Operation::Log, Fault::Before(How::Unavailable));
    work_for(&scene, limits::GIVE_UP_AFTER - limits::LONGEST_RETRY_PAUSE, unavailable).await;
    assert!(scene.letters().is_empty());
    work_for(&scene, 2 * limits::LONGEST_RETRY_PAUSE, unavailable).await;
    let letters = scene.letters();
    assert_eq!(named(&letters[0]), members.iter().map(|member| member.id.clone()).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_dead_letter_that_cannot_be_written_holds_back_the_jobs_behind_it() {
    let scene = Scene::with(2).await;
    scene.members(1).await;
    scene.queue(0, 1).await;
    scene.queue(1, 2).await;
    let tables = Plan::new().always(Operation::Log, Fault::Before(How::Unavailable));
    scene.run_with(tables.clone()).await;
    scene.world.clock.advance(limits::GIVE_UP_AFTER);
    let queues = Plan::new().nth(Operation::BuryLetter, 1, Fault::Before(How::Unavailable));
    let (failed, _) = scene.run_with_queues(tables.clone(), queues).await;
    assert_eq!((failed.len(), scene.letters().len()), (2, 0));
    let missed = |letter: &DeadLetter| letter.missed.as_ref().map(|range| range.after.get());
    scene.world.clock.advance(limits::LONGEST_RETRY_PAUSE);
    until_quiet(&scene, || tables.clone()).await;
    assert_eq!(scene.letters().iter().map(missed).collect::<Vec<_>>(), [Some(0), Some(1)], "in order");
}

#[tokio::test]
async fn what_is_refused_in_one_job_is_no_reason_to_bury_those_that_waited_with_it() {
    let scene = Scene::with(4).await;
    let members = scene.members(1).await;
    scene.queue(0, 1).await;
    scene.queue(1, 2).await;
    // No read that includes the second publication succeeds. In order, the refused reads are: both
    // publications and later ones; both; the first and later ones; the second.
    let refused = [1, 2, 3, 5, 6]
        .into_iter()
        .fold(Plan::new(), |plan, number| plan.nth(Operation::Log, number, Fault::Before(How::Refused)));
    let (failed, _) = scene.run_with(refused).await;
    assert_eq!((failed.len(), scene.letters().len(), scene.world.heard(&members[0].id).len()), (1, 0, 1));
}

#[tokio::test]
async fn a_dead_letter_redriven_twice_delivers_exactly_what_is_missing() {
    let scene = Scene::with(3).await;
    let members = scene.members(5).await;
    scene.world.store.set_page_size(2);
    scene.queue(0, 3).await;
    until_quiet(&scene, || Plan::new().nth(Operation::Page, 2, Fault::Before(How::Refused))).await;
    let letters = scene.letters();
    assert_eq!(named(&letters[0]), members[2..].iter().map(|member| member.id.clone()).collect::<Vec<_>>());
    let before: Vec<usize> = members.iter().map(|member| scene.world.heard(&member.id).len()).collect();
    for _ in 0..2 {
        scene.world.queues.dispatch(&[job(&letters[0])]).await.unwrap();
        until_quiet(&scene, Plan::new).await;
    }
    let after: Vec<usize> = members.iter().map(|member| scene.world.heard(&member.id).len()).collect();
    // Three tries of the first page, and one frame for each member that lacked it. The queue drops
    // the second redrive, as it drops every job that it received within five minutes.
    assert_eq!((before, after), (vec![3, 3, 0, 0, 0], vec![3, 3, 1, 1, 1]));
}

/// The mistake of a dead letter that names no member that received a part of its range.
struct DeadLetterOmits(World);

impl Jobs for DeadLetterOmits {
    async fn dispatch(&self, jobs: &[Job]) -> Result<()> {
        self.0.queues.dispatch(jobs).await
    }
}

impl DeadLetters for DeadLetterOmits {
    async fn bury_letter(&self, letter: &DeadLetter) -> Result<()> {
        let mut job = job(letter);
        if let Work::Late { members, .. } = &mut job.work {
            members.retain(|member| self.0.heard(&member.connection).is_empty());
        }
        let body = protocol::queue::encode(&job).unwrap();
        self.0.queues.bury_letter(&DeadLetter { body, ..letter.clone() }).await
    }
}

/// Gives up a range of two pages of the log. At each receive the first page is posted to two
/// members, then the list of members is refused. Returns the members that have neither the whole
/// range nor a letter that names them.
async fn forgotten<Q: Jobs + DeadLetters>(scene: &Scene, queues: impl Fn(World) -> Q) -> Vec<ConnectionId> {
    let members = scene.members(4).await;
    scene.world.store.set_page_size(2);
    scene.queue(0, 16).await;
    let pages = Limits { log_page_rows: 8, log_rows_along: 4, ..Limits::default() };
    for _ in 0..limits::RECEIVES_IF_REFUSED {
        let refused = Plan::new().nth(Operation::Page, 2, Fault::Before(How::Refused));
        run_over(&scene.world, refused, queues(scene.world.clone()), pages).await;
        scene.world.clock.advance(limits::LONGEST_RETRY_PAUSE);
    }
    let letters = scene.letters();
    assert_eq!(letters.len(), 1);
    let named = named(&letters[0]);
    let has_all = |id: &ConnectionId| scene.world.heard(id).iter().any(|frame| frame.contains(r#""seq":9"#));
    members.into_iter().map(|member| member.id).filter(|id| !has_all(id) && !named.contains(id)).collect()
}

#[tokio::test]
async fn a_dead_letter_names_the_members_that_lack_only_a_later_part_of_its_range() {
    assert_eq!(forgotten(&Scene::with(16).await, |world| world.queues).await, []);
}

#[tokio::test]
async fn a_dead_letter_that_omits_members_who_lack_a_later_part_is_found() {
    assert_eq!(forgotten(&Scene::with(16).await, DeadLetterOmits).await.len(), 2, "DeadLetterOmits");
}

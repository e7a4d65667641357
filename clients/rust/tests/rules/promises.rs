//! The promises under any behaviour of the network: random steps and random faults, then peace,
//! after which nothing may be missing.

use std::collections::BTreeMap;

use domain::{Position, PublicationId, RoomId};
use proptest::prelude::*;
use roomcast_client::rules::Event;

use crate::model::RESUMABLE;
use crate::world::{Faults, Happening, Step, World, rooms};

const CHAOS_MS: u64 = 180_000;
/// Long enough for the slowest keep-alive to detect a zombie, and for all retries.
const PEACE_MS: u64 = 600_000;

/// A frame without effect: of an unknown kind, of a room that the client is not in, or not a frame
/// at all.
fn strange_frame() -> impl Strategy<Value = Step> {
    let frames = [
        r#"{"sys":"moved","to":"elsewhere"}"#,
        r#"{"b":[{"room":"lobby","poll":{"options":2}},{"room":"elsewhere","ep":"e","seq":1,"m":[]}]}"#,
        r#"{"id":123456789,"ok":{}}"#,
        "no JSON",
    ];
    let oldest = prop::bool::ANY;
    (prop::sample::select(frames.to_vec()), oldest).prop_map(|(frame, oldest)| {
        let frame = frame.to_owned();
        if oldest { Step::FrameOnTheOldest(frame) } else { Step::Frame(frame) }
    })
}

fn steps(with_losses: bool) -> impl Strategy<Value = Vec<(u64, Step)>> {
    let room = 0..rooms().len();
    let usual = prop_oneof![
        2 => room.clone().prop_map(Step::Join),
        1 => room.clone().prop_map(Step::Leave),
        6 => room.clone().prop_map(Step::Publish),
        8 => (room.clone(), 1..6_usize).prop_map(|(room, count)| Step::Others(room, count)),
        2 => Just(Step::Cut),
        1 => Just(Step::Freeze),
        1 => Just(Step::Forget),
        1 => room.clone().prop_map(Step::History),
        1 => strange_frame(),
    ];
    let unusual = prop_oneof![room.clone().prop_map(Step::Restart), room.prop_map(Step::Expire)];
    let step = if with_losses { prop_oneof![12 => usual, 1 => unusual].boxed() } else { usual.boxed() };
    prop::collection::vec((0..CHAOS_MS, step), 1..60)
}

prop_compose! {
    fn faults()(
        lost in 0..40_u64, twice in 0..40_u64, delay_ms in 0..6_000_u64, unanswered in 0..20_u64,
        unserved in 0..20_u64, reply_delay_ms in prop_oneof![Just(0_u64), 0..3_000_u64, 0..25_000_u64],
        unopened in 0..50_u64, lag_ms in prop_oneof![Just(0_u64), 0..5_000_u64],
    ) -> Faults {
        Faults { lost, twice, delay_ms, unanswered, unserved, reply_delay_ms, unopened, lag_ms }
    }
}

/// Runs chaos, then peace.
fn live_through(seed: u64, faults: Faults, steps: Vec<(u64, Step)>) -> World {
    let mut world = World::new(seed, faults);
    for room in 0..rooms().len() {
        world.at(0, Happening::Do(Step::Join(room)));
    }
    for (at_ms, step) in steps {
        world.at(at_ms, Happening::Do(step));
    }
    world.run_until(CHAOS_MS);
    world.faults = Faults::default();
    world.run_until(CHAOS_MS + PEACE_MS);
    world
}

/// The final position of each room.
type Ends = BTreeMap<RoomId, Position>;
/// Reported gaps, with their first and last positions.
type Gaps = Vec<(Position, Position)>;

/// Checks each room as the application received it: at most once, in order, without an unreported
/// gap.
fn check_what_was_heard(world: &World) -> Result<(Ends, Gaps), TestCaseError> {
    let (mut at, mut gaps) = (Ends::new(), Gaps::new());
    for (now_ms, event) in &world.heard {
        match event {
            Event::Joined { room, head, .. } => {
                prop_assert!(at.insert(room.clone(), head.clone()).is_none(), "{now_ms}: {room} was joined twice");
            }
            Event::Left { room } => drop(at.remove(room)),
            Event::Message(message) => {
                let position = at.get_mut(&message.room);
                let position =
                    position.ok_or_else(|| TestCaseError::fail(format!("{now_ms}: not joined: {message:?}")))?;
                let expected = Position { epoch: position.epoch.clone(), sequence: position.sequence.next() };
                prop_assert_eq!(&message.at, &expected, "{} ms, {}", now_ms, &message.room);
                *position = expected;
                let log = &world.server.rooms[&message.room];
                if log.epoch == message.at.epoch {
                    let row = &log.rows[message.at.sequence.get() as usize - 1];
                    prop_assert_eq!((&row.id, &row.data), (&message.pid, &message.data));
                }
            }
            Event::Missed { room, from, to } => {
                gaps.push((from.clone(), to.clone()));
                let before = at.insert(room.clone(), to.clone());
                prop_assert_eq!(before.as_ref(), Some(from), "{} ms, {}", now_ms, room);
            }
            Event::Refused { .. } | Event::Rejected { .. } | Event::Ended { .. } => {
                prop_assert!(false, "{now_ms}: {event:?}");
            }
            _ => {}
        }
    }
    Ok((at, gaps))
}

/// Checks that every wanted room is complete, every publication is accepted, and every question is
/// answered.
fn check_the_end(world: &mut World, at: &Ends) -> Result<(), TestCaseError> {
    prop_assert_eq!(at.keys().collect::<Vec<_>>(), world.wanted.iter().collect::<Vec<_>>());
    for (room, position) in at {
        prop_assert_eq!(position, &world.server.head(room), "{} is not whole", room);
    }
    let answers = world.heard.iter().filter(|(_, event)| matches!(event, Event::History { .. })).count();
    prop_assert_eq!(answers, world.questions);
    let mut accepted: Vec<_> = Vec::new();
    for (_, event) in &world.heard {
        if let Event::Accepted { room, pid } = event {
            accepted.push((room.clone(), pid.clone()));
        }
    }
    for room in rooms() {
        let of = |all: &[(RoomId, PublicationId)]| -> Vec<PublicationId> {
            all.iter().filter(|(other, _)| *other == room).map(|(_, pid)| pid.clone()).collect()
        };
        prop_assert_eq!(of(&accepted), of(&world.published), "each is accepted once, in order");
        let log = world.server.log(&room);
        let own = log.rows.iter().filter(|row| row.id.as_ref().starts_with("own"));
        let own: Vec<_> = own.map(|row| row.id.clone()).collect();
        prop_assert!(of(&world.published).ends_with(&own), "each is in the log once, in order");
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { max_shrink_iters: 2_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn everything_is_heard_once_in_order_and_nothing_is_missing_in_the_end(
        seed in any::<u64>(), faults in faults(), steps in steps(false),
    ) {
        let mut world = live_through(seed, faults, steps);
        let (at, gaps) = check_what_was_heard(&world)?;
        check_the_end(&mut world, &at)?;
        for (from, to) in gaps {
            let too_far_back = from.epoch == to.epoch && to.sequence.beyond(from.sequence) > RESUMABLE;
            prop_assert!(too_far_back, "{from:?} to {to:?} could have been recovered");
        }
    }

    #[test]
    fn what_the_server_lost_is_told_and_the_rest_is_heard_once_in_order(
        seed in any::<u64>(), faults in faults(), steps in steps(true),
    ) {
        let mut world = live_through(seed, faults, steps);
        let (at, _) = check_what_was_heard(&world)?;
        check_the_end(&mut world, &at)?;
    }
}

#[test]
fn one_seed_gives_the_same_life_twice() {
    let faults =
        Faults { lost: 20, twice: 20, delay_ms: 4_000, unserved: 10, reply_delay_ms: 2_000, ..Faults::default() };
    let steps = || (0..60).map(|n| (n * 2_900, Step::Others(n as usize % 3, 4))).collect();
    let [one, two] = [(), ()].map(|()| live_through(7, faults.clone(), steps()));
    assert!(one.trace.len() > 300);
    assert_eq!(one.trace, two.trace);
}

#[test]
fn five_hours_of_exchanged_connections_lose_and_repeat_nothing() {
    let mut world = World::new(3, Faults { delay_ms: 2_000, lag_ms: 3_000, ..Faults::default() });
    let hours_ms = 5 * 3_600_000;
    for room in 0..rooms().len() {
        world.at(0, Happening::Do(Step::Join(room)));
    }
    for n in 1..hours_ms / 700 {
        world.at(n * 700, Happening::Do(Step::Others(n as usize % 3, 1)));
        if n % 10 == 0 {
            world.at(n * 700, Happening::Do(Step::Publish(n as usize / 10 % 3)));
        }
    }
    world.run_until(hours_ms + 60_000);
    let (at, gaps) = check_what_was_heard(&world).unwrap();
    check_the_end(&mut world, &at).unwrap();
    assert!(gaps.is_empty(), "{gaps:?}");
    assert_eq!((world.open.len(), world.most_open), (1, 2), "two at most, and only for a moment");
    assert!(world.trace.iter().filter(|line| line.contains(r#""action":"sync""#)).count() >= 3);
}

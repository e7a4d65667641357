//! The ledger, compared with a very simple model over random histories.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests fail by panicking")]

use std::collections::{BTreeMap, BTreeSet};

use loadtest::ledger::{Account, Heard, How, LEAVING_GRACE, Room};
use proptest::prelude::*;

const MEMBERS: usize = 5;

#[derive(Debug, Clone)]
enum Step {
    /// A publication takes the next position, with a reply or without.
    Publish { answered: bool },
    /// A member that is not in the room joins.
    Join(usize),
    /// A member that is in the room leaves.
    Leave(usize),
    /// A member that is in the room receives everything up to the head, except for some positions.
    Hear(usize, BTreeSet<u64>),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let lost = prop::collection::btree_set(1_u64..40, 0..4);
    let step = prop_oneof![
        4 => any::<bool>().prop_map(|answered| Step::Publish { answered }),
        2 => (0..MEMBERS).prop_map(Step::Join),
        1 => (0..MEMBERS).prop_map(Step::Leave),
        4 => (0..MEMBERS, lost).prop_map(|(member, lost)| Step::Hear(member, lost)),
    ];
    prop::collection::vec(step, 1..80)
}

/// The same history in a simple form.
#[derive(Default)]
struct Model {
    head: u64,
    /// For each member in the room: the position of its join, and the position up to which it has
    /// received publications.
    there: BTreeMap<usize, (u64, u64)>,
    joined: BTreeSet<usize>,
    heard: BTreeSet<(u64, usize)>,
    /// Pairs that must be missing unless they are delivered later.
    skipped: BTreeSet<(u64, usize)>,
}

/// Applies a history to both. Each step takes longer than the grace period of a leave.
fn play(steps: &[Step]) -> (Room, Model) {
    let (mut room, mut model) = (Room::new("r", MEMBERS), Model::default());
    let mut now = 0;
    for step in steps {
        now += LEAVING_GRACE + 1;
        match step {
            Step::Publish { answered } => {
                let number = room.publish(now, now, true);
                model.head += 1;
                if *answered {
                    room.accept(number, now);
                }
            }
            Step::Join(member) if !model.there.contains_key(member) => {
                room.join(*member, "e", model.head, now);
                model.there.insert(*member, (model.head, model.head));
                model.joined.insert(*member);
            }
            Step::Leave(member) => {
                if let Some((_, through)) = model.there.remove(member) {
                    room.ask_to_leave(*member, through, now);
                    room.leave(*member, now);
                }
            }
            Step::Hear(member, lost) => {
                let Some((after, through)) = model.there.get(member).copied() else { continue };
                for at in through + 1..=model.head {
                    if lost.contains(&at) {
                        model.skipped.insert((at, *member));
                        continue;
                    }
                    let heard = Heard { number: at as usize - 1, at, how: How::Live, now, timed: true };
                    room.hear(*member, heard);
                    model.heard.insert((at, *member));
                }
                model.there.insert(*member, (after, model.head));
            }
            Step::Join(_) => {}
        }
    }
    (room, model)
}

proptest! {
    #[test]
    fn expected_is_delivered_and_missing_and_excused_exactly(steps in steps()) {
        let (room, model) = play(&steps);
        let account = Account::of(&room);
        prop_assert!(account.adds_up(), "{account:#?}");
        prop_assert_eq!(account.expected, model.head * model.joined.len() as u64);
        prop_assert_eq!(account.tally.delivered, model.heard.len() as u64);
    }

    #[test]
    fn whatever_a_member_went_over_is_missing_if_anybody_heard_it(steps in steps()) {
        let (room, model) = play(&steps);
        let somebody_heard = |at: u64| model.heard.iter().any(|(heard, _)| *heard == at);
        let lost = model.skipped.iter().filter(|pair| !model.heard.contains(pair) && somebody_heard(pair.0)).count();
        prop_assert!(Account::of(&room).missing >= lost as u64);
    }

    #[test]
    fn a_history_without_faults_has_nothing_missing(steps in steps()) {
        let mut faultless: Vec<Step> = steps
            .into_iter()
            .flat_map(|step| match step {
                Step::Hear(member, _) => vec![Step::Hear(member, BTreeSet::new())],
                // A member receives everything before it leaves, and every publication has a reply.
                Step::Leave(member) => vec![Step::Hear(member, BTreeSet::new()), Step::Leave(member)],
                Step::Publish { .. } => vec![Step::Publish { answered: true }],
                other @ Step::Join(_) => vec![other],
            })
            .collect();
        faultless.extend((0..MEMBERS).map(|member| Step::Hear(member, BTreeSet::new())));
        let (room, _) = play(&faultless);
        let account = Account::of(&room);
        prop_assert_eq!((account.missing, account.misordered, account.tally.duplicates), (0, 0, 0), "{:#?}", account);
    }
}

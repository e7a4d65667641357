//! The steps of members and backends in a run, drawn from its seed before it begins.

use crate::chance::Dice;
use crate::faults::{Fault, Faults};
use crate::scale::{DAY_MS, Scale};
use crate::step::{PLACES, PLAZA, Poison, ROOMS, Step};
use crate::tokens::Stranger;
use crate::trouble::{Slow, Steps, Trouble};

/// The user names of members.
const NAMES: [&str; 5] = ["ada", "bob", "cyn", "dee", "eve"];

/// The planned steps of a run, with their times.
#[derive(Debug, Clone)]
pub(crate) struct Script {
    /// User names of the members: two members with the same name are two devices.
    pub(crate) users: Vec<&'static str>,
    /// Strangers that must be turned away, with the time of their connect in milliseconds.
    pub(crate) strangers: Vec<(u64, Stranger)>,
    /// Steps: milliseconds after the beginning, the index of the member, and the step.
    pub(crate) steps: Vec<(u64, usize, Step)>,
    /// The trouble of one room or one member.
    pub(crate) trouble: Option<Trouble>,
    /// The index of the member whose socket takes posts slowly, and how slowly.
    pub(crate) slow: Option<(usize, Slow)>,
    /// When all faults end, in milliseconds after the beginning.
    pub(crate) heals_ms: u64,
}

impl Script {
    /// Draws the script of a seed.
    #[must_use]
    pub(crate) fn of(seed: u64, faults: &Faults, trouble: Option<Trouble>, scale: &Scale) -> Self {
        let dice = Dice::new(seed, 4);
        let members = usize::try_from(dice.within(2, 7)).unwrap_or(2);
        let mut users: Vec<&'static str> = (0..members).map(|at| NAMES[at % NAMES.len()]).collect();
        // One run in forty is longer than the lifetime of a connection.
        let long = dice.happens(0.025);
        let usual_ms = dice.within(15_000, 70_000);
        let heals_ms = match (scale.day, long) {
            (true, _) => DAY_MS,
            (false, true) => 8_100_000,
            (false, false) => usual_ms,
        };
        let mut steps = Vec::new();
        let rooms = dice.within(1, PLAZA as u64);
        let room = || usize::try_from(dice.below(rooms)).unwrap_or_default();
        for member in 0..members {
            for at in 0..usize::try_from(rooms).unwrap_or(1) {
                if at == 0 || dice.happens(0.6) {
                    steps.push((dice.below(4_000), member, Step::Join(at)));
                }
            }
        }
        let poison = || match dice.below(5) {
            0 => Poison::Publication,
            1 => Poison::Job,
            2 => Poison::Check,
            3 => Poison::Event,
            _ => Poison::Row,
        };
        let many = dice.within(10, 50);
        for _ in 0..many {
            let at = dice.within(500, heals_ms);
            let member = usize::try_from(dice.below(members as u64)).unwrap_or_default();
            let step = match dice.below(100) {
                0..60 => Step::Publish(room(), if dice.happens(0.1) { dice.within(2, 12) } else { 1 }),
                60..64 => Step::PublishSameId(room()),
                64..70 => Step::Event(room()),
                70..76 => Step::Join(room()),
                76..81 => Step::Leave(room()),
                81..86 => Step::Reset,
                86..88 if faults.has(Fault::BlackHole) => Step::Vanish,
                88..91 => Step::Restart(dice.below(20_000)),
                91..93 if faults.has(Fault::Cut) => Step::Cut,
                93..94 if faults.has(Fault::Storm) => Step::Storm,
                94..96 => Step::Grow(room()),
                96..97 if faults.has(Fault::Restored) => Step::Restore(room(), dice.below(9)),
                97..98 if faults.has(Fault::Poison) => Step::Poison(room(), poison()),
                98..99 if faults.has(Fault::PoisonRecord) => Step::PoisonRecord,
                _ => Step::Publish(room(), 1),
            };
            steps.push((at, member, step));
        }
        // Steps that only matter close together.
        for _ in 0..dice.below(5) {
            let (at, room) = (dice.within(4_000, heals_ms), room());
            let somebody = || usize::try_from(dice.below(members as u64)).unwrap_or_default();
            let (one, other) = (somebody(), somebody());
            steps.push((at - 3_000, one, Step::Leave(room)));
            if dice.happens(0.5) {
                steps.push((at, other, Step::Grow(room)));
                steps.push((at, one, Step::Join(room)));
                for _ in 0..6 {
                    let another = somebody();
                    steps.push((at - 60 + dice.below(140), another, Step::Publish(room, 1)));
                }
            } else {
                steps.push((at, one, Step::Join(room)));
                steps.push((at + dice.within(10, 70), one, Step::Reset));
                // The member leaves again, and must be out of the room after its reconnect.
                steps.push((at + 80, one, Step::Leave(room)));
            }
        }
        Self::more(seed, rooms, members, heals_ms, faults, &mut steps);
        for _ in 0..dice.below(3) {
            let (at, member, room) = (dice.within(5_000, heals_ms), dice.below(members as u64), room());
            let member = usize::try_from(member).unwrap_or_default();
            steps.push((at, member, Step::Deny(room)));
            if dice.happens(0.7) {
                steps.push((at + dice.below(20_000), member, Step::Deny(room)));
                steps.push((at + dice.below(30_000), member, Step::Join(room)));
            }
        }
        Self::in_order(seed, rooms, members, heals_ms, faults, &mut steps);
        let slow = trouble.filter(|trouble| *trouble == Trouble::Slow).map(|_| (members, Slow::of(seed)));
        if let Some(trouble) = trouble {
            users.extend(trouble.devices());
            steps.extend(trouble.steps(seed, members, rooms, faults.is_calm()));
        }
        users.extend((0..scale.crowd).map(|at| NAMES[at % NAMES.len()]));
        Self::crowd(seed, users.len(), heals_ms, scale, &mut steps);
        Self::questions(seed, users.len(), rooms, heals_ms, scale, &mut steps);
        let stranger = |_| Stranger::ALL[usize::try_from(dice.below(4)).unwrap_or_default()];
        let strangers = (0..dice.below(3)).map(|n| (dice.below(heals_ms), stranger(n))).collect();
        steps.sort_by_key(|(at, member, _)| (*at, *member));
        Self { users, strangers, steps, trouble, slow, heals_ms }
    }

    /// Adds a crowd that joins the first room; some of its members disconnect, leave or publish.
    fn crowd(seed: u64, members: usize, heals_ms: u64, scale: &Scale, steps: &mut Steps) {
        let dice = Dice::new(seed, 15);
        for member in members - scale.crowd..members {
            steps.push((dice.below(6_000), member, Step::Join(0)));
            match dice.below(10) {
                0 => steps.push((dice.within(500, heals_ms), member, Step::Reset)),
                1 => steps.push((dice.within(500, heals_ms), member, Step::Leave(0))),
                2 => steps.push((dice.within(500, heals_ms), member, Step::Publish(0, 1))),
                _ => {}
            }
        }
    }

    /// Adds requests for history and for member lists during the whole run.
    fn questions(seed: u64, members: usize, rooms: u64, heals_ms: u64, scale: &Scale, steps: &mut Steps) {
        let dice = Dice::new(seed, 16);
        let index = |number: u64| usize::try_from(number).unwrap_or_default();
        for _ in 0..if scale.curious { dice.within(10, 60) } else { 0 } {
            let (at, member, room) = (dice.within(500, heals_ms), dice.below(members as u64), dice.below(rooms));
            let step = if dice.happens(0.5) { Step::AskWho(index(room)) } else { Step::AskHistory(index(room)) };
            steps.push((at, index(member), step));
        }
    }

    /// Adds ordered events of backends: several at a time, in one group or in two groups that mix.
    fn in_order(seed: u64, rooms: u64, members: usize, heals_ms: u64, faults: &Faults, steps: &mut Steps) {
        let dice = Dice::new(seed, 12);
        let index = |number: u64| usize::try_from(number).unwrap_or_default();
        let bursts = if dice.happens(0.35) { dice.within(1, 3) } else { 0 };
        for _ in 0..bursts {
            let (begins, groups) = (dice.within(500, heals_ms), dice.within(1, 2));
            for n in 0..dice.within(3, 14) {
                let (at, group) = (begins + n * dice.within(1, 60), dice.below(groups));
                let step = match dice.below(10) {
                    0 if faults.has(Fault::Poison) => Step::PoisonInOrder(group),
                    _ => Step::Ordered(group, index(dice.below(rooms))),
                };
                steps.push((at.min(heals_ms), index(dice.below(members as u64)), step));
            }
        }
    }

    /// Adds publications through other doors and to other places, and commands of backends.
    fn more(
        seed: u64,
        rooms: u64,
        members: usize,
        heals_ms: u64,
        faults: &Faults,
        steps: &mut Vec<(u64, usize, Step)>,
    ) {
        let dice = Dice::new(seed, 8);
        let index = |number: u64| usize::try_from(number).unwrap_or_default();
        let room = || index(dice.below(rooms));
        // Members of the script have inboxes; one publication in ten goes to `*`.
        let place = || match dice.below(10) {
            0..6 => room(),
            6..9 => ROOMS.len() + index(dice.below(members.min(NAMES.len()) as u64)),
            _ => PLACES.len() - 1,
        };
        for member in 0..members {
            if dice.happens(0.5) {
                steps.push((dice.below(6_000), member, Step::Join(ROOMS.len() + member % NAMES.len())));
            }
            if dice.happens(0.2) {
                steps.push((dice.below(6_000), member, Step::Join(PLACES.len() - 1)));
            }
        }
        let orders = dice.happens(0.4);
        for _ in 0..dice.within(2, 14) {
            let (at, member) = (dice.within(500, heals_ms), index(dice.below(members as u64)));
            let to = place();
            let step = match dice.below(20) {
                0..5 => Step::Row(to),
                5..7 => Step::Event(to),
                7..9 if !PLACES[to].starts_with('*') => Step::Publish(to, 1),
                9..12 => Step::Say(room()),
                12..15 => Step::PublishQuietly(room()),
                15..17 if orders => Step::Bring(index(dice.below(PLAZA as u64))),
                17..19 if orders => Step::Remove(room()),
                19 if orders => Step::Kick,
                _ if faults.has(Fault::Poison) => Step::Poison(room(), Poison::Row),
                _ => Step::PublishQuietly(room()),
            };
            steps.push((at, member, step));
        }
    }
}

//! The account of a room: expected = delivered + missing + excused, exactly.

use serde::{Deserialize, Serialize};

use super::member::{Member, Owed};
use super::publication::{Answer, Publication};
use super::room::Room;
use super::tally::Tally;

/// Every pair of publication and member, accounted for.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Account {
    /// Publications that were sent and not refused.
    pub publications: u64,
    /// Publications that were refused for good.
    pub refused: u64,
    /// Publications without an answer: they may exist, or not.
    pub unknown: u64,
    /// Members that joined.
    pub members: u64,
    /// Pairs: publications times members, room by room.
    pub expected: u64,
    /// Pairs that were required and not heard.
    pub missing: u64,
    /// What is missing, by where.
    pub lost: Lost,
    /// Pairs that were not heard, and need not have been.
    pub excused: Excused,
    /// Publications that members heard at another position than most.
    pub misordered: u64,
    /// Members that heard nothing of what they were owed.
    pub silent_members: u64,
    /// Members that waited 5 s or more for something.
    pub stalled_members: u64,
    /// What else went wrong.
    pub tally: Tally,
}

/// What is missing, by where in what its member heard.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Lost {
    /// Before the first that the member heard.
    pub prefix: u64,
    /// Between two that it heard.
    pub middle: u64,
    /// After the last.
    pub tail: u64,
    /// Of members that heard nothing.
    pub whole: u64,
    /// Accepted, and heard by nobody.
    pub nowhere: u64,
}

/// What was not heard and need not have been, by why.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Excused {
    /// The member was not there yet, or not any more.
    pub absent: u64,
    /// The server said that it could not be recovered.
    pub told: u64,
    /// Nobody knows whether it exists.
    pub unknown: u64,
}

impl Excused {
    /// All of them.
    #[must_use]
    pub fn all(&self) -> u64 {
        self.absent + self.told + self.unknown
    }
}

impl Account {
    /// The account of one room.
    #[must_use]
    pub fn of(room: &Room) -> Self {
        let members = room.members().iter().filter(|member| member.has_joined()).count() as u64;
        let mut account = Self { members, tally: room.tally.clone(), ..Self::default() };
        let mut missing_of = vec![false; room.members().len()];
        for (number, publication) in room.publications().iter().enumerate() {
            if publication.answer == Answer::Refused && publication.heard() == 0 {
                account.refused += 1;
                continue;
            }
            account.publications += 1;
            account.unknown += u64::from(publication.is_unknown());
            account.misordered += publication.misplaced();
            if (publication.heard() as u64) < members {
                account.look_for(room, number, publication, &mut missing_of);
            }
        }
        account.expected = account.publications * members;
        let is_silent = |(n, missing): &(usize, &bool)| **missing && room.members()[*n].applied.is_none();
        account.silent_members = missing_of.iter().enumerate().filter(is_silent).count() as u64;
        account.stalled_members = room.members().iter().filter(|member| member.stalled).count() as u64;
        account
    }

    /// Judges every member that has not heard a publication.
    fn look_for(&mut self, room: &Room, number: usize, publication: &Publication, missing_of: &mut [bool]) {
        for (n, member) in room.members().iter().enumerate() {
            if !member.has_joined() || publication.is_heard_by(n) {
                continue;
            }
            match member.owes(publication) {
                Owed::Absent => self.excused.absent += 1,
                Owed::Told => self.excused.told += 1,
                Owed::Unknown => self.excused.unknown += 1,
                Owed::Required => {
                    missing_of[n] = true;
                    let place = self.lost.count(member, publication);
                    self.missing += 1;
                    self.tally.sample("lost", || {
                        format!("publication {number} of {} never came to member {n} ({place})", room.name())
                    });
                }
            }
        }
    }

    /// Whether every pair is in exactly one of delivered, missing and excused. It always is, or the load test is at fault.
    #[must_use]
    pub fn adds_up(&self) -> bool {
        let Lost { prefix, middle, tail, whole, nowhere } = self.lost;
        self.expected == self.tally.delivered + self.missing + self.excused.all()
            && self.missing == prefix + middle + tail + whole + nowhere
    }

    /// Adds another room's, or another generator's.
    pub fn add(&mut self, other: &Self) {
        self.publications += other.publications;
        self.refused += other.refused;
        self.unknown += other.unknown;
        self.members += other.members;
        self.expected += other.expected;
        self.missing += other.missing;
        self.misordered += other.misordered;
        self.silent_members += other.silent_members;
        self.stalled_members += other.stalled_members;
        self.excused.absent += other.excused.absent;
        self.excused.told += other.excused.told;
        self.excused.unknown += other.excused.unknown;
        self.lost.add(&other.lost);
        self.tally.add(&other.tally);
    }
}

impl Lost {
    fn count(&mut self, member: &Member, publication: &Publication) -> &'static str {
        let (place, name) = match (publication.position(), member.applied) {
            (None, _) => (&mut self.nowhere, "nobody heard it"),
            (Some(_), None) => (&mut self.whole, "it heard nothing at all"),
            (Some(at), Some((low, _))) if at < low => (&mut self.prefix, "lost prefix"),
            (Some(at), Some((_, high))) if at > high => (&mut self.tail, "lost tail"),
            (Some(_), Some(_)) => (&mut self.middle, "lost in the middle"),
        };
        *place += 1;
        name
    }

    fn add(&mut self, other: &Self) {
        self.prefix += other.prefix;
        self.middle += other.middle;
        self.tail += other.tail;
        self.whole += other.whole;
        self.nowhere += other.nowhere;
    }
}

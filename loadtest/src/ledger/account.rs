//! The account of a room: expected = delivered + missing + excused, exactly.

use serde::{Deserialize, Serialize};

use super::member::{Member, Owed};
use super::publication::{Answer, Publication};
use super::room::Room;
use super::tally::Tally;

/// The account of every pair of a publication and a member.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Account {
    /// Publications that were sent and not refused.
    pub publications: u64,
    /// Publications that were refused for good.
    pub refused: u64,
    /// Publications without a reply: they may exist, or not.
    pub unknown: u64,
    /// Members that joined.
    pub members: u64,
    /// Pairs: publications times members, added over the rooms.
    pub expected: u64,
    /// Pairs that were required and not delivered.
    pub missing: u64,
    /// The missing pairs, by place.
    pub lost: Lost,
    /// Pairs that were not delivered and not required.
    pub excused: Excused,
    /// Publications that members received at another position than most members.
    pub misordered: u64,
    /// Members that received none of the publications they were owed.
    pub silent_members: u64,
    /// Members that waited 5 s or more for a publication.
    pub stalled_members: u64,
    /// Other faults, counted by kind.
    pub tally: Tally,
}

/// Missing pairs, by their place among the publications that the member received.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Lost {
    /// Before the first publication that the member received.
    pub prefix: u64,
    /// Between two publications that it received.
    pub middle: u64,
    /// After the last publication that it received.
    pub tail: u64,
    /// Pairs of members that received no publication.
    pub whole: u64,
    /// Accepted publications that no member received.
    pub nowhere: u64,
}

/// Pairs that were neither delivered nor required, by reason.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Excused {
    /// The member had not joined yet, or had left.
    pub absent: u64,
    /// The server reported that the publication cannot be recovered.
    pub told: u64,
    /// The publication may not exist, since its request had no reply.
    pub unknown: u64,
}

impl Excused {
    /// The sum of all reasons.
    #[must_use]
    pub fn all(&self) -> u64 {
        self.absent + self.told + self.unknown
    }
}

impl Account {
    /// Computes the account of one room.
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

    /// Classifies every member that has not received a publication.
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
                        format!("publication {number} of {} never reached member {n} ({place})", room.name())
                    });
                }
            }
        }
    }

    /// Returns true if every pair is in exactly one of delivered, missing and excused. Otherwise
    /// the load test is at fault.
    #[must_use]
    pub fn adds_up(&self) -> bool {
        let Lost { prefix, middle, tail, whole, nowhere } = self.lost;
        self.expected == self.tally.delivered + self.missing + self.excused.all()
            && self.missing == prefix + middle + tail + whole + nowhere
    }

    /// Adds the account of another room or generator.
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
            (None, _) => (&mut self.nowhere, "no member received it"),
            (Some(_), None) => (&mut self.whole, "the member received nothing"),
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

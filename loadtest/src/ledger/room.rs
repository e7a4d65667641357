//! The ledger of one room, updated by each event.

use super::account::Account;
use super::member::Member;
use super::publication::{Answer, Publication};
use super::tally::Tally;
use super::{Micros, STALL, Sequence};

/// The ledger of one room.
#[derive(Debug, Clone, Default)]
pub struct Room {
    pub(super) name: String,
    epoch: Option<String>,
    publications: Vec<Publication>,
    pub(super) members: Vec<Member>,
    top: Sequence,
    pub(super) stall: Micros,
    /// Faults other than missing publications.
    pub tally: Tally,
}

/// The way in which a publication reached a member.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum How {
    /// In a live block.
    Live,
    /// In the replay that filled a gap.
    Gap,
    /// In a resume after the connection was lost.
    Resume,
}

/// A publication that a member's application receives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Heard {
    /// The number of the publication in this room.
    pub number: usize,
    /// The position of the delivery.
    pub at: Sequence,
    /// The way in which it arrived.
    pub how: How,
    /// The time of the delivery.
    pub now: Micros,
    /// True if its time counts: not for members that are slow on purpose.
    pub timed: bool,
}

impl Room {
    /// A room with members that have not joined yet.
    #[must_use]
    pub fn new(name: impl Into<String>, members: usize) -> Self {
        Self { name: name.into(), members: vec![Member::default(); members], stall: STALL, ..Self::default() }
    }

    /// Sets the time after which a waiting member counts as stalled.
    #[must_use]
    pub fn with_stall(self, stall: Micros) -> Self {
        Self { stall, ..self }
    }

    /// The name with which clients join the room.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Records a publication that is being sent, in a measured phase or not. Returns its number.
    pub fn publish(&mut self, intended: Micros, now: Micros, measured: bool) -> usize {
        self.publications.push(Publication::new(intended, now, measured));
        self.publications.len() - 1
    }

    /// Records the acceptance of a publication. Returns the time since it was intended, if it is
    /// the first reply and measured.
    pub fn accept(&mut self, number: usize, now: Micros) -> Option<Micros> {
        let publication = self.publications.get_mut(number)?;
        let is_first = publication.answer == Answer::None;
        publication.answer = if is_first { Answer::Accepted(now) } else { publication.answer };
        (is_first && publication.measured).then_some(now - publication.intended)
    }

    /// Records the final refusal of a publication.
    pub fn refuse(&mut self, number: usize) {
        if let Some(publication) = self.publications.get_mut(number) {
            publication.answer = Answer::Refused;
        }
    }

    /// Records the reply to a join. Returns true if the room still has its known epoch.
    pub fn join(&mut self, member: usize, epoch: &str, after: Sequence, now: Micros) -> bool {
        let same = self.knows(epoch);
        if let Some(member) = self.members.get_mut(member) {
            member.join(after, now);
        }
        same
    }

    /// Returns true if this is the room's known epoch. The first epoch becomes the known one.
    pub fn knows(&mut self, epoch: &str) -> bool {
        let same = self.epoch.get_or_insert_with(|| epoch.to_owned()) == epoch;
        if !same {
            self.tally.other_epoch += 1;
            let name = &self.name;
            let told = || format!("room {name} changed to epoch {epoch}: its positions restarted");
            self.tally.sample("other epoch", told);
        }
        same
    }

    /// Records that a member asks to leave, or ends for ever.
    pub fn ask_to_leave(&mut self, member: usize, heard_through: Sequence, now: Micros) {
        if let Some(member) = self.members.get_mut(member) {
            member.ask_to_leave(heard_through, now);
        }
    }

    /// Records the acknowledgement of a leave.
    pub fn leave(&mut self, member: usize, now: Micros) {
        if let Some(member) = self.members.get_mut(member) {
            member.leave(now);
        }
    }

    /// Records positions that the server reported as not recoverable.
    pub fn tell_missed(&mut self, member: usize, from: Sequence, through: Sequence) {
        if let Some(member) = self.members.get_mut(member) {
            member.tell_missed(from, through);
        }
    }

    /// Records a delivery to a member's application. Returns the time since the publication was
    /// intended, if it counts.
    pub fn hear(&mut self, member: usize, heard: Heard) -> Option<Micros> {
        let Heard { number, at, how, now, timed } = heard;
        self.top = self.top.max(at);
        let Some(publication) = self.publications.get_mut(number) else {
            self.phantom(member, at, &format!("number {number} of this run"));
            return None;
        };
        if let Some(member) = self.members.get_mut(member) {
            member.apply(at);
        }
        if !publication.apply(member, at) {
            self.tally.duplicates += 1;
            let name = &self.name;
            let told = || format!("publication {number} of {name} reached the application of member {member} twice");
            self.tally.sample("duplicated", told);
            return None;
        }
        self.tally.delivered += 1;
        match how {
            How::Live => {}
            How::Gap => self.tally.recovered_in_gaps += 1,
            How::Resume => self.tally.recovered_by_resume += 1,
        }
        if how == How::Resume || !timed {
            return None;
        }
        publication.time(now);
        let latency = now - publication.intended;
        let is_measured = publication.measured;
        self.note_stall(member, latency);
        is_measured.then_some(latency)
    }

    /// The publications, in the order of sending.
    #[must_use]
    pub fn publications(&self) -> &[Publication] {
        &self.publications
    }

    /// The members, by their numbers in the room.
    #[must_use]
    pub fn members(&self) -> &[Member] {
        &self.members
    }

    /// The highest position of any delivery.
    #[must_use]
    pub fn top(&self) -> Sequence {
        self.top
    }

    /// The number of members in the room by the acknowledgements so far.
    #[must_use]
    pub fn present(&self) -> usize {
        self.members.iter().filter(|member| member.is_in()).count()
    }

    /// Returns true if no work is outstanding: every publication has its reply, and none is
    /// missing.
    #[must_use]
    pub fn is_settled(&self) -> bool {
        !self.publications.iter().any(Publication::is_unknown) && Account::of(self).missing == 0
    }
}

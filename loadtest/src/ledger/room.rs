//! The ledger of one room, as things happen.

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
    /// What went wrong, beside what is missing.
    pub tally: Tally,
}

/// How a publication came to a member.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum How {
    /// Live.
    Live,
    /// Because the log was asked for a gap.
    Gap,
    /// By a resume after the connection was lost.
    Resume,
}

/// Something that a member's application hears.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Heard {
    /// Which publication of this room.
    pub number: usize,
    /// At which position.
    pub at: Sequence,
    /// How it came.
    pub how: How,
    /// When.
    pub now: Micros,
    /// Whether its time counts: not of members that are slow on purpose.
    pub timed: bool,
}

impl Room {
    /// A room with members that have not joined yet.
    #[must_use]
    pub fn new(name: impl Into<String>, members: usize) -> Self {
        Self { name: name.into(), members: vec![Member::default(); members], stall: STALL, ..Self::default() }
    }

    /// Another time after which a member counts as stalled.
    #[must_use]
    pub fn with_stall(self, stall: Micros) -> Self {
        Self { stall, ..self }
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Something is published, in a phase that is measured or not; gives its number.
    pub fn publish(&mut self, intended: Micros, now: Micros, measured: bool) -> usize {
        self.publications.push(Publication::new(intended, now, measured));
        self.publications.len() - 1
    }

    /// It was answered; gives the time since it was intended, the first time.
    pub fn accept(&mut self, number: usize, now: Micros) -> Option<Micros> {
        let publication = self.publications.get_mut(number)?;
        let is_first = publication.answer == Answer::None;
        publication.answer = if is_first { Answer::Accepted(now) } else { publication.answer };
        (is_first && publication.measured).then_some(now - publication.intended)
    }

    /// It was refused for good.
    pub fn refuse(&mut self, number: usize) {
        if let Some(publication) = self.publications.get_mut(number) {
            publication.answer = Answer::Refused;
        }
    }

    /// A join was answered with a position. Whether the room still lives the life that everybody knows.
    pub fn join(&mut self, member: usize, epoch: &str, after: Sequence, now: Micros) -> bool {
        let same = self.knows(epoch);
        if let Some(member) = self.members.get_mut(member) {
            member.join(after, now);
        }
        same
    }

    /// Whether it is the epoch that everybody knows; the first one is.
    pub fn knows(&mut self, epoch: &str) -> bool {
        let same = self.epoch.get_or_insert_with(|| epoch.to_owned()) == epoch;
        if !same {
            self.tally.other_epoch += 1;
            let name = &self.name;
            let told = || format!("room {name} came with the epoch {epoch}: its positions began again");
            self.tally.sample("other epoch", told);
        }
        same
    }

    /// A member asks to leave, or ends for ever.
    pub fn ask_to_leave(&mut self, member: usize, heard_through: Sequence, now: Micros) {
        if let Some(member) = self.members.get_mut(member) {
            member.ask_to_leave(heard_through, now);
        }
    }

    /// Its leave was acknowledged.
    pub fn leave(&mut self, member: usize, now: Micros) {
        if let Some(member) = self.members.get_mut(member) {
            member.leave(now);
        }
    }

    /// The server said that these positions cannot be recovered.
    pub fn tell_missed(&mut self, member: usize, from: Sequence, through: Sequence) {
        if let Some(member) = self.members.get_mut(member) {
            member.tell_missed(from, through);
        }
    }

    /// A member's application hears a publication. Gives the time since it was intended, if that counts.
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
            let told = || format!("publication {number} of {name} came to the application of member {member} twice");
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

    /// Its publications, in the order they were sent.
    #[must_use]
    pub fn publications(&self) -> &[Publication] {
        &self.publications
    }

    /// Its members.
    #[must_use]
    pub fn members(&self) -> &[Member] {
        &self.members
    }

    /// The highest position that anybody has heard.
    #[must_use]
    pub fn top(&self) -> Sequence {
        self.top
    }

    /// How many are in it, as far as both sides have said.
    #[must_use]
    pub fn present(&self) -> usize {
        self.members.iter().filter(|member| member.is_in()).count()
    }

    /// Whether nothing is outstanding: every publication has its answer, and nothing is missing.
    #[must_use]
    pub fn is_settled(&self) -> bool {
        !self.publications.iter().any(Publication::is_unknown) && Account::of(self).missing == 0
    }
}

//! One publication, and what became of it.

use super::bits::Bits;
use super::{Micros, Sequence};

/// One publication, and what became of it.
#[derive(Debug, Clone, Default)]
pub struct Publication {
    /// When it should have been sent.
    pub intended: Micros,
    /// When it was sent.
    pub sent: Micros,
    /// Whether its times count: not while it warms up.
    pub measured: bool,
    /// What the server said to it, and when.
    pub answer: Answer,
    /// When its first member heard it live.
    pub first: Option<Micros>,
    /// When its last member, so far, heard it live.
    pub last: Option<Micros>,
    heard: Bits,
    /// At which position its first member heard it, and how many others did.
    place: Option<(Sequence, u32)>,
    /// The same of other positions: there are some only if members disagree.
    other_places: Vec<(Sequence, u32)>,
}

/// What the server said to a publication.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Answer {
    /// Nothing, so far: it may exist.
    #[default]
    None,
    /// It is accepted, and owed to every member.
    Accepted(Micros),
    /// It was refused for good, and owed to nobody.
    Refused,
}

impl Publication {
    pub(super) fn new(intended: Micros, sent: Micros, measured: bool) -> Self {
        Self { intended, sent, measured, ..Self::default() }
    }

    /// A member's application hears it; whether for the first time.
    pub(super) fn apply(&mut self, member: usize, at: Sequence) -> bool {
        let first = self.place.get_or_insert((at, 0));
        let place = if first.0 == at {
            Some(first)
        } else {
            self.other_places.iter_mut().find(|(position, _)| *position == at)
        };
        match place {
            Some((_, votes)) => *votes += 1,
            None => self.other_places.push((at, 1)),
        }
        self.heard.insert(member)
    }

    /// One more member has heard it live.
    pub(super) fn time(&mut self, now: Micros) {
        self.first = Some(self.first.map_or(now, |first| first.min(now)));
        self.last = Some(self.last.map_or(now, |last| last.max(now)));
    }

    /// Its position: the one at which most have heard it.
    #[must_use]
    pub fn position(&self) -> Option<Sequence> {
        self.places().max_by_key(|(_, votes)| *votes).map(|(position, _)| *position)
    }

    /// How often it was heard at another position than [`Publication::position`].
    #[must_use]
    pub fn misplaced(&self) -> u64 {
        let votes = || self.places().map(|(_, votes)| u64::from(*votes));
        votes().sum::<u64>() - votes().max().unwrap_or(0)
    }

    fn places(&self) -> impl Iterator<Item = &(Sequence, u32)> {
        self.place.iter().chain(&self.other_places)
    }

    /// Whether a member has heard it.
    #[must_use]
    pub fn is_heard_by(&self, member: usize) -> bool {
        self.heard.contains(member)
    }

    /// How many members have heard it.
    #[must_use]
    pub fn heard(&self) -> usize {
        self.heard.len()
    }

    /// Whether it was published without an answer: then it may exist, or not.
    #[must_use]
    pub fn is_unknown(&self) -> bool {
        self.answer == Answer::None
    }

    /// Since when it surely exists, if it does.
    #[must_use]
    pub fn exists_since(&self) -> Option<Micros> {
        match self.answer {
            Answer::Accepted(at) => Some(self.first.map_or(at, |first| first.min(at))),
            Answer::None => self.first,
            Answer::Refused => None,
        }
    }
}

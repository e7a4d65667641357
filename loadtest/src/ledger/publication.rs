//! One publication, with its reply and its deliveries.

use super::bits::Bits;
use super::{Micros, Sequence};

/// One publication, with its reply and its deliveries.
#[derive(Debug, Clone, Default)]
pub struct Publication {
    /// The time at which it should have been sent.
    pub intended: Micros,
    /// The time at which it was sent.
    pub sent: Micros,
    /// True if its times count: not in a warm-up phase.
    pub measured: bool,
    /// The reply of the server, with its time.
    pub answer: Answer,
    /// The time of its first live delivery.
    pub first: Option<Micros>,
    /// The time of its latest live delivery.
    pub last: Option<Micros>,
    heard: Bits,
    /// The position of its first delivery, and the number of deliveries at that position.
    place: Option<(Sequence, u32)>,
    /// The same for other positions. Not empty only if members disagree.
    other_places: Vec<(Sequence, u32)>,
}

/// The reply of the server to a publication.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Answer {
    /// No reply so far: the publication may exist.
    #[default]
    None,
    /// The publication is accepted, and owed to every member.
    Accepted(Micros),
    /// The publication was refused for good, and is owed to no member.
    Refused,
}

impl Publication {
    pub(super) fn new(intended: Micros, sent: Micros, measured: bool) -> Self {
        Self { intended, sent, measured, ..Self::default() }
    }

    /// Records a delivery to a member. Returns true if it is the first one to this member.
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

    /// Records the time of a live delivery.
    pub(super) fn time(&mut self, now: Micros) {
        self.first = Some(self.first.map_or(now, |first| first.min(now)));
        self.last = Some(self.last.map_or(now, |last| last.max(now)));
    }

    /// The publication's position: the one of most deliveries.
    #[must_use]
    pub fn position(&self) -> Option<Sequence> {
        self.places().max_by_key(|(_, votes)| *votes).map(|(position, _)| *position)
    }

    /// The number of deliveries at another position than [`Publication::position`].
    #[must_use]
    pub fn misplaced(&self) -> u64 {
        let votes = || self.places().map(|(_, votes)| u64::from(*votes));
        votes().sum::<u64>() - votes().max().unwrap_or(0)
    }

    fn places(&self) -> impl Iterator<Item = &(Sequence, u32)> {
        self.place.iter().chain(&self.other_places)
    }

    /// Returns true if the member has received it.
    #[must_use]
    pub fn is_heard_by(&self, member: usize) -> bool {
        self.heard.contains(member)
    }

    /// The number of members that have received it.
    #[must_use]
    pub fn heard(&self) -> usize {
        self.heard.len()
    }

    /// Returns true if its request had no reply: it may exist, or not.
    #[must_use]
    pub fn is_unknown(&self) -> bool {
        self.answer == Answer::None
    }

    /// The time since which it surely exists; `None` if it may not exist.
    #[must_use]
    pub fn exists_since(&self) -> Option<Micros> {
        match self.answer {
            Answer::Accepted(at) => Some(self.first.map_or(at, |first| first.min(at))),
            Answer::None => self.first,
            Answer::Refused => None,
        }
    }
}

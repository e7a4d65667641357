//! One member: when it was in the room, and what it is owed for that.

use super::publication::Publication;
use super::{LEAVING_GRACE, Micros, Sequence};

/// One member, by the intervals that it was in the room.
#[derive(Debug, Clone, Default)]
pub struct Member {
    spans: Vec<Span>,
    /// Positions that the server said it could not recover, both ends included.
    told: Vec<(Sequence, Sequence)>,
    /// Whether it ever waited too long for a publication.
    pub stalled: bool,
    /// The lowest and the highest position that it has applied.
    pub applied: Option<(Sequence, Sequence)>,
}

/// An interval between two acknowledgements.
#[derive(Debug, Clone)]
struct Span {
    /// The position of the reply to its join: what comes after is owed.
    after: Sequence,
    joined: Micros,
    left: Option<Leave>,
}

#[derive(Debug, Clone)]
struct Leave {
    asked: Micros,
    /// What it had heard when it asked to leave: none below may be missing.
    heard_through: Sequence,
    answered: Option<Micros>,
}

/// What a publication is to a member that has not heard it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Owed {
    /// It is missing.
    Required,
    /// It was published before the member joined, or about when it left.
    Absent,
    /// The server said that it could not be recovered.
    Told,
    /// Nobody knows whether it exists.
    Unknown,
}

impl Member {
    pub(super) fn join(&mut self, after: Sequence, now: Micros) {
        self.spans.push(Span { after, joined: now, left: None });
    }

    pub(super) fn ask_to_leave(&mut self, heard_through: Sequence, now: Micros) {
        if let Some(span) = self.spans.last_mut() {
            span.left.get_or_insert(Leave { asked: now, heard_through, answered: None });
        }
    }

    pub(super) fn leave(&mut self, now: Micros) {
        if let Some(leave) = self.spans.last_mut().and_then(|span| span.left.as_mut()) {
            leave.answered = Some(now);
        }
    }

    pub(super) fn tell_missed(&mut self, from: Sequence, through: Sequence) {
        self.told.push((from, through));
    }

    pub(super) fn apply(&mut self, at: Sequence) {
        let (low, high) = self.applied.unwrap_or((at, at));
        self.applied = Some((low.min(at), high.max(at)));
    }

    /// Whether it ever was in the room.
    #[must_use]
    pub fn has_joined(&self) -> bool {
        !self.spans.is_empty()
    }

    /// Whether it is in the room, as far as both sides have said.
    #[must_use]
    pub fn is_in(&self) -> bool {
        self.spans.last().is_some_and(|span| span.left.is_none())
    }

    /// When its leave was acknowledged, if it is out of the room.
    #[must_use]
    pub fn left_at(&self) -> Option<Micros> {
        self.spans.last()?.left.as_ref()?.answered
    }

    /// What a publication is to it, if it has not heard it.
    #[must_use]
    pub fn owes(&self, publication: &Publication) -> Owed {
        let Some(exists) = publication.exists_since() else { return Owed::Unknown };
        let position = publication.position();
        let is_told = |at| self.told.iter().any(|(from, through)| (*from..=*through).contains(&at));
        if position.is_some_and(is_told) {
            return Owed::Told;
        }
        let required = self.spans.iter().any(|span| match position {
            Some(at) => at > span.after && span.reaches(at, exists),
            // Nobody has heard it, so it has no position: then times must do.
            None => publication.sent >= span.joined && span.outlasts(exists),
        });
        if required { Owed::Required } else { Owed::Absent }
    }
}

impl Span {
    fn reaches(&self, at: Sequence, exists: Micros) -> bool {
        self.outlasts(exists) || self.left.as_ref().is_some_and(|leave| at <= leave.heard_through)
    }

    fn outlasts(&self, exists: Micros) -> bool {
        self.left.as_ref().is_none_or(|leave| exists + LEAVING_GRACE <= leave.asked)
    }
}

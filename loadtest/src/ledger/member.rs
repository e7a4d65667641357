//! One member: the times at which it was in the room, and the publications that it is owed.

use super::publication::Publication;
use super::{LEAVING_GRACE, Micros, Sequence};

/// One member, with the intervals at which it was in the room.
#[derive(Debug, Clone, Default)]
pub struct Member {
    spans: Vec<Span>,
    /// Ranges of positions that the server reported as not recoverable, both ends included.
    told: Vec<(Sequence, Sequence)>,
    /// True if the member ever waited too long for a publication.
    pub stalled: bool,
    /// The lowest and the highest position that the member has applied.
    pub applied: Option<(Sequence, Sequence)>,
}

/// An interval between two acknowledgements.
#[derive(Debug, Clone)]
struct Span {
    /// The position in the reply to the join: later publications are owed.
    after: Sequence,
    joined: Micros,
    left: Option<Leave>,
}

#[derive(Debug, Clone)]
struct Leave {
    asked: Micros,
    /// The position up to which the member had received publications when it asked to leave. None
    /// below may be missing.
    heard_through: Sequence,
    answered: Option<Micros>,
}

/// The status of a publication for a member that has not received it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Owed {
    /// The publication is missing.
    Required,
    /// It was published before the member joined, or about when the member left.
    Absent,
    /// The server reported that it cannot be recovered.
    Told,
    /// It may not exist, since its request had no reply.
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

    /// Returns true if the member ever was in the room.
    #[must_use]
    pub fn has_joined(&self) -> bool {
        !self.spans.is_empty()
    }

    /// Returns true if the member is in the room by the acknowledgements so far.
    #[must_use]
    pub fn is_in(&self) -> bool {
        self.spans.last().is_some_and(|span| span.left.is_none())
    }

    /// The time at which its leave was acknowledged, if it is out of the room.
    #[must_use]
    pub fn left_at(&self) -> Option<Micros> {
        self.spans.last()?.left.as_ref()?.answered
    }

    /// The status of a publication that the member has not received.
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
            // No member has received the publication, so it has no position. The times decide
            // instead.
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

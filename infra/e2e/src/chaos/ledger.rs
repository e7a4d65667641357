//! The publications that a member received, and the check that they are the required ones.

use std::collections::BTreeMap;

use domain::{Epoch, Position, PublicationId, RoomId, Sequence};

/// The log of every room, by position from 1. It is the reference for all checks.
pub type Truth = BTreeMap<RoomId, Vec<PublicationId>>;

/// A violation, as a sentence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding(pub String);

/// A member's stay in a room, from a join to its leave or to the end of the run. Lost connections
/// and restarts do not end it.
#[derive(Debug, Clone)]
pub struct Session {
    /// The room of the stay.
    pub room: RoomId,
    /// The position of the room when it was joined. `None` until then.
    pub joined_at: Option<Position>,
    /// The publications that the application received, in order.
    pub heard: Vec<(Sequence, PublicationId)>,
    /// True if the member was asked to leave.
    pub leaving: bool,
    /// True if the stay has ended.
    pub is_over: bool,
}

/// All publications that one member received.
#[derive(Debug, Clone)]
pub struct Ledger {
    /// Name of the member.
    pub member: String,
    /// The member's stays, in order of their start.
    pub sessions: Vec<Session>,
    /// Events that the application received and should not have received.
    pub findings: Vec<Finding>,
}

impl Session {
    /// Returns the last position that the application received, or else the position of the join.
    #[must_use]
    pub fn position(&self) -> Option<Position> {
        let joined_at = self.joined_at.as_ref()?;
        let sequence = self.heard.last().map_or(joined_at.sequence, |(sequence, _)| *sequence);
        Some(Position { epoch: joined_at.epoch.clone(), sequence })
    }
}

impl Ledger {
    /// Creates an empty ledger.
    #[must_use]
    pub fn new(member: String) -> Self {
        Self { member, sessions: Vec::new(), findings: Vec::new() }
    }

    /// Starts a stay.
    pub fn begin(&mut self, room: RoomId) {
        self.sessions.push(Session { room, joined_at: None, heard: Vec::new(), leaving: false, is_over: false });
    }

    /// Returns the stay in a room that has not ended.
    pub fn open(&mut self, room: &RoomId) -> Option<&mut Session> {
        self.sessions.iter_mut().rev().find(|session| session.room == *room && !session.is_over)
    }

    /// Returns all stays that have not ended.
    pub fn all_open(&self) -> impl Iterator<Item = &Session> {
        self.sessions.iter().filter(|session| !session.is_over)
    }

    /// Records that the application joined a room, for the first time or again after a restart.
    pub fn joined(&mut self, room: &RoomId, head: Position) {
        match self.open(room) {
            None => self.find(format!("joined {room}, which it did not want to")),
            Some(session) => match &session.joined_at {
                None => session.joined_at = Some(head),
                Some(before) if before.epoch == head.epoch => {}
                Some(_) => self.find(format!("found another epoch in {room}")),
            },
        }
    }

    /// Records that the application received a publication.
    pub fn heard(&mut self, room: &RoomId, epoch: &Epoch, sequence: Sequence, pid: PublicationId) {
        let Some(session) = self.open(room) else {
            return self.find(format!("received {pid} of {room}, where it is not"));
        };
        match &session.joined_at {
            Some(joined_at) if joined_at.epoch == *epoch => session.heard.push((sequence, pid)),
            Some(_) => self.find(format!("received {pid} of another epoch of {room}")),
            None => self.find(format!("received {pid} of {room} before it had joined")),
        }
    }

    /// Records that the application left a room.
    pub fn left(&mut self, room: &RoomId) {
        match self.open(room) {
            Some(session) if session.leaving => session.is_over = true,
            _ => self.find(format!("left {room}, which it did not want to")),
        }
    }

    /// Records a violation.
    pub fn find(&mut self, what: String) {
        self.findings.push(Finding(format!("{} {what}", self.member)));
    }

    /// Returns the number of required pairs of this ledger, and its violations. A stay that has not
    /// ended must have everything up to the end of the log. A stay that has ended must have
    /// everything up to its last publication.
    #[must_use]
    pub fn check(&self, truth: &Truth) -> (u64, Vec<Finding>) {
        let mut findings = self.findings.clone();
        let mut pairs = 0;
        for session in &self.sessions {
            let (owed, wrong) = check_session(&self.member, session, truth);
            pairs += owed;
            findings.extend(wrong);
        }
        (pairs, findings)
    }
}

/// Checks one stay. Returns only its first violation, because later ones usually follow from it.
fn check_session(member: &str, session: &Session, truth: &Truth) -> (u64, Option<Finding>) {
    let nothing = Vec::new();
    let room = &session.room;
    let log = truth.get(room).unwrap_or(&nothing);
    let Some(joined_at) = &session.joined_at else {
        let never = Finding(format!("{member} never came into {room}"));
        return (0, Some(never).filter(|_| !session.is_over && !session.leaving));
    };
    let first = joined_at.sequence.get();
    let last = if session.is_over || session.leaving {
        session.heard.last().map_or(first, |(sequence, _)| sequence.get())
    } else {
        log.len() as u64
    };
    let owed = last.saturating_sub(first);
    let mut expected = first;
    for (sequence, pid) in &session.heard {
        let at = sequence.get();
        let story = |what: String| (owed, Some(Finding(format!("{member} in {room}, joined at {first}: {what}"))));
        if at <= expected {
            return story(format!("received position {at} ({pid}) again or too late, after position {expected}"));
        }
        expected += 1;
        let name = |at: u64| log.get(at as usize - 1).map_or("nothing", PublicationId::as_ref);
        if at > expected {
            let lost = name(expected);
            return story(format!(
                "never received position {expected} ({lost}), but went on with position {at} ({pid})"
            ));
        }
        if log.get(at as usize - 1) != Some(pid) {
            return story(format!("received {pid} at position {at}, where the log has {}", name(at)));
        }
    }
    let missing = log.get(expected as usize).filter(|_| expected < last);
    let story = missing.map(|pid| {
        Finding(format!(
            "{member} in {room}, joined at {first}: the last position received is {expected}; {pid} at position {} and those \
             after it up to {last} never came",
            expected + 1
        ))
    });
    (owed, story)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn room() -> RoomId {
        RoomId::parse("r").unwrap()
    }

    fn pid(number: u64) -> PublicationId {
        PublicationId::parse(format!("p{number}")).unwrap()
    }

    fn epoch() -> Epoch {
        Epoch::parse("e").unwrap()
    }

    fn truth(length: u64) -> Truth {
        [(room(), (1..=length).map(pid).collect())].into()
    }

    fn ledger(joined_at: u64, heard: &[u64]) -> Ledger {
        let mut ledger = Ledger::new("ada".to_owned());
        ledger.begin(room());
        ledger.joined(&room(), Position { epoch: epoch(), sequence: Sequence::new(joined_at) });
        for at in heard {
            ledger.heard(&room(), &epoch(), Sequence::new(*at), pid(*at));
        }
        ledger
    }

    fn told(ledger: &Ledger, length: u64) -> (u64, Vec<String>) {
        let (pairs, findings) = ledger.check(&truth(length));
        (pairs, findings.into_iter().map(|finding| finding.0).collect())
    }

    #[test]
    fn whoever_heard_what_it_was_owed_has_nothing_to_tell() {
        assert_eq!(told(&ledger(2, &[3, 4, 5]), 5), (3, vec![]));
        assert_eq!(told(&ledger(5, &[]), 5), (0, vec![]));
        let mut left = ledger(2, &[3, 4]);
        left.open(&room()).unwrap().leaving = true;
        left.left(&room());
        assert_eq!(told(&left, 9), (2, vec![]));
    }

    #[test]
    fn what_is_lost_repeated_or_out_of_order_is_a_story() {
        let begin = "ada in r, joined at 2:";
        for (heard, story) in [
            (&[3, 5][..], "never received position 4 (p4), but went on with position 5 (p5)"),
            (&[3, 3], "received position 3 (p3) again or too late, after position 3"),
            (&[3, 4, 3], "received position 3 (p3) again or too late, after position 4"),
            (&[3], "the last position received is 3; p4 at position 4 and those after it up to 5 never came"),
        ] {
            assert_eq!(told(&ledger(2, heard), 5), (3, vec![format!("{begin} {story}")]));
        }
        let mut other = ledger(2, &[]);
        other.heard(&room(), &epoch(), Sequence::new(3), pid(7));
        assert_eq!(told(&other, 3).1, [format!("{begin} received p7 at position 3, where the log has p3")]);
    }

    #[test]
    fn what_is_heard_elsewhere_or_in_another_epoch_is_a_story() {
        let mut ledger = ledger(2, &[3]);
        ledger.heard(&room(), &Epoch::parse("f").unwrap(), Sequence::new(4), pid(4));
        ledger.heard(&RoomId::parse("s").unwrap(), &epoch(), Sequence::new(1), pid(1));
        ledger.left(&room());
        assert_eq!(told(&ledger, 3).1.len(), 3);
    }
}

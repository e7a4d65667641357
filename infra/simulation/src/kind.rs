//! The ways to break a promise, by name; GUARANTEES.md names the promise of each.

use std::fmt;

/// The way in which a promise was broken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// An owed publication was never delivered.
    Lost,
    /// A publication was not posted to a member that was in the room throughout, and neither a late
    /// job nor a dead letter names the member.
    Unserved,
    /// An application received a publication twice, or a publication has two positions.
    Duplicated,
    /// A publication arrived before an earlier one.
    Misordered,
    /// A publication arrived that was never published, or that differs from the published one.
    Phantom,
    /// A connection received something from a room that it was never a member of.
    CrossRoom,
    /// A connection received something from a room long after it had left.
    LateAfterLeave,
    /// A resume reported that nothing is missing, although something was.
    FalseRecovered,
    /// A connection without a valid token was admitted.
    Admitted,
    /// A connection received something after its token had expired.
    HeardExpired,
    /// A connection stayed open after its token had expired.
    NotClosed,
    /// A connection received something from a room that its token does not allow any more.
    NotAllowed,
    /// A position arrived on the wire more often than there are causes.
    Repeated,
    /// A delivery was later than poison or the trouble of others may delay it.
    Delayed,
    /// A call read more items than its room has, or more than it asked for.
    Scanned,
    /// An event of an ordered group has a position before an earlier event of the group.
    Overtaken,
    /// A connection sent requests faster than the rate allows, or a refusal named a wrong pause.
    TooFast,
    /// An ephemeral publication is in a log.
    Stored,
    /// A connection received an echo that it had asked not to receive.
    Echoed,
    /// A command of a backend was not carried out.
    NotObeyed,
    /// An event or row that can never be published is not in its dead-letter queue, or has no
    /// reason there.
    NotBuried,
    /// A closed connection is still stored.
    GhostLeft,
    /// A live connection was removed.
    LiveReaped,
    /// A count of members is wrong.
    WrongCount,
    /// Without any fault, a client had to request something that it should have received.
    Repaired,
    /// A request never got a reply.
    Unanswered,
    /// A permitted request was refused, or a client that follows the rules exceeded its rate.
    Refused,
    /// Without any fault, a request failed because another one was processed at the same time.
    Conflicted,
}

/// A broken promise, with its description.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Broken {
    /// The way in which it was broken.
    pub kind: Kind,
    /// The publication, member or room, and what was wrong with it.
    pub what: String,
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}: {}", self.kind, self.what)
    }
}

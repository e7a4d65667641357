//! How promises are broken, by name: GUARANTEES.md says which name stands for which promise.

use std::fmt;

/// How a promise was broken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// Something that was owed never came.
    Lost,
    /// A member that was there throughout was not posted a publication, is not late for it, and no dead letter names it.
    Unserved,
    /// Something came twice to an application, or has two positions.
    Duplicated,
    /// Something came before what precedes it.
    Misordered,
    /// Something came that nobody published, or not like that.
    Phantom,
    /// Something of a room came to a connection that never was in it.
    CrossRoom,
    /// Something of a room came long after it was left.
    LateAfterLeave,
    /// A resume said that nothing is missing, and something was.
    FalseRecovered,
    /// Somebody was let in whom nobody vouches for.
    Admitted,
    /// Something came to a connection whose token had expired.
    HeardExpired,
    /// A connection whose token had expired stayed open.
    NotClosed,
    /// Something of a room came to a connection whose token does not allow it any more.
    NotAllowed,
    /// Something came more often on the wire than there is cause for.
    Repeated,
    /// Something came later than poison, or what others are up to, may delay it.
    Delayed,
    /// A call read more than its room has, or more than it was asked for.
    Scanned,
    /// What a backend said in an ordered group has its place before what was said earlier.
    Overtaken,
    /// Somebody published faster than anybody may, or was told a wrong moment to try again.
    TooFast,
    /// Something that was for those who are there is in a log.
    Stored,
    /// Somebody heard what it had said itself, and asked not to.
    Echoed,
    /// What a backend ordered was not done.
    NotObeyed,
    /// What can never be published is not in its dead-letter queue, or without its reason.
    NotBuried,
    /// A connection that is gone is still stored.
    GhostLeft,
    /// A connection that lives was forgotten.
    LiveReaped,
    /// A count is not true.
    WrongCount,
    /// Without any fault, a client had to ask for what it should have been told.
    Repaired,
    /// A request never came to an end.
    Unanswered,
    /// Somebody was refused what is allowed.
    Refused,
    /// Where nothing went wrong, a request failed because of another one that was carried out at the same time.
    Conflicted,
}

/// A broken promise.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Broken {
    /// How.
    pub kind: Kind,
    /// Which, and whose.
    pub what: String,
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}: {}", self.kind, self.what)
    }
}

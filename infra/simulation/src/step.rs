//! What somebody does in a run.

use std::fmt;

/// Rooms that people are in; the last only where it has trouble.
pub(crate) const ROOMS: [&str; 4] = ["lobby", "team:7", "den", "plaza"];

/// The room that has trouble, where one has, and how many others there are.
pub(crate) const PLAZA: usize = 3;

/// The inboxes, and everybody, in the order of [`NAMES`].
pub(crate) const PLACES: [&str; 10] = ["lobby", "team:7", "den", "plaza", "@ada", "@bob", "@cyn", "@dee", "@eve", "*"];

/// What nobody can read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Poison {
    /// A message for the sequencer.
    Publication,
    /// A job for the fan-out.
    Job,
    /// A look at a room.
    Check,
    /// An event of a backend.
    Event,
    /// A row of the outbox.
    Row,
}

/// What somebody does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Step {
    /// Hears a room from now on.
    Join(usize),
    /// Hears it no more.
    Leave(usize),
    /// Publishes to a room, so many at once.
    Publish(usize, u64),
    /// Publishes under an id that somebody else has used in that room.
    PublishSameId(usize),
    /// A backend publishes an event.
    Event(usize),
    /// A backend writes a row of the outbox.
    Row(usize),
    /// A backend publishes an event after those that it has published in that group.
    Ordered(u64, usize),
    /// Says something to those who are in a room.
    Say(usize),
    /// Publishes what it does not want to hear itself.
    PublishQuietly(usize),
    /// A backend makes a user a member of a room.
    Bring(usize),
    /// A backend takes a user out of a room.
    Remove(usize),
    /// A backend closes a user's connections.
    Kick,
    /// The network resets the connection.
    Reset,
    /// The socket takes everything from now on and delivers nothing.
    Vanish,
    /// What its token allows changes: a room, or no more.
    Deny(usize),
    /// The application ends, and begins anew some time later, where it had ended.
    Restart(u64),
    /// The gateway cuts the connection.
    Cut,
    /// Everybody is reset.
    Storm,
    /// The room grows: somebody joins a full shard.
    Grow(usize),
    /// The room is restored from a backup, in one of nine ways.
    Restore(usize, u64),
    /// Something that nobody can read is in a queue, of a room if it is one of rooms.
    Poison(usize, Poison),
    /// A backend says what nobody can read in the middle of a group.
    PoisonInOrder(u64),
    /// A record that nobody can read is in the stream.
    PoisonRecord,
    /// Publishes to a room as fast as it can.
    Flood(usize),
    /// Asks who is in a room.
    AskWho(usize),
    /// Asks for the latest of a room's history.
    AskHistory(usize),
    /// The room that has trouble does not answer any more.
    Fail,
    /// It does again.
    Mend,
}

impl fmt::Display for Poison {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Publication => "a message for the sequencer",
            Self::Job => "a job",
            Self::Check => "a check of presence",
            Self::Event => "an event of a backend",
            Self::Row => "a row of the outbox",
        })
    }
}

/// What happens, after the name of the member that it happens to.
impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let room = |at: &usize| PLACES[*at];
        match self {
            Self::Join(at) => write!(f, "joins {}", room(at)),
            Self::Leave(at) => write!(f, "leaves {}", room(at)),
            Self::Publish(at, 1) => write!(f, "publishes to {}", room(at)),
            Self::Publish(at, count) => write!(f, "publishes {count} times to {}", room(at)),
            Self::PublishSameId(at) => write!(f, "publishes to {} under an id that others use", room(at)),
            Self::Event(at) => write!(f, "looks on: a backend publishes an event to {}", room(at)),
            Self::Row(at) => write!(f, "looks on: a backend writes an outbox row for {}", room(at)),
            Self::Ordered(group, at) => {
                write!(f, "looks on: a backend publishes to {} in its ordered group {group}", room(at))
            }
            Self::Say(at) => write!(f, "publishes something ephemeral to {}", room(at)),
            Self::PublishQuietly(at) => write!(f, "publishes to {} and wants no echo", room(at)),
            Self::Bring(at) => write!(f, "is made a member of {} by a backend", room(at)),
            Self::Remove(at) => write!(f, "is taken out of {} by a backend", room(at)),
            Self::Kick => f.write_str("is closed by a backend on every device"),
            Self::Reset => f.write_str("loses its connection"),
            Self::Vanish => f.write_str("has a socket from now on that takes everything and delivers nothing"),
            Self::Deny(at) => write!(f, "gets a token that changes whether {} is allowed", room(at)),
            Self::Restart(ms) => write!(f, "ends its application and begins again after {ms} ms"),
            Self::Cut => f.write_str("has its connection cut by the gateway"),
            Self::Storm => f.write_str("loses its connection, like everybody else"),
            Self::Grow(at) => write!(f, "looks on: {} grows", room(at)),
            Self::Restore(at, lost) => write!(f, "looks on: {} is restored without its last {lost}", room(at)),
            Self::Poison(at, what) => write!(f, "looks on: {what} of {} cannot be read", room(at)),
            Self::PoisonInOrder(group) => write!(f, "looks on: an event of the ordered group {group} cannot be read"),
            Self::PoisonRecord => f.write_str("looks on: a stream record cannot be read"),
            Self::Flood(at) => write!(f, "publishes to {} as fast as it can", room(at)),
            Self::AskWho(at) => write!(f, "asks who is in {}", room(at)),
            Self::AskHistory(at) => write!(f, "asks for the history of {}", room(at)),
            Self::Fail => write!(f, "looks on: every call for {} fails", ROOMS[PLAZA]),
            Self::Mend => write!(f, "looks on: {} answers again", ROOMS[PLAZA]),
        }
    }
}

//! The steps of a run's script.

use std::fmt;

/// The plain rooms of a run; members join the last one only where it has a trouble.
pub(crate) const ROOMS: [&str; 4] = ["lobby", "team:7", "den", "plaza"];

/// The index of the room that may have a trouble, which is also the number of the other rooms.
pub(crate) const PLAZA: usize = 3;

/// All rooms: the plain rooms, an inbox for each user name, and `*`.
pub(crate) const PLACES: [&str; 10] = ["lobby", "team:7", "den", "plaza", "@ada", "@bob", "@cyn", "@dee", "@eve", "*"];

/// The place of a message that cannot be parsed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Poison {
    /// A message for the sequencer.
    Publication,
    /// A job for the fan-out.
    Job,
    /// A check of the presence function.
    Check,
    /// An event of a backend.
    Event,
    /// A row of the outbox.
    Row,
}

/// The requests of a flood.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Torrent {
    /// Publications to one room.
    Publications,
    /// Every other action.
    Others,
}

/// A step of one member, or of a backend or the gateway.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Step {
    /// The member joins a room.
    Join(usize),
    /// The member leaves a room.
    Leave(usize),
    /// The member publishes to a room, this many times at once.
    Publish(usize, u64),
    /// The member publishes to a room under an id that other users have used there.
    PublishSameId(usize),
    /// A backend publishes an event.
    Event(usize),
    /// A backend writes an outbox row.
    Row(usize),
    /// A backend publishes an event in an ordered group.
    Ordered(u64, usize),
    /// The member sends an ephemeral publication to a room.
    Say(usize),
    /// The member publishes with a request for no echo.
    PublishQuietly(usize),
    /// A backend makes the user a member of a room.
    Bring(usize),
    /// A backend removes the user from a room.
    Remove(usize),
    /// A backend closes the user's connections.
    Kick,
    /// The network resets the connection.
    Reset,
    /// From now on the socket takes all messages and delivers none.
    Vanish,
    /// The permission of the member's tokens for a room changes.
    Deny(usize),
    /// The application ends, and starts again after this time in milliseconds, from the positions
    /// that it had.
    Restart(u64),
    /// The gateway closes the connection.
    Cut,
    /// The network resets the connections of all members.
    Storm,
    /// The room grows, as on a join of a full shard.
    Grow(usize),
    /// The room is restored from a backup, in one of nine ways.
    Restore(usize, u64),
    /// A message that cannot be parsed is in a queue, for a room if the queue is one of rooms.
    Poison(usize, Poison),
    /// A backend publishes an event that cannot be parsed in an ordered group.
    PoisonInOrder(u64),
    /// The stream contains a record that cannot be parsed.
    PoisonRecord,
    /// The member publishes to a room as fast as it can.
    Flood(usize, Torrent),
    /// The member asks for the list of a room's members.
    AskWho(usize),
    /// The member asks for the latest publications of a room's history.
    AskHistory(usize),
    /// Every operation for the room with the trouble fails from now on.
    Fail,
    /// Operations for that room succeed again.
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

/// The description of a step, which the story puts after the name of the member.
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
            Self::Kick => {
                f.write_str("is closed, banned for a while, or loses its tokens, by a backend on every device")
            }
            Self::Reset => f.write_str("loses its connection"),
            Self::Vanish => f.write_str("has a socket from now on that takes everything and delivers nothing"),
            Self::Deny(at) => write!(f, "gets a token that changes whether {} is allowed", room(at)),
            Self::Restart(ms) => write!(f, "ends its application and begins again after {ms} ms"),
            Self::Cut => f.write_str("has its connection cut by the gateway"),
            Self::Storm => f.write_str("loses its connection, like all members"),
            Self::Grow(at) => write!(f, "looks on: {} grows", room(at)),
            Self::Restore(at, lost) => write!(f, "looks on: {} is restored without its last {lost}", room(at)),
            Self::Poison(at, what) => write!(f, "looks on: {what} of {} cannot be read", room(at)),
            Self::PoisonInOrder(group) => write!(f, "looks on: an event of the ordered group {group} cannot be read"),
            Self::PoisonRecord => f.write_str("looks on: a stream record cannot be read"),
            Self::Flood(at, Torrent::Publications) => write!(f, "publishes to {} as fast as it can", room(at)),
            Self::Flood(at, Torrent::Others) => write!(f, "sends requests for {} as fast as it can", room(at)),
            Self::AskWho(at) => write!(f, "asks who is in {}", room(at)),
            Self::AskHistory(at) => write!(f, "asks for the history of {}", room(at)),
            Self::Fail => write!(f, "looks on: every call for {} fails", ROOMS[PLAZA]),
            Self::Mend => write!(f, "looks on: {} answers again", ROOMS[PLAZA]),
        }
    }
}

//! What somebody does in a run.

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
    /// The room that has trouble does not answer any more.
    Fail,
    /// It does again.
    Mend,
}

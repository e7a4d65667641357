//! Counts how often each promise could have been broken in a run and was checked. A check that
//! never runs proves nothing.

use std::fmt;

macro_rules! stakes {
    ($($name:ident = $text:literal;)+) => {
        /// A thing that a promise is about; its count is the number of checks.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Stake {
            $(#[doc = $text] $name,)+
        }

        impl Stake {
            /// Every stake, in the order of the coverage table.
            pub const ALL: &[Self] = &[$(Self::$name,)+];

            /// The description in the coverage table.
            #[must_use]
            pub fn describe(self) -> &'static str {
                match self { $(Self::$name => $text,)+ }
            }
        }
    };
}

stakes! {
    Heard = "Publications that applications were told, compared with the log.";
    Owed = "Members whose position in a room was compared with its head in the end.";
    Served = "Pairs of a publication and a member that was there throughout, of which a post was looked for.";
    History = "Pages of history that were compared with the log.";
    Who = "Answers to who is there that were compared with who is.";
    Positioned = "Accepted publications whose positions were counted.";
    Replayed = "Replays that were said to be whole, and had something in them.";
    Behind = "Pongs that named rooms that had moved on.";
    Left = "Connections that were told that they have left a room.";
    Lapsed = "Connections that were closed because their token had expired.";
    Forgotten = "Connections that were forgotten.";
    Kept = "Connections that were there in the end.";
    Timely = "Publications of which each post had to be in time.";
    BesideWide = "Those of them that were posted while jobs of a wide room waited.";
    Read = "Calls whose reads were counted.";
    Counted = "Rooms with members whose count was compared in the end.";
    FromBackend = "Events and rows whose positions were counted.";
    InOrder = "Pairs of events of an ordered group in one room.";
    Buried = "Things that can never be published, and were looked for among the dead letters.";
    Inbox = "Devices whose position in an inbox was compared with its head in the end.";
    Obeyed = "Connections at which an order of a backend was looked for.";
    Said = "Ephemeral publications that applications were told.";
    Silent = "Publications that their author asked not to hear.";
    TooFast = "Refusals of what came too fast.";
    LetIn = "Repeats at the very moment that a refusal had named.";
    Beside = "Requests that were answered where nothing goes wrong, while others were carried out.";
    Renewed = "Tokens that came to count and allowed less than the one before.";
}

impl fmt::Display for Stake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

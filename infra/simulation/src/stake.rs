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
    Heard = "Publications that applications received, compared with the log.";
    Owed = "Members whose position in a room was compared with its head at the end.";
    Served = "Pairs of a publication and a member that was in the room throughout, checked for a post.";
    History = "Pages of history that were compared with the log.";
    Who = "Member lists that were compared with the members.";
    Positioned = "Accepted publications whose positions were counted.";
    Replayed = "Replays with publications that claimed to be whole.";
    Behind = "Pongs that listed rooms whose heads had moved.";
    Left = "Connections that received the confirmation of a leave.";
    Lapsed = "Connections that were closed because their token had expired.";
    Forgotten = "Connections that were removed.";
    Kept = "Connections that were stored at the end.";
    Timely = "Deliveries that had to be in time.";
    BesideWide = "Such deliveries while jobs of a wide room waited.";
    Read = "Calls whose reads were counted.";
    Counted = "Rooms with members whose count was compared at the end.";
    FromBackend = "Events and rows whose positions were counted.";
    InOrder = "Pairs of events of an ordered group in one room.";
    Buried = "Events and rows that can never be published, checked for their dead letters.";
    Inbox = "Devices whose position in an inbox was compared with its head at the end.";
    Obeyed = "Connections that were checked for the effect of a command of a backend.";
    Said = "Ephemeral publications that applications received.";
    Silent = "Publications with a request for no echo.";
    TooFast = "Refusals of requests above the rate.";
    LetIn = "Requests that were repeated exactly after the pause of their refusal.";
    Beside = "Requests in runs without faults, processed beside others.";
    Renewed = "Tokens that became valid and allowed less than the one before.";
}

impl fmt::Display for Stake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

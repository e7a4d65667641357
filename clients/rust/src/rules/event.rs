//! What a client does and says: to its connections, and to the application.

use domain::{ConnectionId, Data, Key, Position, PublicationId, RoomId, Timestamp, UserId};
use protocol::reply::{Failure, History, Who};

/// What a client wants done.
#[derive(Debug, Clone, PartialEq)]
pub enum Output {
    /// Open a connection now, and say later what became of it ([`Client::connected`](super::Client::connected) or
    /// [`Client::closed`](super::Client::closed)).
    Connect(LinkId),
    /// Send this text message.
    Send {
        /// On which connection.
        link: LinkId,
        /// One JSON object.
        text: String,
    },
    /// Get a token for a connection to go on with, and say what came of it ([`Client::renew`](super::Client::renew) or
    /// [`Client::not_renewed`](super::Client::not_renewed)).
    Renew(LinkId),
    /// Close the connection; nothing that it still says matters.
    CloseSocket(LinkId),
    /// Tell the application.
    Event(Event),
}

/// One attempt at a connection, and the connection it became. Never reused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct LinkId(pub u64);

/// A question (for history, or who is there), as the application numbered it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Ticket(pub u64);

/// What the application is told.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// There is a connection.
    Online,
    /// There is none. Another attempt is made by itself.
    Offline {
        /// Why.
        because: Loss,
        /// When the next attempt is made, milliseconds from now.
        retry_in_ms: u64,
    },
    /// A room has been joined: from here on everything published there is heard, once and in order.
    Joined {
        /// Which room.
        room: RoomId,
        /// Where it stands. What is heard begins after it, or after the position that was asked from.
        head: Position,
        /// How many members it has, where that was known at once.
        members: Option<u64>,
    },
    /// A publication.
    Message(Message),
    /// Something said to those who are there; best effort, and nowhere stored.
    Ephemeral {
        /// Where.
        room: RoomId,
        /// Its author.
        by: UserId,
        /// What it is about: it takes the place of what this author said about it before.
        key: Option<Key>,
        /// The connection it came from, if from one.
        from: Option<ConnectionId>,
        /// What it says.
        data: Data,
    },
    /// Who is in a room, after it changed. Somebody may come twice and still is there once: whoever keeps the names adds
    /// and removes.
    Presence {
        /// Which room.
        room: RoomId,
        /// How many connections are in it.
        members: u64,
        /// How many users that is; not told in large rooms.
        users: Option<u64>,
        /// Users that came; not told in large rooms.
        came: Vec<UserId>,
        /// Users that went; not told in large rooms.
        went: Vec<UserId>,
    },
    /// After an absence, everything that was published meanwhile has been heard.
    Resumed {
        /// Which room.
        room: RoomId,
        /// Where it stands.
        at: Position,
        /// How many publications that was.
        replayed: u64,
    },
    /// Publications between two positions will not be heard: they are too many or too old, or, if the epochs differ,
    /// the room's history began anew.
    Missed {
        /// Which room.
        room: RoomId,
        /// The last one heard.
        from: Position,
        /// The next one heard comes after this.
        to: Position,
    },
    /// A room is heard no more, as asked.
    Left {
        /// Which room.
        room: RoomId,
    },
    /// This client has been taken out of a room: by a backend, or because a renewed token does not allow it (`forbidden`).
    Removed {
        /// Which room.
        room: RoomId,
        /// Why, for programs.
        code: String,
    },
    /// A room may not be joined, or not any more.
    Refused {
        /// Which room.
        room: RoomId,
        /// Why.
        failure: Failure,
    },
    /// A publication is stored, and will be heard by every member.
    Accepted {
        /// Where.
        room: RoomId,
        /// Which.
        pid: PublicationId,
    },
    /// The id of a publication that was accepted had been used before in its room, by the same user and not by this client:
    /// nothing was published under it now. Choose ids that are unique across sessions.
    Repeated {
        /// Where.
        room: RoomId,
        /// Which.
        pid: PublicationId,
    },
    /// A publication was refused, and sending it again would not help.
    Rejected {
        /// Where.
        room: RoomId,
        /// Which.
        pid: PublicationId,
        /// Why.
        failure: Failure,
    },
    /// The answer to a question for history.
    History {
        /// To which.
        ticket: Ticket,
        /// The page, or why there is none.
        page: Result<History, NoAnswer>,
    },
    /// The answer to a question who is in a room.
    Who {
        /// To which.
        ticket: Ticket,
        /// A page of users, or why there is none.
        page: Result<Who, NoAnswer>,
    },
    /// It is over: no further attempt is made, and nothing is told any more.
    Ended {
        /// Why.
        because: Loss,
    },
}

/// A publication, as the application hears it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// Where it was published.
    pub room: RoomId,
    /// Its place there.
    pub at: Position,
    /// Its id; an application recognises its own publications by it.
    pub pid: PublicationId,
    /// Its author.
    pub by: UserId,
    /// The connection it came from, if from one.
    pub from: Option<ConnectionId>,
    /// When it was accepted.
    pub accepted_at: Timestamp,
    /// What it says.
    pub data: Data,
}

/// How a connection was lost, or never came to be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Loss {
    /// The handshake was answered with another status than 101.
    #[error("the server refused the connection with status {status}")]
    Refused {
        /// The HTTP status.
        status: u16,
    },
    /// No connection could be made to the server's address.
    #[error("{0}")]
    Unreachable(String),
    /// The network failed.
    #[error("{0}")]
    Failed(String),
    /// The server closed it.
    #[error("the server closed the connection{}", code.map(|code| format!(" with code {code}")).unwrap_or_default())]
    Closed {
        /// The close code, if there was one (RFC 6455, 7.4).
        code: Option<u16>,
    },
    /// It no longer answers.
    #[error("the server does not answer")]
    Silent,
    /// The server said that it would close, or that it does not know the connection.
    #[error("the server said goodbye: {code}")]
    Told {
        /// Its word for it.
        code: String,
    },
}

impl Loss {
    /// Whether it was for the end of its token.
    pub(super) fn is_expiry(&self) -> bool {
        matches!(self, Self::Told { code } if code == "expired")
    }
}

/// Why a question has no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoAnswer {
    /// It was refused.
    #[error("{}", .0.message)]
    Refused(Failure),
    /// It was asked for several times in vain.
    #[error("there was no answer")]
    Unanswered,
}

/// Why a client does not take a request of the application.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotTaken {
    /// It has ended.
    #[error("the client has ended")]
    Ended,
    /// It is in as many rooms as a connection may be.
    #[error("a connection may be in 100 rooms at most; leave one first")]
    Rooms,
    /// As many publications wait as may.
    #[error("too many publications wait to be accepted; wait for one of them")]
    Publications,
    /// As many questions wait as may.
    #[error("too many questions wait for an answer; wait for one of them")]
    Questions,
}

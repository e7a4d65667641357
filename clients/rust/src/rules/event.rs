//! Outputs of a client: actions on its connections, and events for the application.

use domain::{ConnectionId, Data, Key, Position, PublicationId, RoomId, Timestamp, UserId};
use protocol::reply::{Failure, History, Who};

/// An action that the driver must carry out.
#[derive(Debug, Clone, PartialEq)]
pub enum Output {
    /// Open a connection now, and report the outcome with
    /// [`Client::connected`](super::Client::connected) or
    /// [`Client::closed`](super::Client::closed).
    Connect(LinkId),
    /// Send a text message.
    Send {
        /// The connection to send on.
        link: LinkId,
        /// The message: one JSON object.
        text: String,
    },
    /// Get another token for a connection, and report the outcome with
    /// [`Client::renew`](super::Client::renew) or
    /// [`Client::not_renewed`](super::Client::not_renewed).
    Renew(LinkId),
    /// Close the connection. Its later messages have no effect.
    CloseSocket(LinkId),
    /// Pass an event to the application.
    Event(Event),
}

/// Identifies one attempt to connect, and the connection that it becomes. Never reused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct LinkId(pub u64);

/// Identifies a question for history or members. The application chooses the number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Ticket(pub u64);

/// An event for the application.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// The client has a connection.
    Online,
    /// The client has no connection. It tries again by itself.
    Offline {
        /// The reason for the loss.
        because: Loss,
        /// The pause before the next attempt, in milliseconds.
        retry_in_ms: u64,
    },
    /// The client joined a room. From here on it receives every publication once and in order.
    Joined {
        /// The joined room.
        room: RoomId,
        /// The position of the head. Events begin after it, or after the position that the join
        /// named.
        head: Position,
        /// The number of members, if the server knew it.
        members: Option<u64>,
    },
    /// A publication, in the order of positions.
    Message(Message),
    /// An ephemeral publication: best effort, not stored.
    Ephemeral {
        /// The room of the publication.
        room: RoomId,
        /// The author of the publication.
        by: UserId,
        /// The subject: this publication replaces the author's earlier one with the same key.
        key: Option<Key>,
        /// The connection that sent it, if a connection did.
        from: Option<ConnectionId>,
        /// The payload, as JSON text.
        data: Data,
    },
    /// The members of a room changed. A user may arrive twice and is still present once, so treat
    /// the names as a set.
    Presence {
        /// The room that changed.
        room: RoomId,
        /// The number of connections in the room.
        members: u64,
        /// The number of users; absent in large rooms.
        users: Option<u64>,
        /// Users that arrived; empty in large rooms.
        came: Vec<UserId>,
        /// Users that departed; empty in large rooms.
        went: Vec<UserId>,
    },
    /// After an interruption, the application has received every publication of the room.
    Resumed {
        /// The resumed room.
        room: RoomId,
        /// The position up to which the application has received the room.
        at: Position,
        /// The number of replayed publications.
        replayed: u64,
    },
    /// The publications between two positions are lost to this client: they are too many or too
    /// old. If the epochs differ, the room's history began anew.
    Missed {
        /// The room with the gap.
        room: RoomId,
        /// The last position before the gap.
        from: Position,
        /// The position after which events continue.
        to: Position,
    },
    /// The client left a room at the application's request.
    Left {
        /// The room that was left.
        room: RoomId,
    },
    /// The server removed this client from a room: a backend did, or a renewed token does not allow
    /// it (`forbidden`).
    Removed {
        /// The room that lost this client.
        room: RoomId,
        /// The reason as a stable code.
        code: String,
    },
    /// The server refused a join or a resume of a room.
    Refused {
        /// The refused room.
        room: RoomId,
        /// The refusal of the server.
        failure: Failure,
    },
    /// A publication is stored. Its delivery to every member is guaranteed.
    Accepted {
        /// The room of the publication.
        room: RoomId,
        /// The id of the publication.
        pid: PublicationId,
    },
    /// The id of an accepted publication was used before in its room, by the same user but not by
    /// this client. The server stored no new publication. Choose ids that are unique across
    /// sessions.
    Repeated {
        /// The room of the publication.
        room: RoomId,
        /// The id that was used before.
        pid: PublicationId,
    },
    /// The server refused a publication, and a retry cannot succeed.
    Rejected {
        /// The room of the publication.
        room: RoomId,
        /// The id of the publication.
        pid: PublicationId,
        /// The refusal of the server.
        failure: Failure,
    },
    /// The answer to a history question.
    History {
        /// The ticket of the question.
        ticket: Ticket,
        /// The page, or the reason why there is none.
        page: Result<History, NoAnswer>,
    },
    /// The answer to a question for members.
    Who {
        /// The ticket of the question.
        ticket: Ticket,
        /// A page of users, or the reason why there is none.
        page: Result<Who, NoAnswer>,
    },
    /// The client has ended: it makes no more attempts, and no event follows.
    Ended {
        /// The reason for the end.
        because: Loss,
    },
}

/// A publication, in the form that the application receives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// The room of the publication.
    pub room: RoomId,
    /// The position in the room.
    pub at: Position,
    /// The publication id. An application recognises its own publications by it.
    pub pid: PublicationId,
    /// The author of the publication.
    pub by: UserId,
    /// The connection that sent it, if a connection did.
    pub from: Option<ConnectionId>,
    /// The time at which the server accepted it.
    pub accepted_at: Timestamp,
    /// The payload, as JSON text.
    pub data: Data,
}

/// The reason why a connection was lost or could not be opened.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Loss {
    /// The server answered the handshake with another status than 101.
    #[error("the server refused the connection with status {status}")]
    Refused {
        /// The HTTP status.
        status: u16,
    },
    /// The server's address could not be reached.
    #[error("{0}")]
    Unreachable(String),
    /// The network or the handshake failed.
    #[error("{0}")]
    Failed(String),
    /// The server closed the connection.
    #[error("the server closed the connection{}", code.map(|code| format!(" with code {code}")).unwrap_or_default())]
    Closed {
        /// The close code, if there was one (RFC 6455, 7.4).
        code: Option<u16>,
    },
    /// The server no longer responds.
    #[error("the server does not respond")]
    Silent,
    /// The server announced the close, or does not know the connection.
    #[error("the server ended the connection: {code}")]
    Told {
        /// The code that the server gave.
        code: String,
    },
}

impl Loss {
    /// Returns true if the server closed the connection because its token expired or was revoked:
    /// another token may help.
    pub(super) fn is_of_token(&self) -> bool {
        matches!(self, Self::Told { code } if ["expired", "revoked"].contains(&code.as_str()))
    }
}

/// The reason why a question has no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoAnswer {
    /// The server refused the question.
    #[error("{}", .0.message)]
    Refused(Failure),
    /// The question was sent several times without a reply.
    #[error("the server did not answer the question")]
    Unanswered,
}

/// The reason why a client refuses a request of the application.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotTaken {
    /// The client has ended.
    #[error("the client has ended")]
    Ended,
    /// The client is in as many rooms as a connection may be in.
    #[error("a connection may be in 100 rooms at most; leave one first")]
    Rooms,
    /// The maximum number or size of waiting publications is reached.
    #[error("too many publications wait to be accepted; wait for one of them")]
    Publications,
    /// The maximum number of waiting questions is reached.
    #[error("too many questions wait for an answer; wait for one of them")]
    Questions,
}

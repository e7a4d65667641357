//! Messages of backends: events through SNS, rows of the outbox, and commands. Each is parsed into
//! domain types, or refused with a reason that its dead letter carries.

mod event;
pub mod http;
mod kind;
mod row;

use serde::de::IgnoredAny;

use domain::{
    BanScope, ConnectionId, Data, Item, PublicationId, Publisher, RoomId, Submission, Timestamp, UserId, limits,
};

pub use event::{Letter, Wrapping};
pub use row::read as read_row;

/// One publication for some rooms.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Broadcast {
    /// The rooms that it goes to: 1 to [`limits::ROOMS_PER_EVENT`], each once.
    pub rooms: Vec<RoomId>,
    /// The id that the backend gives it, or else the id of its message.
    pub id: PublicationId,
    /// The author that members see.
    pub by: UserId,
    /// The content of the publication.
    pub data: Data,
}

/// A change that a backend orders. A command may be carried out twice.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// Every connection of the user becomes a member of the room.
    Join {
        /// The user whose connections join.
        user: UserId,
        /// The room: neither an inbox nor `*`.
        room: RoomId,
    },
    /// None of the user's connections stays a member of the room.
    Remove {
        /// The user whose connections leave.
        user: UserId,
        /// The room: neither an inbox nor `*`.
        room: RoomId,
    },
    /// The user, one of its devices or some of its tokens are kept out until a moment: their
    /// connections are closed, and they can neither connect nor renew a token.
    Ban {
        /// The user that is kept out.
        user: UserId,
        /// The part of the user's connections that is kept out.
        scope: BanScope,
        /// The end of the ban; `None` for a ban without end.
        until: Option<Timestamp>,
    },
    /// The ban of this scope ends.
    Unban {
        /// The user that may connect again.
        user: UserId,
        /// The scope of the ban. A revocation of tokens ends, if it is of this time or an earlier
        /// one.
        scope: BanScope,
    },
    /// Every connection of the user is closed.
    CloseUser(UserId),
    /// This connection is closed.
    CloseConnection(ConnectionId),
}

impl Command {
    /// Checks that a revocation, or its end, is not for tokens that are yet to be issued: a time in
    /// other units than milliseconds would keep the user out for good, or every later revocation
    /// from its effect.
    ///
    /// # Errors
    /// The [`Reason`], if the time lies more than [`limits::REVOCATION_AHEAD`] after `now`.
    pub fn check_moment(self, now: Timestamp) -> Result<Self, Reason> {
        match &self {
            Self::Ban { scope: BanScope::IssuedBefore(moment), .. }
            | Self::Unban { scope: BanScope::IssuedBefore(moment), .. }
                if *moment > now.plus(limits::REVOCATION_AHEAD) =>
            {
                Err(Reason::new("issued_before lies in the future; it is in milliseconds since 1970, and has passed"))
            }
            _ => Ok(self),
        }
    }
}

/// The reason for refusing a message of a backend. A retry will not help.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Reason(String);

impl Reason {
    fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// Builds the reason for a publication that the queue refused. A retry will not change that.
    pub fn refused(error: &impl std::fmt::Display) -> Self {
        Self(format!("it could not be queued for publication: {error}"))
    }

    /// Builds any other reason that no retry will help.
    pub fn other(text: impl Into<String>) -> Self {
        Self(text.into())
    }
}

impl Broadcast {
    /// Returns one submission for each room.
    #[must_use]
    pub fn submissions(&self, publisher: &Publisher, now: Timestamp) -> Vec<Submission> {
        let submission = |room: &RoomId| Submission {
            room: room.clone(),
            publisher: publisher.clone(),
            by: self.by.clone(),
            sender: None,
            echo: true,
            ephemeral: None,
            held: None,
            reminder: None,
            accepted_at: now,
            items: vec![Item { id: self.id.clone(), data: self.data.clone() }],
        };
        self.rooms.iter().map(submission).collect()
    }
}

fn room(name: &str) -> Result<RoomId, Reason> {
    RoomId::parse(name).map_err(|reject| Reason::new(reject.message))
}

/// Parses names of rooms. Each room is returned once, in the order of the names.
fn rooms<'a>(names: impl IntoIterator<Item = &'a str>) -> Result<Vec<RoomId>, Reason> {
    let mut rooms: Vec<RoomId> = Vec::new();
    for name in names {
        let room = room(name)?;
        if !rooms.contains(&room) {
            rooms.push(room);
        }
        if rooms.len() > limits::ROOMS_PER_EVENT {
            return Err(Reason::new(format!("more than {} rooms are named", limits::ROOMS_PER_EVENT)));
        }
    }
    if rooms.is_empty() { Err(Reason::new("rooms is empty; name at least one")) } else { Ok(rooms) }
}

fn author(name: Option<&str>) -> Result<UserId, Reason> {
    let Some(name) = name else { return Ok(UserId::backend()) };
    UserId::parse(name).map_err(|reject| Reason::new(format!("by: {}", reject.message)))
}

fn publication_id(id: &str) -> Result<PublicationId, Reason> {
    PublicationId::parse(id).map_err(|reject| Reason::new(format!("id: {}", reject.message)))
}

fn data(json: &str) -> Result<Data, Reason> {
    Data::parse(json).map_err(|reject| {
        let is_json = serde_json::from_str::<IgnoredAny>(json).is_ok();
        match kind::name_of(json).filter(|_| !is_json) {
            Some(name) => Reason::new(format!("the data is no JSON: {name}")),
            None => Reason::new(reject.message),
        }
    })
}

//! One WebSocket connection, and the data that a delivery to it needs.

use serde::{Deserialize, Serialize};

use crate::identity::TokenStamp;
use crate::limits;
use crate::name::{ConnectionId, Device, UserId};
use crate::timestamp::Timestamp;

/// The management endpoint that receives the posts for a connection: `https://…/stage`, without a
/// final slash.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Endpoint(String);

impl Endpoint {
    /// Takes a configured URL and removes final slashes.
    pub fn new(url: impl Into<String>) -> Self {
        let mut url = url.into();
        url.truncate(url.trim_end_matches('/').len());
        Self(url)
    }

    /// Derives the endpoint from `requestContext.domainName` and `.stage`, for deployments that
    /// configure none. The result is wrong behind a custom domain, whose paths contain no stage:
    /// configure the endpoint there.
    #[must_use]
    pub fn derived(domain: &str, stage: &str) -> Self {
        Self(format!("https://{domain}/{stage}"))
    }

    /// The endpoint as a URL.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The format of frames. The client chooses it at connect.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
pub enum Format {
    /// Blocks with positions (`rooms.v1`).
    #[serde(rename = "rooms.v1")]
    RoomsV1,
    /// One flat object per publication, for clients without a library.
    #[default]
    #[serde(rename = "classic")]
    Classic,
}

impl Format {
    /// The format's name on the wire and in the tables.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::RoomsV1 => "rooms.v1",
            Self::Classic => "classic",
        }
    }

    /// Finds the format with this name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::RoomsV1, Self::Classic].into_iter().find(|format| format.as_str() == name)
    }
}

/// One WebSocket connection, with the data that is stored at connect.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Connection {
    /// API Gateway's id of the connection.
    pub id: ConnectionId,
    /// The user that the connection belongs to.
    pub user: UserId,
    /// The device, if it is known.
    pub device: Option<Device>,
    /// The management endpoint for posts to this connection.
    pub endpoint: Endpoint,
    /// The time at which API Gateway opened the connection.
    pub connected_at: Timestamp,
    /// The time of the connection's last message to us.
    pub last_seen_at: Timestamp,
    /// The time at which the token expires; `None` for a token without expiry.
    pub expires_at: Option<Timestamp>,
    /// The format of the connection's frames.
    pub format: Format,
    /// True if the token allows to see the members of every plain room. A backend that joins the
    /// connection to a room knows no other part of the token.
    pub sees_members: bool,
    /// The marks of its current token, by which a backend can revoke it.
    pub stamp: TokenStamp,
}

impl Connection {
    /// The part of the connection that a delivery needs.
    #[must_use]
    pub fn member(&self) -> Member {
        Member {
            connection: self.id.clone(),
            endpoint: self.endpoint.clone(),
            connected_at: self.connected_at,
            expires_at: self.expires_at,
            format: self.format,
            sees_members: self.sees_members,
        }
    }
}

/// A connection that has joined a room, reduced to the data that a delivery needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// The connection that receives the posts.
    pub connection: ConnectionId,
    /// The management endpoint for these posts.
    pub endpoint: Endpoint,
    /// The time at which the connection opened. A 410 soon after it means "not ready".
    pub connected_at: Timestamp,
    /// The time from which the connection must receive no more posts.
    pub expires_at: Option<Timestamp>,
    /// The format of the connection's frames.
    pub format: Format,
    /// True if the member may see the names of the room's members. Other members receive counts
    /// only.
    pub sees_members: bool,
}

impl Member {
    /// Returns true if the token has expired. The member then receives no more posts.
    #[must_use]
    pub fn is_expired(&self, now: Timestamp) -> bool {
        self.expires_at.is_some_and(|at| at <= now)
    }

    /// Returns true if a 410 at `now` only means that `$connect` has not finished.
    #[must_use]
    pub fn is_new(&self, now: Timestamp) -> bool {
        now.since(self.connected_at) < limits::NOT_READY
    }
}

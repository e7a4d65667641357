//! One WebSocket, and what a delivery to it needs.

use serde::{Deserialize, Serialize};

use crate::limits;
use crate::name::{ConnectionId, Device, UserId};
use crate::timestamp::Timestamp;

/// The management endpoint a connection is posted to: `https://…/stage`, without a slash at the end.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Endpoint(String);

impl Endpoint {
    /// From a URL as configured.
    pub fn new(url: impl Into<String>) -> Self {
        let mut url = url.into();
        url.truncate(url.trim_end_matches('/').len());
        Self(url)
    }

    /// From `requestContext.domainName` and `.stage`, where nothing is configured. Wrong behind a custom domain,
    /// whose paths name no stage: configure the endpoint there.
    #[must_use]
    pub fn derived(domain: &str, stage: &str) -> Self {
        Self(format!("https://{domain}/{stage}"))
    }

    /// The URL.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// What frames look like, chosen at connect.
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
    /// The name on the wire and in the tables.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::RoomsV1 => "rooms.v1",
            Self::Classic => "classic",
        }
    }

    /// The format of that name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::RoomsV1, Self::Classic].into_iter().find(|format| format.as_str() == name)
    }
}

/// One WebSocket, as stored at connect.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Connection {
    /// API Gateway's id.
    pub id: ConnectionId,
    /// Whose it is.
    pub user: UserId,
    /// On which device, if that is known.
    pub device: Option<Device>,
    /// Where it is posted to.
    pub endpoint: Endpoint,
    /// When API Gateway saw it open.
    pub connected_at: Timestamp,
    /// When it last sent us something.
    pub last_seen_at: Timestamp,
    /// When its token expires, if it does.
    pub expires_at: Option<Timestamp>,
    /// What its frames look like.
    pub format: Format,
}

impl Connection {
    /// What a delivery to it needs.
    #[must_use]
    pub fn member(&self) -> Member {
        Member {
            connection: self.id.clone(),
            endpoint: self.endpoint.clone(),
            connected_at: self.connected_at,
            expires_at: self.expires_at,
            format: self.format,
        }
    }
}

/// A connection that has joined a room: all that a delivery needs, and no more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// Whom to post to.
    pub connection: ConnectionId,
    /// Where.
    pub endpoint: Endpoint,
    /// When it connected: a 410 right after means not ready.
    pub connected_at: Timestamp,
    /// When it must no longer be posted to.
    pub expires_at: Option<Timestamp>,
    /// What its frames look like.
    pub format: Format,
}

impl Member {
    /// Whether its token has expired: it hears nothing more.
    #[must_use]
    pub fn is_expired(&self, now: Timestamp) -> bool {
        self.expires_at.is_some_and(|at| at <= now)
    }

    /// Whether a 410 now only means that `$connect` has not finished.
    #[must_use]
    pub fn is_new(&self, now: Timestamp) -> bool {
        now.since(self.connected_at) < limits::NOT_READY
    }
}

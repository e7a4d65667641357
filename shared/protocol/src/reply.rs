//! Replies: one per request.

use std::collections::BTreeMap;

use domain::{Code, Device, Epoch, PublicationId, Reject, RoomId, Sequence, Timestamp, UserId};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::value::RawValue;

use crate::block::Block;
use crate::request::{Refused, RequestId, beginning_of};

/// The answer to one request, as the server writes it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Reply {
    /// The request's; null if it had none, or none that could be read.
    pub id: Option<RequestId>,
    /// What became of it.
    #[serde(flatten)]
    pub outcome: Outcome,
}

/// What became of a request.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// It was done.
    Ok(Done),
    /// It was refused.
    Err(Failure),
}

/// What was done.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Done {
    /// A publish.
    Accepted(Accepted),
    /// A sync.
    Synced(SyncedRooms),
    /// A join.
    Joined(Joined),
    /// History.
    History(History),
    /// Who is there.
    Who(Who),
    /// An auth.
    Renewed(Renewed),
    /// A leave.
    Left {
        /// Which room.
        room: RoomId,
    },
}

/// These publications are ours now.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Accepted {
    /// In the order they were sent in.
    pub accepted: Vec<PublicationId>,
    /// Those of them that the publisher had used before in this room: nothing is published under them now.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub repeated: Vec<PublicationId>,
}

/// What a sync did, room by room; a refused one does not fail the others.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SyncedRooms {
    /// Every room that was asked for.
    pub rooms: BTreeMap<RoomId, Synced>,
}

/// What a sync did about one room.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Synced {
    /// Joined.
    Joined(Joined),
    /// Refused.
    Refused {
        /// Why.
        err: Failure,
    },
}

impl<'de> Deserialize<'de> for Synced {
    /// By hand: payloads are raw JSON, which serde's own untagged enums cannot hold.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        struct Refusal {
            err: Failure,
        }
        let raw = Box::<RawValue>::deserialize(deserializer)?;
        if let Ok(Refusal { err }) = serde_json::from_str(raw.get()) {
            return Ok(Self::Refused { err });
        }
        serde_json::from_str(raw.get()).map(Self::Joined).map_err(serde::de::Error::custom)
    }
}

/// Where a room stands, and what the client had missed of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Joined {
    /// Which room.
    pub room: RoomId,
    /// Which life of it.
    pub ep: Epoch,
    /// Where it stands.
    pub seq: Sequence,
    /// How many members it has, where that is known at once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub members: Option<u64>,
    /// Whether nothing was missed between the position asked from and `next` (or the head). Absent if none was asked from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recovered: Option<bool>,
    /// There is more: ask again from this sequence. Live blocks wait until then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<Sequence>,
    /// What was missed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub b: Vec<Block>,
}

/// The token was renewed, and is what counts from now on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Renewed {
    /// When the new one expires, milliseconds since the epoch.
    pub expires_at: Timestamp,
    /// Rooms that it does not allow: the connection is a member no more.
    pub left: Vec<RoomId>,
}

/// A page of what was published, in order.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct History {
    /// Which room.
    pub room: RoomId,
    /// Which life of it.
    pub ep: Epoch,
    /// Where it stands.
    pub seq: Sequence,
    /// There may be more before this sequence.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<Sequence>,
    /// The page.
    pub history: Vec<Block>,
}

/// Who is in a room: a page of its users, by name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Who {
    /// Which room.
    pub room: RoomId,
    /// How many connections are in it.
    pub members: u64,
    /// The page; absent in rooms too large to list.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub users: Option<Vec<Present>>,
    /// There are more: ask for those after this one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<UserId>,
}

/// A user in a room.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Present {
    /// Who.
    pub user: UserId,
    /// Since when one of the user's connections has been in the room, milliseconds since the epoch.
    pub since: Timestamp,
    /// On which devices, where that is known; at most ten of them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub devices: Vec<Device>,
    /// With how many connections.
    pub connections: u64,
}

impl Present {
    /// How many bytes it takes in a reply.
    #[must_use]
    pub fn size_bytes(&self) -> usize {
        serde_json::to_string(self).map_or(0, |json| json.len() + 1)
    }
}

/// Why a request was refused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// For programs.
    pub code: AnyCode,
    /// Whether the same request may succeed later.
    pub retry: bool,
    /// When to try again, milliseconds from now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after_ms: Option<u64>,
    /// For people.
    pub message: String,
    /// The field at fault.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub field: Option<String>,
    /// The beginning of what was refused, where the request had no id: see [`crate::request::beginning_of`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub about: Option<String>,
}

/// A code as a client reads it. A server that came later may know more of them: then `retry` says all that matters.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum AnyCode {
    /// One of ours.
    Known(Code),
    /// One that is not known here.
    Other(String),
}

impl AnyCode {
    /// Its text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match self {
            Self::Known(code) => code.as_str(),
            Self::Other(text) => text,
        }
    }
}

impl PartialEq<Code> for AnyCode {
    fn eq(&self, code: &Code) -> bool {
        matches!(self, Self::Known(known) if known == code)
    }
}

impl From<Code> for AnyCode {
    fn from(code: Code) -> Self {
        Self::Known(code)
    }
}

/// The answer to one request, as a client reads it: what it asked tells what `outcome` holds.
#[derive(Debug, Clone)]
pub struct Answer {
    /// The request's; `None` if it had none that could be read.
    pub id: Option<RequestId>,
    /// What was done, to be read with [`Answer::done`], or why not.
    pub outcome: Result<Box<RawValue>, Failure>,
}

impl Answer {
    /// Reads what was done.
    ///
    /// # Errors
    /// When it is something else than was asked for.
    pub fn done<T: DeserializeOwned>(raw: &RawValue) -> Result<T, serde_json::Error> {
        serde_json::from_str(raw.get())
    }
}

impl<'de> Deserialize<'de> for Answer {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        struct Fields {
            #[serde(default)]
            id: Option<RequestId>,
            #[serde(default)]
            ok: Option<Box<RawValue>>,
            #[serde(default)]
            err: Option<Failure>,
        }
        let Fields { id, ok, err } = Fields::deserialize(deserializer)?;
        let neither = || serde::de::Error::custom("a reply has either ok or err");
        let outcome = match (ok, err) {
            (_, Some(failure)) => Err(failure),
            (Some(done), None) => Ok(done),
            (None, None) => return Err(neither()),
        };
        Ok(Self { id, outcome })
    }
}

impl From<Reject> for Failure {
    fn from(reject: Reject) -> Self {
        let Reject { code, message, field, after_ms } = reject;
        Self { code: code.into(), retry: code.retry(), after_ms, message, field, about: None }
    }
}

impl Reply {
    /// The request was done.
    #[must_use]
    pub fn done(id: Option<RequestId>, done: Done) -> Self {
        Self { id, outcome: Outcome::Ok(done) }
    }

    /// The request was refused.
    #[must_use]
    pub fn refusal(id: Option<RequestId>, reject: Reject) -> Self {
        Self { id, outcome: Outcome::Err(reject.into()) }
    }

    /// The request of this text was refused. Without an id the refusal says how the request began.
    #[must_use]
    pub fn refusal_of(text: &str, Refused { id, reject }: Refused) -> Self {
        let about = id.is_none().then(|| beginning_of(text));
        Self { id, outcome: Outcome::Err(Failure { about, ..reject.into() }) }
    }

    /// The text of the frame.
    #[must_use]
    pub fn to_text(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }
}

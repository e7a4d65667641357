//! Replies: one for each request.

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
    /// The id of the request; null if it had none, or none that could be read.
    pub id: Option<RequestId>,
    /// The result of the request.
    #[serde(flatten)]
    pub outcome: Outcome,
}

/// The result of a request.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// The request was carried out.
    Ok(Done),
    /// The request was refused.
    Err(Failure),
}

/// The result of a request that was carried out.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Done {
    /// The result of a publish, or of a classic message.
    Accepted(Accepted),
    /// The result of a sync.
    Synced(SyncedRooms),
    /// The result of a join.
    Joined(Joined),
    /// The result of a history request.
    History(History),
    /// The result of a who request.
    Who(Who),
    /// The result of an auth.
    Renewed(Renewed),
    /// The result of a leave.
    Left {
        /// The room that was left.
        room: RoomId,
    },
}

/// Publications that were accepted.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Accepted {
    /// Their ids, in the order of the request.
    pub accepted: Vec<PublicationId>,
    /// The ids among them that the publisher had used before in this room: nothing is published
    /// under them now.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub repeated: Vec<PublicationId>,
}

/// The result of a sync, room by room. A refused room does not fail the others.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SyncedRooms {
    /// The result for every room of the request.
    pub rooms: BTreeMap<RoomId, Synced>,
}

/// The result of a sync for one room.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Synced {
    /// The room was joined.
    Joined(Joined),
    /// The room was refused.
    Refused {
        /// The reason of the refusal.
        err: Failure,
    },
}

impl<'de> Deserialize<'de> for Synced {
    /// Written by hand: payloads are raw JSON, which serde's own untagged enums cannot hold.
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

/// The head of a joined room, and the publications that the client had missed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Joined {
    /// The joined room.
    pub room: RoomId,
    /// The epoch of its log.
    pub ep: Epoch,
    /// The sequence of its head.
    pub seq: Sequence,
    /// The number of its members, where that is known at once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub members: Option<u64>,
    /// True if no publication was missed between the position of the request and `next` (or the
    /// head). Absent if the request had no position.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recovered: Option<bool>,
    /// More publications follow: the client asks again from this sequence, and live blocks wait
    /// until then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<Sequence>,
    /// The missed publications.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub b: Vec<Block>,
}

/// The result of a renewal: the new token counts from now on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Renewed {
    /// When the new token expires, in milliseconds since 1970.
    pub expires_at: Timestamp,
    /// Rooms that the new token does not allow. The connection is no longer a member of them.
    pub left: Vec<RoomId>,
}

/// A page of a room's publications, in order.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct History {
    /// The room of the page.
    pub room: RoomId,
    /// The epoch of its log.
    pub ep: Epoch,
    /// The sequence of its head.
    pub seq: Sequence,
    /// Present if more publications may exist before this sequence.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<Sequence>,
    /// The publications of the page.
    pub history: Vec<Block>,
}

/// The users in a room: a page in order of name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Who {
    /// The room of the page.
    pub room: RoomId,
    /// The number of connections in the room.
    pub members: u64,
    /// The page; absent in rooms too large to list.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub users: Option<Vec<Present>>,
    /// More users follow: the client asks for those after this one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<UserId>,
}

/// A user in a room.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Present {
    /// The name of the user.
    pub user: UserId,
    /// The earliest time from which one of the user's connections has been in the room, in
    /// milliseconds since 1970.
    pub since: Timestamp,
    /// The devices of the user's connections, where they are known; at most ten.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub devices: Vec<Device>,
    /// The number of the user's connections in the room.
    pub connections: u64,
}

impl Present {
    /// Returns the bytes that it takes in a reply.
    #[must_use]
    pub fn size_bytes(&self) -> usize {
        serde_json::to_string(self).map_or(0, |json| json.len() + 1)
    }
}

/// The reason for refusing a request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// The code, for programs.
    pub code: AnyCode,
    /// True if the same request may succeed later.
    pub retry: bool,
    /// The pause before the next try, in milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after_ms: Option<u64>,
    /// An explanation, for people.
    pub message: String,
    /// The name of the field at fault.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub field: Option<String>,
    /// The beginning of the refused request, if it had no id: see [`crate::request::beginning_of`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub about: Option<String>,
}

/// A code as a client reads it. A newer server may send codes that this version does not know; then
/// `retry` is all that matters.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum AnyCode {
    /// A code of this version.
    Known(Code),
    /// A code that this version does not know.
    Other(String),
}

impl AnyCode {
    /// Returns the code as it is written on the wire.
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

/// The answer to one request, as a client reads it. The action of the request determines what
/// `outcome` holds.
#[derive(Debug, Clone)]
pub struct Answer {
    /// The id of the request; `None` if it had none that could be read.
    pub id: Option<RequestId>,
    /// The result, to be parsed with [`Answer::done`], or the refusal.
    pub outcome: Result<Box<RawValue>, Failure>,
}

impl Answer {
    /// Parses the result of a request.
    ///
    /// # Errors
    /// When the result is that of another action.
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
    /// Builds the reply to a request that was carried out.
    #[must_use]
    pub fn done(id: Option<RequestId>, done: Done) -> Self {
        Self { id, outcome: Outcome::Ok(done) }
    }

    /// Builds the refusal of a request.
    #[must_use]
    pub fn refusal(id: Option<RequestId>, reject: Reject) -> Self {
        Self { id, outcome: Outcome::Err(reject.into()) }
    }

    /// Builds the refusal of the request with this text. Without an id, the refusal contains the
    /// beginning of the request.
    #[must_use]
    pub fn refusal_of(text: &str, Refused { id, reject }: Refused) -> Self {
        let about = id.is_none().then(|| beginning_of(text));
        Self { id, outcome: Outcome::Err(Failure { about, ..reject.into() }) }
    }

    /// Returns the text of the frame.
    #[must_use]
    pub fn to_text(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }
}

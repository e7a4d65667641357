//! Classic frames: one flat object per publication, for wscat and the clients of the well-known
//! recipes.

use bytes::Bytes;
use domain::{ConnectionId, Data, Publication, RoomId, Sequence, Timestamp, UserId};
use serde::{Deserialize, Serialize};

/// One publication, for clients without a library.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClassicFrame {
    /// The room that it was published to.
    pub room: RoomId,
    /// The sequence of its position.
    pub seq: Sequence,
    /// The text of `{"text": …}`, or the data itself.
    pub message: Data,
    /// The connection that published it; absent for publications of backends.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sender: Option<ConnectionId>,
    /// The author that members see.
    pub user: UserId,
    /// The time of acceptance (RFC 3339), with milliseconds.
    pub timestamp: String,
}

/// Builds the frame of a publication.
#[must_use]
pub fn frame(room: &RoomId, publication: &Publication) -> Bytes {
    let frame = ClassicFrame {
        room: room.clone(),
        seq: publication.position.sequence,
        message: message(&publication.data),
        sender: publication.sender.clone(),
        user: publication.by.clone(),
        timestamp: rfc3339(publication.accepted_at),
    };
    Bytes::from(serde_json::to_vec(&frame).unwrap_or_default())
}

fn message(data: &Data) -> Data {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Line {
        text: String,
    }
    let text =
        serde_json::from_str(data.as_json()).ok().map(|Line { text }| serde_json::Value::String(text).to_string());
    text.and_then(|json| Data::parse(&json).ok()).unwrap_or_else(|| data.clone())
}

fn rfc3339(at: Timestamp) -> String {
    let ms = i64::try_from(at.as_ms()).unwrap_or(i64::MAX);
    jiff::Timestamp::from_millisecond(ms).map(|time| format!("{time:.3}")).unwrap_or_default()
}

//! Publications, as `history` and `tail` print them.

use domain::{ConnectionId, Data, Epoch, Publication, PublicationId, RoomId, Sequence, Timestamp, UserId};
use serde::Serialize;

use crate::output::Row;
use crate::time::moment;

/// A publication of a room's log. The names of its fields are those of the wire protocol.
#[derive(Debug, Serialize)]
pub(crate) struct Published {
    room: RoomId,
    ep: Epoch,
    seq: Sequence,
    id: PublicationId,
    by: UserId,
    #[serde(skip_serializing_if = "Option::is_none")]
    from: Option<ConnectionId>,
    at: Timestamp,
    sequenced_at: Timestamp,
    data: Data,
}

impl Published {
    pub(crate) fn new(room: &RoomId, publication: Publication) -> Self {
        Self {
            room: room.clone(),
            ep: publication.position.epoch,
            seq: publication.position.sequence,
            id: publication.id,
            by: publication.by,
            from: publication.sender,
            at: publication.accepted_at,
            sequenced_at: publication.sequenced_at,
            data: publication.data,
        }
    }

    /// One line for people: when, sequence, id, author, data.
    pub(crate) fn line(&self) -> String {
        self.cells().join("  ")
    }
}

impl Row for Published {
    const COLUMNS: &'static [&'static str] = &["accepted", "seq", "id", "by", "data"];

    fn cells(&self) -> Vec<String> {
        let (seq, id, by) = (self.seq.get().to_string(), self.id.to_string(), self.by.to_string());
        vec![moment(self.at), seq, id, by, self.data.as_json().to_owned()]
    }
}

//! Blocks: a contiguous run of a room's publications, whether live, replayed or history; and blocks
//! for ephemeral publications and presence.

use domain::{
    Announcement, ConnectionId, Data, Epoch, Key, Publication, PublicationId, RoomId, Said, Sequence, Timestamp, UserId,
};
use serde::{Deserialize, Serialize};

/// A block of a frame, of any kind.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum AnyBlock {
    /// A run of stored publications.
    Run(Block),
    /// Ephemeral publications of a room.
    Ephemeral(EphemeralBlock),
    /// The presence of a room.
    Presence(PresenceBlock),
}

impl AnyBlock {
    /// Parses a block; `None` if this version does not know its kind.
    #[must_use]
    pub fn parse(json: &str) -> Option<Self> {
        let run = serde_json::from_str(json).map(Self::Run);
        let ephemeral = || serde_json::from_str(json).map(Self::Ephemeral);
        run.or_else(|_| ephemeral()).or_else(|_| serde_json::from_str(json).map(Self::Presence)).ok()
    }

    /// Returns the run of publications, if the block is one.
    #[must_use]
    pub fn into_run(self) -> Option<Block> {
        match self {
            Self::Run(block) => Some(block),
            Self::Ephemeral(_) | Self::Presence(_) => None,
        }
    }
}

/// Ephemeral publications: they are sent to the members of a room, and not stored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EphemeralBlock {
    /// The room that they were published to.
    pub room: RoomId,
    /// The publications, in order.
    pub e: Vec<EphemeralMessage>,
}

/// One ephemeral publication in a block.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EphemeralMessage {
    /// The author that members see.
    pub by: UserId,
    /// The subject. A publication takes the place of an earlier one of this author with the same
    /// key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<Key>,
    /// The content of the publication.
    pub data: Data,
    /// The connection that published it; absent for publications of backends.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<ConnectionId>,
}

impl From<&Said> for EphemeralMessage {
    fn from(said: &Said) -> Self {
        let Said { by, key, data, from, .. } = said.clone();
        Self { by, key, data, from }
    }
}

/// The presence of a room, for its members. A user that came may be listed again, which changes
/// nothing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PresenceBlock {
    /// The room that is described.
    pub room: RoomId,
    /// The number of members, and the users that came and went.
    pub p: Announcement,
}

/// A contiguous run of a room's publications.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Block {
    /// The room that they were published to.
    pub room: RoomId,
    /// The epoch of their positions.
    pub ep: Epoch,
    /// The sequence of the first of `m`.
    pub seq: Sequence,
    /// The publications in order, without a gap.
    pub m: Vec<Message>,
    /// The number of positions after `m` that are left out, because the reader published them and
    /// asked for no echo.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub skip: u64,
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde asks for a reference")]
fn is_zero(count: &u64) -> bool {
    *count == 0
}

/// One publication in a block. Its sequence is `seq` of the block plus its index in `m`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Message {
    /// The publication id, by which repeats are recognised.
    pub id: PublicationId,
    /// The author that members see.
    pub by: UserId,
    /// The time of acceptance, in milliseconds since 1970.
    pub at: Timestamp,
    /// The content of the publication.
    pub data: Data,
    /// The connection that published it; absent for publications of backends.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<ConnectionId>,
}

/// Bytes that a message takes in a block beside its data, id and author: punctuation, names, and a
/// time of 13 digits.
const MESSAGE_OVERHEAD_BYTES: usize = 64;
/// Bytes that a block takes beside its messages and the name of its room.
const BLOCK_OVERHEAD_BYTES: usize = 96;

impl Block {
    /// Groups publications of one room, in order, into as few blocks as their gaps allow.
    #[must_use]
    pub fn of(room: &RoomId, publications: &[Publication]) -> Vec<Self> {
        let mut blocks: Vec<Self> = Vec::new();
        for publication in publications {
            match blocks.last_mut() {
                Some(block) if block.continues_at(publication) => block.m.push(Message::of(publication)),
                _ => blocks.push(Self {
                    room: room.clone(),
                    ep: publication.position.epoch.clone(),
                    seq: publication.position.sequence,
                    m: vec![Message::of(publication)],
                    skip: 0,
                }),
            }
        }
        blocks
    }

    /// Groups publications like [`Block::of`], for one connection. Its own publications that asked
    /// for no echo are left out, and `skip` counts their positions.
    #[must_use]
    pub fn of_for(room: &RoomId, publications: &[Publication], reader: &ConnectionId) -> Vec<Self> {
        let mut blocks: Vec<Self> = Vec::new();
        for publication in publications {
            let silent = publication.is_silent_for(reader);
            match blocks.last_mut() {
                Some(block) if silent && block.continues_at(publication) => block.skip += 1,
                Some(block) if block.skip == 0 && block.continues_at(publication) => {
                    block.m.push(Message::of(publication));
                }
                _ => blocks.push(Self {
                    room: room.clone(),
                    ep: publication.position.epoch.clone(),
                    seq: publication.position.sequence,
                    m: if silent { Vec::new() } else { vec![Message::of(publication)] },
                    skip: u64::from(silent),
                }),
            }
        }
        blocks
    }

    /// Returns the last sequence that the block accounts for. For an empty block it is the sequence
    /// before `seq`.
    #[must_use]
    pub fn through(&self) -> Sequence {
        Sequence::new((self.seq.get() + self.m.len() as u64 + self.skip).saturating_sub(1))
    }

    /// Returns the sequences that `skip` counts.
    pub fn skipped(&self) -> impl Iterator<Item = Sequence> + use<> {
        let first = self.seq.get() + self.m.len() as u64;
        (first..first + self.skip).map(Sequence::new)
    }

    /// Returns the messages with their sequences.
    pub fn messages(&self) -> impl Iterator<Item = (Sequence, &Message)> {
        self.m.iter().enumerate().map(|(n, message)| (self.seq.plus(n as u64), message))
    }

    fn continues_at(&self, publication: &Publication) -> bool {
        self.ep == publication.position.epoch && self.through().next() == publication.position.sequence
    }
}

impl Message {
    fn of(publication: &Publication) -> Self {
        Self {
            id: publication.id.clone(),
            by: publication.by.clone(),
            at: publication.accepted_at,
            data: publication.data.clone(),
            from: publication.sender.clone(),
        }
    }

    /// Returns the most bytes that the publication takes in a block.
    #[must_use]
    pub fn size_bytes(publication: &Publication) -> usize {
        let sender = publication.sender.as_ref().map_or(0, |sender| sender.as_ref().len() + 10);
        let names = publication.id.as_ref().len() * 2 + publication.by.as_ref().len() + sender;
        publication.data.as_json().len() + names + MESSAGE_OVERHEAD_BYTES
    }
}

/// Splits publications into runs whose frames stay within `budget_bytes`. Each run has at least one
/// publication.
#[must_use]
pub fn runs<'a>(room: &RoomId, publications: &'a [Publication], budget_bytes: usize) -> Vec<&'a [Publication]> {
    let envelope = BLOCK_OVERHEAD_BYTES + room.as_str().len();
    let (mut runs, mut start, mut bytes) = (Vec::new(), 0, envelope);
    for (at, publication) in publications.iter().enumerate() {
        let size = Message::size_bytes(publication);
        let gap = at > start && publications[at - 1].position.sequence.next() != publication.position.sequence;
        if at > start && (gap || bytes + size > budget_bytes) {
            runs.push(&publications[start..at]);
            (start, bytes) = (at, envelope);
        }
        bytes += size;
    }
    if start < publications.len() {
        runs.push(&publications[start..]);
    }
    runs
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::server::blocks_frame;
    use domain::Position;
    use proptest::prelude::*;

    fn publication(sequence: u64, data: &str) -> Publication {
        Publication {
            position: Position { epoch: Epoch::parse("k7Qf").unwrap(), sequence: Sequence::new(sequence) },
            id: PublicationId::parse("\"".repeat(64)).unwrap(),
            by: UserId::parse("u".repeat(127)).unwrap(),
            sender: Some(ConnectionId::parse("L0SM9cOFvHcCIhw=").unwrap()),
            echo: true,
            accepted_at: Timestamp::from_ms(1_764_000_000_000),
            sequenced_at: Timestamp::from_ms(1_764_000_000_001),
            data: Data::text(data).unwrap(),
        }
    }

    #[test]
    fn a_gap_ends_a_block() {
        let room = RoomId::parse("lobby").unwrap();
        let blocks = Block::of(&room, &[publication(1, "a"), publication(2, "b"), publication(4, "c")]);
        let spans: Vec<_> = blocks.iter().map(|block| (block.seq.get(), block.through().get())).collect();
        assert_eq!(spans, [(1, 2), (4, 4)]);
    }

    proptest! {
        #[test]
        fn every_run_makes_a_frame_within_the_budget(sizes in prop::collection::vec(0_usize..20_000, 0..20)) {
            let room = RoomId::parse("r".repeat(128)).unwrap();
            let rows: Vec<_> =
                sizes.iter().enumerate().map(|(n, size)| publication(n as u64 + 1, &"x".repeat(*size))).collect();
            let runs = runs(&room, &rows, domain::limits::FRAME_BYTES);
            prop_assert_eq!(&runs.concat(), &rows);
            for run in runs {
                prop_assert!(blocks_frame(&Block::of(&room, run)).len() <= domain::limits::FRAME_BYTES);
            }
        }
    }
}

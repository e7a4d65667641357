//! What the server says: exactly one of a reply, blocks, or a system word.

use std::collections::BTreeMap;

use bytes::Bytes;
use domain::{Position, RoomId};
use serde::{Deserialize, Serialize};

use crate::block::{AnyBlock, Block, EphemeralBlock, PresenceBlock};
use crate::reply::Answer;

/// A text message from the server, as a client reads it.
#[derive(Debug, Clone)]
pub enum ServerFrame {
    /// The answer to one request.
    Answer(Answer),
    /// What rooms say: publications, and who is there.
    Blocks(Vec<AnyBlock>),
    /// About the connection itself.
    System(System),
}

/// A word about the connection itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "sys", rename_all = "snake_case")]
pub enum System {
    /// The answer to a ping.
    Pong {
        /// Rooms that have moved on from where the client said it was: where they stand.
        #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
        behind: BTreeMap<RoomId, Position>,
    },
    /// A backend has joined this connection to a room.
    Joined {
        /// Which room.
        room: RoomId,
        /// Where it stands: what comes after it is owed to this connection.
        #[serde(flatten)]
        at: Position,
    },
    /// A backend has taken this connection out of a room.
    Left {
        /// Which room.
        room: RoomId,
        /// Why, for programs.
        code: String,
    },
    /// The connection is about to be closed, or is no longer known.
    Bye {
        /// Why, for programs.
        code: String,
        /// Whether to come back.
        retry: Return,
    },
}

/// Whether a client should come back after a bye.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Return {
    /// At once.
    Now,
    /// After the usual pause.
    Later,
    /// Not with this token.
    Never,
}

/// Why a frame is not one of ours.
#[derive(Debug, thiserror::Error)]
#[error("not a frame of rooms.v1: {0}")]
pub struct NotAFrame(String);

impl ServerFrame {
    /// Parses a text message. Blocks of kinds this version does not know are passed over.
    ///
    /// # Errors
    /// [`NotAFrame`] when it is none of ours (API Gateway's own error frames, for one).
    pub fn parse(text: &str) -> Result<Self, NotAFrame> {
        #[derive(Deserialize)]
        struct Shape<'a> {
            #[serde(borrow, default)]
            b: Option<&'a serde_json::value::RawValue>,
            #[serde(borrow, default)]
            sys: Option<&'a serde_json::value::RawValue>,
            #[serde(borrow, default)]
            ok: Option<&'a serde_json::value::RawValue>,
            #[serde(borrow, default)]
            err: Option<&'a serde_json::value::RawValue>,
        }
        let not = |error: serde_json::Error| NotAFrame(error.to_string());
        let shape: Shape<'_> = serde_json::from_str(text).map_err(not)?;
        match (shape.b, shape.sys) {
            _ if shape.ok.is_some() || shape.err.is_some() => serde_json::from_str(text).map(Self::Answer).map_err(not),
            (_, Some(_)) => serde_json::from_str(text).map(Self::System).map_err(not),
            (Some(blocks), _) => {
                let raw: Vec<&serde_json::value::RawValue> = serde_json::from_str(blocks.get()).map_err(not)?;
                Ok(Self::Blocks(raw.iter().filter_map(|raw| AnyBlock::parse(raw.get())).collect()))
            }
            (None, None) => Err(NotAFrame("neither id, b nor sys".to_owned())),
        }
    }
}

/// The frame that carries blocks.
#[must_use]
pub fn blocks_frame(blocks: &[Block]) -> Bytes {
    frame(blocks)
}

/// The frame that says who is there.
#[must_use]
pub fn presence_frame(block: &PresenceBlock) -> Bytes {
    frame(std::slice::from_ref(block))
}

/// The frame that says something to those who are there.
#[must_use]
pub fn ephemeral_frame(block: &EphemeralBlock) -> Bytes {
    frame(std::slice::from_ref(block))
}

fn frame<B: Serialize>(blocks: &[B]) -> Bytes {
    #[derive(Serialize)]
    struct Frame<'a, B> {
        b: &'a [B],
    }
    Bytes::from(serde_json::to_vec(&Frame { b: blocks }).unwrap_or_default())
}

/// The text of a system word.
#[must_use]
pub fn system_text(system: &System) -> String {
    serde_json::to_string(system).unwrap_or_default()
}

//! Messages of the server: each is either a reply, blocks, or a system message.

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
    /// Publications, ephemeral publications and presence of rooms.
    Blocks(Vec<AnyBlock>),
    /// A message about the connection itself.
    System(System),
}

/// A message about the connection itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "sys", rename_all = "snake_case")]
pub enum System {
    /// The answer to a ping.
    Pong {
        /// Rooms that the client should ask for. Each has a position other than the one that the
        /// client stated.
        #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
        behind: BTreeMap<RoomId, Position>,
    },
    /// A backend has joined this connection to a room.
    Joined {
        /// The joined room.
        room: RoomId,
        /// The position of its head: this connection receives what is published after it.
        #[serde(flatten)]
        at: Position,
    },
    /// A backend has removed this connection from a room.
    Left {
        /// The room that was left.
        room: RoomId,
        /// The reason, for programs.
        code: String,
    },
    /// The connection is about to be closed, or is no longer known.
    Bye {
        /// The reason, for programs.
        code: String,
        /// When the client may return.
        retry: Return,
    },
}

/// When a client may return after a bye.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Return {
    /// Connect again at once.
    Now,
    /// After the usual pause.
    Later,
    /// Not with this token.
    Never,
}

/// A text that is not a frame of this protocol.
#[derive(Debug, thiserror::Error)]
#[error("not a frame of rooms.v1: {0}")]
pub struct NotAFrame(String);

impl ServerFrame {
    /// Parses a text message. Blocks of kinds that this version does not know are skipped.
    ///
    /// # Errors
    /// [`NotAFrame`] for any other text, such as API Gateway's own error frames.
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

/// Builds the frame that carries publications.
#[must_use]
pub fn blocks_frame(blocks: &[Block]) -> Bytes {
    frame(blocks)
}

/// Builds the frame that carries the presence of a room.
#[must_use]
pub fn presence_frame(block: &PresenceBlock) -> Bytes {
    frame(std::slice::from_ref(block))
}

/// Builds the frame that carries ephemeral publications.
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

/// Returns the text of a system message.
#[must_use]
pub fn system_text(system: &System) -> String {
    serde_json::to_string(system).unwrap_or_default()
}

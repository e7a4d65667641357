//! The frames of a run of publications, made once and shared by every member.

use bytes::Bytes;
use domain::{Format, Publication, RoomId, limits};
use protocol::block::{Block, runs};
use protocol::classic;
use protocol::server::blocks_frame;

/// The frames of a run of publications, per format; in order.
#[derive(Debug)]
pub(crate) struct Frames {
    blocks: Vec<Bytes>,
    classic: Vec<Bytes>,
}

impl Frames {
    /// One frame for as many publications as fit; one for each, in the classic format.
    pub(crate) fn of(room: &RoomId, rows: &[Publication]) -> Self {
        let runs = runs(room, rows, limits::FRAME_BYTES);
        Self {
            blocks: runs.iter().map(|run| blocks_frame(&Block::of(room, run))).collect(),
            classic: rows.iter().map(|row| classic::frame(room, row)).collect(),
        }
    }

    /// Those for a member.
    pub(crate) fn for_format(&self, format: Format) -> &[Bytes] {
        match format {
            Format::RoomsV1 => &self.blocks,
            Format::Classic => &self.classic,
        }
    }
}

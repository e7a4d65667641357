//! The frames of a run of publications. They are made once, and all members share them.

use std::collections::HashMap;

use bytes::Bytes;
use domain::{ConnectionId, Format, Member, Publication, RoomId};
use protocol::block::{Block, runs};
use protocol::classic;
use protocol::server::blocks_frame;

/// The frames of a run of publications in each format, in order.
#[derive(Debug)]
pub(crate) struct Frames {
    blocks: Vec<Bytes>,
    classic: Vec<Bytes>,
    /// Frames for connections that published some of the run and asked for no echo.
    silent: HashMap<ConnectionId, Silent>,
}

/// The frames without the publications of one connection.
#[derive(Debug)]
struct Silent {
    blocks: Vec<Bytes>,
    classic: Vec<Bytes>,
}

impl Frames {
    /// Makes one frame for as many publications as fit `frame_bytes`; in the classic format, one
    /// for each publication.
    pub(crate) fn of(room: &RoomId, rows: &[Publication], frame_bytes: usize) -> Self {
        let runs = runs(room, rows, frame_bytes);
        let silent = rows.iter().filter(|row| !row.echo).filter_map(|row| row.sender.clone());
        Self {
            blocks: runs.iter().map(|run| blocks_frame(&Block::of(room, run))).collect(),
            classic: rows.iter().map(|row| classic::frame(room, row)).collect(),
            silent: silent.map(|sender| (sender.clone(), Silent::of(room, rows, &runs, &sender))).collect(),
        }
    }

    /// Returns the frames for a member, in its format.
    pub(crate) fn for_member(&self, member: &Member) -> &[Bytes] {
        let (blocks, classic) = match self.silent.get(&member.connection) {
            Some(silent) => (&silent.blocks, &silent.classic),
            None => (&self.blocks, &self.classic),
        };
        match member.format {
            Format::RoomsV1 => blocks,
            Format::Classic => classic,
        }
    }
}

impl Silent {
    /// Leaves out the reader's own publications. Blocks count what they leave out, so that
    /// positions stay whole. Classic frames have no run of positions to keep whole.
    fn of(room: &RoomId, rows: &[Publication], runs: &[&[Publication]], reader: &ConnectionId) -> Self {
        let heard = rows.iter().filter(|row| !row.is_silent_for(reader));
        Self {
            blocks: runs.iter().map(|run| blocks_frame(&Block::of_for(room, run, reader))).collect(),
            classic: heard.map(|row| classic::frame(room, row)).collect(),
        }
    }
}

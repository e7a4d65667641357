//! The frames of a run of publications, made once and shared by every member.

use std::collections::HashMap;

use bytes::Bytes;
use domain::{ConnectionId, Format, Member, Publication, RoomId};
use protocol::block::{Block, runs};
use protocol::classic;
use protocol::server::blocks_frame;

/// The frames of a run of publications, per format; in order.
#[derive(Debug)]
pub(crate) struct Frames {
    blocks: Vec<Bytes>,
    classic: Vec<Bytes>,
    /// For connections that published some of it and asked for no echo.
    silent: HashMap<ConnectionId, Silent>,
}

/// What is left for a connection that is not to hear itself.
#[derive(Debug)]
struct Silent {
    blocks: Vec<Bytes>,
    classic: Vec<Bytes>,
}

impl Frames {
    /// One frame for as many publications as fit `frame_bytes`; one for each, in the classic format.
    pub(crate) fn of(room: &RoomId, rows: &[Publication], frame_bytes: usize) -> Self {
        let runs = runs(room, rows, frame_bytes);
        let silent = rows.iter().filter(|row| !row.echo).filter_map(|row| row.sender.clone());
        Self {
            blocks: runs.iter().map(|run| blocks_frame(&Block::of(room, run))).collect(),
            classic: rows.iter().map(|row| classic::frame(room, row)).collect(),
            silent: silent.map(|sender| (sender.clone(), Silent::of(room, rows, &runs, &sender))).collect(),
        }
    }

    /// Those for a member.
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
    /// Positions stay whole: blocks say how many are left out. Classic frames have none to keep.
    fn of(room: &RoomId, rows: &[Publication], runs: &[&[Publication]], reader: &ConnectionId) -> Self {
        let heard = rows.iter().filter(|row| !row.is_silent_for(reader));
        Self {
            blocks: runs.iter().map(|run| blocks_frame(&Block::of_for(room, run, reader))).collect(),
            classic: heard.map(|row| classic::frame(room, row)).collect(),
        }
    }
}

//! Jobs that carry their content. Each is posted once to every member of the shard that reads
//! blocks. It is never late, and it is dropped when it is old.

use std::collections::HashMap;

use bytes::Bytes;
use domain::ports::{self, Clock, Memberships};
use domain::{
    Announcement, ConnectionId, Delivery, Format, Job, Member, RoomId, Said, Timestamp, Work, latest, limits,
};
use futures::{StreamExt, stream};
use lambda_kit::batch::{Failed, Message, hold_back};
use protocol::block::{EphemeralBlock, EphemeralMessage, PresenceBlock};
use protocol::server::{ephemeral_frame, presence_frame};
use telemetry::field;

use crate::Ports;
use crate::shift::Shift;
use crate::tally::Tally;

/// Works off the jobs of a shard that carry their content.
pub(crate) struct Content<'a, P: Ports> {
    shift: &'a Shift<'a, P>,
    tally: Tally,
}

impl<'a, P: Ports> Content<'a, P> {
    pub(crate) fn new(shift: &'a Shift<'a, P>) -> Self {
        Self { shift, tally: Tally::default() }
    }

    /// Posts the content of jobs that wait together in the same frames. A post that fails is not
    /// retried. If the members cannot be listed, the jobs return to the queue until they are old.
    pub(crate) async fn work_off(mut self, jobs: Vec<(Message, Job)>) -> (Vec<Failed>, Tally) {
        let now = self.shift.fanout.clock.now();
        let mut waiting = Waiting::default();
        let mut fresh: Vec<(Message, Job)> = Vec::new();
        for (message, job) in jobs {
            if waiting.take(&job.work, now) {
                fresh.push((message, job));
            } else {
                self.tally.dropped += 1;
            }
        }
        let Some((_, job)) = fresh.first().cloned() else { return (Vec::new(), self.tally) };
        let words = waiting.into_words(&job.room, self.shift.limits().frame_bytes);
        let Err(error) = self.post(&job, &words).await else { return (Vec::new(), self.tally) };
        tracing::warn!(
            { field::ROOM_ID.0 } = %job.room,
            { field::ROOM_SHARD.0 } = job.shard.get(),
            { field::ERROR.0 } = %error,
            "could not list a shard's members; {} jobs return to the queue until they are old",
            fresh.len()
        );
        let mut fresh = fresh.into_iter().map(|(message, _)| message);
        let first = fresh.next().map(Message::retry_soon);
        (first.map_or_else(Vec::new, |first| hold_back(first, fresh)), self.tally)
    }

    /// Posts the content to every member of the job's shard that reads blocks.
    async fn post(&mut self, job: &Job, words: &Words) -> ports::Result<()> {
        let shift = self.shift;
        let (mut gone, mut after): (Vec<ConnectionId>, Option<ConnectionId>) = (Vec::new(), None);
        loop {
            let page = shift.fanout.tables.page(&job.room, job.shard, after.as_ref()).await?;
            let now = shift.fanout.clock.now();
            let reads_blocks = |member: &Member| member.format == Format::RoomsV1 && !member.is_expired(now);
            let posts = stream::iter(page.members.into_iter().filter(reads_blocks)).map(|member| async move {
                let mut delivery = None;
                for frame in words.for_member(&member) {
                    delivery = shift.post(&member, frame).await;
                    if delivery != Some(Delivery::Delivered) {
                        break;
                    }
                }
                (member.connection, delivery)
            });
            let mut posts = posts.buffer_unordered(shift.limits().posts_in_flight);
            while let Some((connection, delivery)) = posts.next().await {
                delivery.into_iter().for_each(|delivery| self.tally.post(delivery));
                if delivery == Some(Delivery::Gone) {
                    gone.push(connection);
                }
            }
            match page.next {
                Some(next) => after = Some(next),
                None => break,
            }
        }
        self.tally.jobs += 1;
        self.tally.gone += shift.forget_all(gone).await;
        Ok(())
    }
}

/// The content that waits to be posted.
#[derive(Debug, Default)]
struct Waiting {
    said: Vec<Said>,
    told: Option<Announcement>,
}

impl Waiting {
    /// Takes the content of a job. Returns false, and takes nothing, if the job is old.
    fn take(&mut self, work: &Work, now: Timestamp) -> bool {
        match work {
            Work::Ephemeral { at, said, .. } if now.since(*at) <= limits::CONTENT_JOB_LIFE => {
                self.said.extend(said.iter().cloned());
                true
            }
            Work::Presence { at, told, .. } if now.since(*at) <= limits::CONTENT_JOB_LIFE => {
                self.told = Some(self.told.take().map_or_else(|| told.clone(), |before| before.then(told.clone())));
                true
            }
            _ => false,
        }
    }

    fn into_words(self, room: &RoomId, frame_bytes: usize) -> Words {
        let said = latest(self.said);
        let silent = said.iter().filter(|said| !said.echo).filter_map(|said| said.from.clone());
        let silent = silent
            .map(|reader| {
                let heard = said.iter().filter(|said| said.echo || said.from.as_ref() != Some(&reader));
                let frames = ephemeral_frames(room, heard, frame_bytes);
                (reader, frames)
            })
            .collect();
        let frame = |told: Announcement| presence_frame(&PresenceBlock { room: room.clone(), p: told });
        Words {
            frames: ephemeral_frames(room, said.iter(), frame_bytes),
            silent,
            counts: self.told.clone().map(|told| frame(told.counts_only())),
            names: self.told.map(frame),
        }
    }
}

/// The frames of the content.
#[derive(Debug)]
struct Words {
    frames: Vec<Bytes>,
    /// Frames for connections that published some of the content and asked for no echo.
    silent: HashMap<ConnectionId, Vec<Bytes>>,
    /// The announcement for members that see the members of the room.
    names: Option<Bytes>,
    /// The announcement for other members.
    counts: Option<Bytes>,
}

impl Words {
    fn for_member(&self, member: &Member) -> impl Iterator<Item = &Bytes> {
        let announcement = if member.sees_members { &self.names } else { &self.counts };
        self.silent.get(&member.connection).unwrap_or(&self.frames).iter().chain(announcement)
    }
}

/// Bytes that an ephemeral publication takes in a frame beside its data: author, key, sender, and
/// the names of these fields.
const OVERHEAD_BYTES: usize = 512;

/// Puts as many publications into each frame as fit `frame_bytes`.
fn ephemeral_frames<'a>(room: &RoomId, said: impl Iterator<Item = &'a Said>, frame_bytes: usize) -> Vec<Bytes> {
    let (mut frames, mut e, mut bytes): (Vec<Bytes>, Vec<EphemeralMessage>, usize) = (Vec::new(), Vec::new(), 0);
    let mut close = |e: &mut Vec<EphemeralMessage>| {
        if !e.is_empty() {
            frames.push(ephemeral_frame(&EphemeralBlock { room: room.clone(), e: std::mem::take(e) }));
        }
    };
    for one in said {
        let size = one.data.as_json().len() + OVERHEAD_BYTES;
        if bytes + size > frame_bytes {
            close(&mut e);
            bytes = 0;
        }
        bytes += size;
        e.push(one.into());
    }
    close(&mut e);
    frames
}

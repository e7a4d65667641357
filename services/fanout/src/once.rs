//! Jobs that carry their content: to every member of the shard that reads blocks, once, never late, and not at all when
//! they are old.

use std::collections::HashMap;

use bytes::Bytes;
use domain::ports::{self, Chance, Clock, Connections, DeadLetters, Gateway, Jobs, Memberships, Rooms};
use domain::{
    Announcement, ConnectionId, Delivery, Format, Job, Member, RoomId, Said, Timestamp, Work, latest, limits,
};
use futures::{StreamExt, stream};
use lambda_kit::batch::{Failed, Message};
use protocol::block::{EphemeralBlock, EphemeralMessage, PresenceBlock};
use protocol::server::{ephemeral_frame, presence_frame};

use crate::tally::Tally;
use crate::{Fanout, Shift, come_back};

impl<T, Q, G, C, R> Fanout<T, Q, G, C, R>
where
    T: Connections + Memberships + Rooms,
    Q: Jobs + DeadLetters,
    G: Gateway,
    C: Clock,
    R: Chance,
{
    /// What waits together is told together. A post that fails is not tried again; if the members cannot even be
    /// listed, the jobs come back until they are old.
    pub(crate) async fn once(&self, jobs: Vec<(Message, Job)>, shift: &Shift<'_>, tally: &mut Tally) -> Vec<Failed> {
        let now = self.clock.now();
        let mut waiting = Waiting::default();
        let mut messages: Vec<(Message, Job)> = Vec::new();
        for (message, job) in jobs {
            if waiting.take(&job.work, now) {
                messages.push((message, job));
            } else {
                tally.dropped += 1;
            }
        }
        let Some((_, job)) = messages.first().cloned() else { return Vec::new() };
        match self.post_once(&job, &waiting.into_words(&job.room, self.limits.frame_bytes), shift, tally).await {
            Ok(()) => Vec::new(),
            Err(error) => come_back(&job, messages.into_iter().map(|(message, _)| message), &error),
        }
    }

    /// To every member of the job's shard that reads blocks.
    async fn post_once(&self, job: &Job, words: &Words, shift: &Shift<'_>, tally: &mut Tally) -> ports::Result<()> {
        let (mut gone, mut after): (Vec<ConnectionId>, Option<ConnectionId>) = (Vec::new(), None);
        loop {
            let page = self.tables.page(&job.room, job.shard, after.as_ref()).await?;
            let now = self.clock.now();
            let hears = |member: &Member| member.format == Format::RoomsV1 && !member.is_expired(now);
            let posts = stream::iter(page.members.into_iter().filter(hears)).map(|member| async move {
                if shift.deadline.left(self.clock.now(), self.limits.hand_over).is_zero() {
                    return (member.connection, None);
                }
                let mut delivery = None;
                for frame in words.for_member(&member).iter() {
                    delivery = Some(shift.posts.post(&self.gateway, &self.clock, &self.chance, &member, frame).await);
                    if delivery != Some(Delivery::Delivered) {
                        break;
                    }
                }
                (member.connection, delivery)
            });
            let mut posts = posts.buffer_unordered(self.limits.posts_in_flight);
            while let Some((connection, delivery)) = posts.next().await {
                delivery.into_iter().for_each(|delivery| tally.post(delivery));
                if delivery == Some(Delivery::Gone) {
                    gone.push(connection);
                }
            }
            match page.next {
                Some(next) => after = Some(next),
                None => break,
            }
        }
        tally.jobs += 1;
        self.forget_all(&gone, tally).await;
        Ok(())
    }
}

/// What waits to be told.
#[derive(Debug, Default)]
struct Waiting {
    said: Vec<Said>,
    told: Option<Announcement>,
}

impl Waiting {
    /// Takes what a job carries, unless it is old.
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
        let told = self.told.map(|told| presence_frame(&PresenceBlock { room: room.clone(), p: told }));
        let silent = said.iter().filter(|said| !said.echo).filter_map(|said| said.from.clone());
        let silent = silent
            .map(|reader| {
                let heard = said.iter().filter(|said| said.echo || said.from.as_ref() != Some(&reader));
                let frames = ephemeral_frames(room, heard, frame_bytes).into_iter().chain(told.clone()).collect();
                (reader, frames)
            })
            .collect();
        let frames = ephemeral_frames(room, said.iter(), frame_bytes).into_iter().chain(told).collect();
        Words { frames, silent }
    }
}

/// The frames of what is told.
#[derive(Debug)]
struct Words {
    frames: Vec<Bytes>,
    /// For connections that said some of it and asked for no echo.
    silent: HashMap<ConnectionId, Vec<Bytes>>,
}

impl Words {
    fn for_member(&self, member: &Member) -> &[Bytes] {
        self.silent.get(&member.connection).unwrap_or(&self.frames)
    }
}

/// What an ephemeral publication takes in a frame beside its data: its author, key, sender, and their names.
const OVERHEAD_BYTES: usize = 512;

/// As many as fit `frame_bytes` into each frame.
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

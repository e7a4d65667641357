//! Jobs that carry their content: to every member of the shard that reads blocks, once, never late, and not at all when
//! they are old.

use bytes::Bytes;
use domain::ports::{self, Chance, Clock, Connections, Gateway, Jobs, Memberships, Rooms};
use domain::{Announcement, ConnectionId, Delivery, Format, Job, Member, Work, limits};
use futures::{StreamExt, stream};
use lambda_kit::batch::{Failed, Message};
use protocol::block::PresenceBlock;
use protocol::server::presence_frame;

use crate::tally::Tally;
use crate::{Fanout, RESERVE, Shift, stalled};

impl<T, Q, G, C, R> Fanout<T, Q, G, C, R>
where
    T: Connections + Memberships + Rooms,
    Q: Jobs,
    G: Gateway,
    C: Clock,
    R: Chance,
{
    /// What waits together is told in one frame. A post that fails is not tried again; if the members cannot even be
    /// listed, the jobs come back until they are old.
    pub(crate) async fn once(&self, jobs: Vec<(Message, Job)>, shift: &Shift<'_>, tally: &mut Tally) -> Vec<Failed> {
        let now = self.clock.now();
        let mut told: Option<Announcement> = None;
        let mut messages: Vec<(Message, Job)> = Vec::new();
        for (message, job) in jobs {
            let Work::Presence { at, told: next, .. } = &job.work else { continue };
            if now.since(*at) > limits::CONTENT_JOB_LIFE {
                tally.dropped += 1;
                continue;
            }
            told = Some(told.map_or_else(|| next.clone(), |before| before.then(next.clone())));
            messages.push((message, job));
        }
        let (Some(told), Some((_, job))) = (told, messages.first().cloned()) else { return Vec::new() };
        let frame = presence_frame(&PresenceBlock { room: job.room.clone(), p: told });
        match self.post_once(&job, &frame, shift, tally).await {
            Ok(()) => Vec::new(),
            Err(error) => stalled(&job, messages.into_iter().map(|(message, _)| message), &error),
        }
    }

    /// One frame to every member of the job's shard that reads blocks.
    async fn post_once(&self, job: &Job, frame: &Bytes, shift: &Shift<'_>, tally: &mut Tally) -> ports::Result<()> {
        let (mut gone, mut after): (Vec<ConnectionId>, Option<ConnectionId>) = (Vec::new(), None);
        loop {
            let page = self.tables.page(&job.room, job.shard, after.as_ref()).await?;
            let now = self.clock.now();
            let hears = |member: &Member| member.format == Format::RoomsV1 && !member.is_expired(now);
            let posts = stream::iter(page.members.into_iter().filter(hears)).map(|member| async move {
                if shift.deadline.left(self.clock.now(), RESERVE).is_zero() {
                    return (member.connection, None);
                }
                let delivery = shift.posts.post(&self.gateway, &self.clock, &self.chance, &member, frame).await;
                (member.connection, Some(delivery))
            });
            let mut posts = posts.buffer_unordered(limits::POSTS_IN_FLIGHT);
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

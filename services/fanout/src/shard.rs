//! The main line of a shard: every member, once, in order.

use std::time::Duration;

use domain::flow::forget;
use domain::ports::{self, Chance, Clock, Connections, DeadLetters, Gateway, Jobs, Memberships, Rooms};
use domain::{ConnectionId, Job, LateMember, Member, Next, Publication, Range, RoomId, Work, coalesce, late_pause};
use futures::future::try_join;
use futures::{StreamExt, stream};
use lambda_kit::batch::{Failed, Message};
use protocol::block::runs;
use telemetry::field;

use crate::dead::Stopped;
use crate::frames::Frames;
use crate::tally::Tally;
use crate::{Fanout, Shift};

/// Connections forgotten at the same time.
const FORGOTTEN_AT_ONCE: usize = 8;

/// Members that need something after their posts.
#[derive(Debug, Default)]
struct Leftover {
    late: Vec<ConnectionId>,
    gone: Vec<ConnectionId>,
    done: Vec<ConnectionId>,
}

/// What a shard is owed now.
#[derive(Debug)]
struct Due {
    /// Of its job.
    rest: Range,
    /// The beginning of that; or all of it, and what follows.
    rows: Vec<Publication>,
    /// What it was given before.
    done: Option<Range>,
}

/// How many rows fill the frame in which the last of the first `own` goes: a post of it costs the same.
fn fills_a_frame(room: &RoomId, rows: &[Publication], own: usize, frame_bytes: usize) -> usize {
    let mut end = 0;
    for run in runs(room, rows, frame_bytes) {
        if end >= own {
            break;
        }
        end += run.len();
    }
    end
}

impl<T, Q, G, C, R> Fanout<T, Q, G, C, R>
where
    T: Connections + Memberships + Rooms,
    Q: Jobs + DeadLetters,
    G: Gateway,
    C: Clock,
    R: Chance,
{
    /// Jobs of one shard that wait together are one range.
    pub(crate) async fn main_line(
        &self,
        jobs: Vec<(Message, Job)>,
        shift: &Shift<'_>,
        tally: &mut Tally,
    ) -> Vec<Failed> {
        let Some((_, first)) = jobs.first() else { return Vec::new() };
        for range in coalesce(jobs.iter().filter_map(|(_, job)| job.work.range()).cloned()) {
            let Err(stopped) = self.deliver(first, range, shift, tally).await else { continue };
            if stopped.error.is_transient() || jobs.len() == 1 {
                return self.give_back(jobs, &stopped, tally).await;
            }
            return self.one_by_one(jobs, shift, tally).await;
        }
        Vec::new()
    }

    /// Something in them is refused: each by itself, up to the one that fails, which holds back those behind it.
    async fn one_by_one(&self, jobs: Vec<(Message, Job)>, shift: &Shift<'_>, tally: &mut Tally) -> Vec<Failed> {
        let mut jobs = jobs.into_iter();
        while let Some((message, job)) = jobs.next() {
            let Some(range) = job.work.range().cloned() else { continue };
            if let Err(stopped) = self.deliver(&job, range, shift, tally).await {
                let mut failed = self.give_back(vec![(message, job)], &stopped, tally).await;
                failed.extend(jobs.map(|(message, _)| message.retry_soon()));
                return failed;
            }
        }
        Vec::new()
    }

    /// Delivers a range to the shard of a job, and what has become durable since, as far as it fits the same frame.
    async fn deliver(&self, job: &Job, range: Range, shift: &Shift<'_>, tally: &mut Tally) -> Result<(), Stopped> {
        let Some(Due { mut rest, mut rows, mut done }) = self.due(job, &range).await? else {
            tally.repeated += 1;
            return Ok(());
        };
        let begin = rest.after;
        loop {
            let Some(through) = rows.last().map(|row| row.position.sequence) else {
                // Expired, all of it: who still wants it learns that it missed something.
                return Ok(());
            };
            let range = Range { after: rest.after, through, epoch: rest.epoch.clone() };
            let mut leftover = Leftover::default();
            if let Err(error) = self.deliver_rows(job, &range, &rows, shift, &mut leftover, tally).await {
                // Who has this part of the range may lack the next one.
                let is_whole = rest.after == begin && rest.through <= through;
                let settled = leftover.done.into_iter().filter(|_| is_whole).collect();
                return Err(Stopped { error, settled });
            }
            let range = range.added_to(done.as_ref());
            self.note(job, &range).await;
            if rest.through <= through {
                return Ok(());
            }
            (rest.after, done) = (through, Some(range));
            rows = self.tables.log(&job.room, &rest, self.limits.log_page_rows, self.clock.now()).await?;
        }
    }

    /// What a shard is owed of a range, with the beginning of it from the log; `None` if that has been done. The log is read
    /// before the members are: whoever joins later finds there what is delivered now.
    async fn due(&self, job: &Job, range: &Range) -> ports::Result<Option<Due>> {
        let (done, rows) = try_join(self.how_far(job, range), self.read_on(job, range)).await?;
        let rest = match &done {
            Some(done) => range.without(done),
            None => Some(range.clone()),
        };
        let Some(rest) = rest else { return Ok(None) };
        let rows = if rest.after == range.after { rows } else { self.read_on(job, &rest).await? };
        let may_go_on = done.as_ref().is_none_or(|done| rest.is_last_after(done));
        let own = rows.iter().take_while(|row| row.position.sequence <= rest.through).count();
        let owed = if may_go_on { fills_a_frame(&job.room, &rows, own, self.limits.frame_bytes) } else { own };
        Ok(Some(Due { rest, rows: rows.into_iter().take(owed).collect(), done }))
    }

    /// How far a shard is. If nobody can read it, that must not keep its members from anything: it only saves posts.
    async fn how_far(&self, job: &Job, range: &Range) -> ports::Result<Option<Range>> {
        match self.tables.delivered(&job.room, job.shard, &range.epoch).await {
            Err(error) if !error.is_transient() => {
                tracing::warn!(
                    { field::ROOM_ID.0 } = %job.room,
                    { field::ROOM_SHARD.0 } = job.shard.get(),
                    { field::ERROR.0 } = %error,
                    "not known how far a shard is"
                );
                Ok(None)
            }
            done => done,
        }
    }

    /// The log from where a range begins, beyond its end; what stands there must not keep the range from being read.
    async fn read_on(&self, job: &Job, range: &Range) -> ports::Result<Vec<Publication>> {
        let (more, now) = (range.and_more(self.limits.log_rows_along), self.clock.now());
        match self.tables.log(&job.room, &more, self.limits.log_page_rows, now).await {
            Err(error) if !error.is_transient() => {
                self.tables.log(&job.room, range, self.limits.log_page_rows, now).await
            }
            rows => rows,
        }
    }

    /// Notes how far the shard is. If that cannot be, what was done comes again with the jobs for it.
    async fn note(&self, job: &Job, done: &Range) {
        if let Err(error) = self.tables.mark_delivered(&job.room, job.shard, done, self.clock.now()).await {
            tracing::warn!(
                { field::ROOM_ID.0 } = %job.room,
                { field::ROOM_SHARD.0 } = job.shard.get(),
                { field::ERROR.0 } = %error,
                "not noted how far a shard is"
            );
        }
    }

    async fn deliver_rows(
        &self,
        job: &Job,
        range: &Range,
        rows: &[Publication],
        shift: &Shift<'_>,
        leftover: &mut Leftover,
        tally: &mut Tally,
    ) -> ports::Result<()> {
        let frames = Frames::of(&job.room, rows, self.limits.frame_bytes);
        let mut after: Option<ConnectionId> = None;
        loop {
            let page = self.tables.page(&job.room, job.shard, after.as_ref()).await?;
            self.post_page(page.members, &frames, shift, leftover, tally).await;
            match page.next {
                Some(next) => after = Some(next),
                None => break,
            }
        }
        tally.delivered(&job.room, rows, self.clock.now());
        self.forget_all(&leftover.gone, tally).await;
        let late: Vec<LateMember> = leftover.late.drain(..).map(LateMember::new).collect();
        self.send_late(job, range, 1, late, tally).await
    }

    async fn post_page(
        &self,
        members: Vec<Member>,
        frames: &Frames,
        shift: &Shift<'_>,
        leftover: &mut Leftover,
        tally: &mut Tally,
    ) {
        let now = self.clock.now();
        let owed = members.into_iter().filter(|member| !member.is_expired(now));
        let posts = stream::iter(owed).map(|member| async move {
            if shift.deadline.left(self.clock.now(), self.limits.hand_over).is_zero() {
                return (member.connection, None);
            }
            let frames = frames.for_member(&member);
            let reached = shift.posts.deliver(&self.gateway, &self.clock, &self.chance, &member, frames).await;
            (member.connection, Some(reached))
        });
        let mut posts = posts.buffer_unordered(self.limits.posts_in_flight);
        while let Some((connection, reached)) = posts.next().await {
            let Some(reached) = reached else {
                leftover.late.push(connection);
                continue;
            };
            tally.add_posts(&reached.posts);
            match reached.next {
                Next::Forget => leftover.gone.push(connection),
                Next::Late | Next::Retry { .. } => leftover.late.push(connection),
                Next::Done | Next::GiveUp => leftover.done.push(connection),
            }
        }
    }

    /// Whoever is not forgotten now is found by the next 410.
    pub(crate) async fn forget_all(&self, gone: &[ConnectionId], tally: &mut Tally) {
        let now = self.clock.now();
        let forgetting = stream::iter(gone.to_vec()).map(|id| async move {
            let forgotten = forget(&self.tables, &id, now).await;
            (id, forgotten)
        });
        let mut forgetting = forgetting.buffer_unordered(FORGOTTEN_AT_ONCE);
        while let Some((id, forgotten)) = forgetting.next().await {
            match forgotten {
                Ok(()) => tally.gone += 1,
                Err(error) => {
                    tracing::warn!({ field::CONNECTION_ID.0 } = %id, { field::ERROR.0 } = %error, "not forgotten yet");
                }
            }
        }
    }

    /// Hands members over to the shard's late line.
    pub(crate) async fn send_late(
        &self,
        job: &Job,
        range: &Range,
        attempt: u32,
        members: Vec<LateMember>,
        tally: &mut Tally,
    ) -> ports::Result<()> {
        if members.is_empty() {
            return Ok(());
        }
        let pause: Duration = late_pause(attempt, self.chance.fraction());
        let not_before = self.clock.now().plus(pause);
        let jobs: Vec<Job> = members
            .chunks(self.limits.members_per_late_job)
            .map(|members| Work::Late { range: range.clone(), attempt, not_before, members: members.to_vec() })
            .map(|work| Job { work, ..job.clone() })
            .collect();
        self.queues.dispatch(&jobs).await?;
        tally.late += members.len() as u64;
        Ok(())
    }
}

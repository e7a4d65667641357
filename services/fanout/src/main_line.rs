//! The main line of a shard: it posts a range once to every member, in order.

use std::collections::HashSet;

use domain::ports::{self, Chance, Clock, Memberships, Rooms};
use domain::{ConnectionId, Job, LateMember, Member, Next, Publication, Range, RoomId, coalesce, late_pause};
use futures::future::try_join;
use futures::{StreamExt, stream};
use lambda_kit::batch::{Failed, Message, return_in_order};
use protocol::block::runs;
use telemetry::field;

use crate::Ports;
use crate::dead_letters::{DeadLetters, Stopped};
use crate::frames::Frames;
use crate::shift::{Owed, Reached, Shift};
use crate::tally::Tally;

/// Works off the jobs of a shard for all its members.
pub(crate) struct MainLine<'a, P: Ports> {
    shift: &'a Shift<'a, P>,
    tally: Tally,
}

/// How the work on a range ended, if nothing failed.
#[derive(Debug, PartialEq, Eq)]
enum End {
    /// Every member received the range, or is late for it.
    Done,
    /// The deadline came. The progress of the shard has been stored.
    OutOfTime,
}

/// Members by their next step after their posts.
#[derive(Debug, Default)]
struct Served {
    late: Vec<ConnectionId>,
    gone: Vec<ConnectionId>,
    done: Vec<ConnectionId>,
}

/// The part of a range that a shard still lacks.
#[derive(Debug)]
struct Due {
    /// The rest of the job's range.
    rest: Range,
    /// The first rows of the rest; or all of its rows, and rows that follow it.
    rows: Vec<Publication>,
    /// The range that the shard received before.
    done: Option<Range>,
}

/// Counts the rows that fill the frame of the last of the first `own` rows: a full frame costs the
/// same post.
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

impl<'a, P: Ports> MainLine<'a, P> {
    pub(crate) fn new(shift: &'a Shift<'a, P>) -> Self {
        Self { shift, tally: Tally::default() }
    }

    /// Works off the jobs of one shard. The ranges of jobs that wait together are joined.
    pub(crate) async fn work_off(mut self, jobs: Vec<(Message, Job)>) -> (Vec<Failed>, Tally) {
        let Some((_, first)) = jobs.first().cloned() else { return (Vec::new(), self.tally) };
        let mut jobs = jobs;
        for range in coalesce(jobs.iter().filter_map(|(_, job)| job.work.range()).cloned()) {
            match self.deliver(&first, range.clone()).await {
                Ok(End::Done) => jobs.retain(|(_, job)| job.work.range().is_some_and(|own| !range.contains(own))),
                Ok(End::OutOfTime) => return (self.return_for_time(jobs), self.tally),
                Err(stopped) if stopped.error.is_transient() || jobs.len() == 1 => {
                    let given_back = DeadLetters::new(self.shift).give_back(jobs, &stopped).await;
                    self.tally.poison += given_back.buried;
                    return (given_back.failed, self.tally);
                }
                Err(_) => return self.one_by_one(jobs).await,
            }
        }
        (Vec::new(), self.tally)
    }

    /// Delivers each job by itself, because something in them is refused. The job that fails ends
    /// the work, and holds back the jobs behind it.
    async fn one_by_one(mut self, jobs: Vec<(Message, Job)>) -> (Vec<Failed>, Tally) {
        let mut jobs = jobs.into_iter();
        while let Some((message, job)) = jobs.next() {
            let Some(range) = job.work.range().cloned() else { continue };
            match self.deliver(&job, range).await {
                Ok(End::Done) => {}
                Ok(End::OutOfTime) => {
                    let rest = std::iter::once((message, job)).chain(jobs).collect();
                    return (self.return_for_time(rest), self.tally);
                }
                Err(stopped) => {
                    let given_back = DeadLetters::new(self.shift).give_back(vec![(message, job)], &stopped).await;
                    self.tally.poison += given_back.buried;
                    return (given_back.with_behind(jobs.map(|(message, _)| message)), self.tally);
                }
            }
        }
        (Vec::new(), self.tally)
    }

    /// Returns jobs that could not be begun, or not be finished, before the deadline.
    fn return_for_time(&self, jobs: Vec<(Message, Job)>) -> Vec<Failed> {
        if let Some((_, first)) = jobs.first() {
            tracing::warn!(
                { field::ROOM_ID.0 } = %first.room,
                { field::ROOM_SHARD.0 } = first.shard.get(),
                "the deadline came before the end of a shard's range; {} jobs return to the queue",
                jobs.len()
            );
        }
        return_in_order(jobs.into_iter().map(|(message, _)| message))
    }

    /// Delivers a range to the shard of a job, and later rows as far as they fit the same frame.
    /// After each page of the log the progress of the shard is stored.
    async fn deliver(&mut self, job: &Job, range: Range) -> Result<End, Stopped> {
        let Some(Due { mut rest, mut rows, mut done }) = self.due(job, &range).await? else {
            self.tally.repeated += 1;
            return Ok(End::Done);
        };
        let begin = rest.after;
        loop {
            let Some(through) = rows.last().map(|row| row.position.sequence) else {
                // All rows have expired. A member that still asks for them learns that it missed
                // publications.
                return Ok(End::Done);
            };
            if self.shift.is_over() {
                return Ok(End::OutOfTime);
            }
            let range = Range { after: rest.after, through, epoch: rest.epoch.clone() };
            // A member that has this part of the range may lack the next part.
            let is_whole = rest.after == begin && rest.through <= through;
            let gone = self.deliver_rows(job, &range, &rows, is_whole).await?;
            let range = range.added_to(done.as_ref());
            self.note(job, &range).await;
            self.tally.gone += self.shift.forget_all(gone).await;
            if rest.through <= through {
                return Ok(End::Done);
            }
            (rest.after, done) = (through, Some(range));
            let (page_rows, now) = (self.shift.limits().log_page_rows, self.shift.fanout.clock.now());
            rows = self.shift.fanout.tables.log(&job.room, &rest, page_rows, now).await?;
        }
    }

    /// Returns the part of a range that a shard lacks, with its first rows from the log; `None` if
    /// the shard has all of it. The log is read before the members are, so the head that a later
    /// member receives covers these rows.
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
        let owed = if may_go_on { fills_a_frame(&job.room, &rows, own, self.shift.limits().frame_bytes) } else { own };
        Ok(Some(Due { rest, rows: rows.into_iter().take(owed).collect(), done }))
    }

    /// Reads the progress of a shard. A refused read does not stop the delivery: the progress only
    /// saves posts.
    async fn how_far(&self, job: &Job, range: &Range) -> ports::Result<Option<Range>> {
        match self.shift.fanout.tables.delivered(&job.room, job.shard, &range.epoch).await {
            Err(error) if !error.is_transient() => {
                tracing::warn!(
                    { field::ROOM_ID.0 } = %job.room,
                    { field::ROOM_SHARD.0 } = job.shard.get(),
                    { field::ERROR.0 } = %error,
                    "could not read the progress of a shard; its job is delivered whole"
                );
                Ok(None)
            }
            done => done,
        }
    }

    /// Reads the log from the start of a range to beyond its end. If rows beyond the end cause a
    /// refusal, only the range is read.
    async fn read_on(&self, job: &Job, range: &Range) -> ports::Result<Vec<Publication>> {
        let (more, now) = (range.and_more(self.shift.limits().log_rows_along), self.shift.fanout.clock.now());
        match self.shift.fanout.tables.log(&job.room, &more, self.shift.limits().log_page_rows, now).await {
            Err(error) if !error.is_transient() => {
                self.shift.fanout.tables.log(&job.room, range, self.shift.limits().log_page_rows, now).await
            }
            rows => rows,
        }
    }

    /// Stores the progress of the shard. If that fails, a repeated job posts the same range again.
    async fn note(&self, job: &Job, done: &Range) {
        if let Err(error) =
            self.shift.fanout.tables.mark_delivered(&job.room, job.shard, done, self.shift.fanout.clock.now()).await
        {
            tracing::warn!(
                { field::ROOM_ID.0 } = %job.room,
                { field::ROOM_SHARD.0 } = job.shard.get(),
                { field::ERROR.0 } = %error,
                "could not store the progress of a shard; a repeated job posts the same range again"
            );
        }
    }

    /// Posts rows to every member of the shard, and queues late jobs for members that were not
    /// reached. Returns the connections that are gone.
    async fn deliver_rows(
        &mut self,
        job: &Job,
        range: &Range,
        rows: &[Publication],
        is_whole: bool,
    ) -> Result<Vec<ConnectionId>, Stopped> {
        let frames = Frames::of(&job.room, rows, self.shift.limits().frame_bytes);
        let mut served = Served::default();
        let handed_over = async {
            self.post_all(job, &frames, &mut served).await?;
            self.tally.delivered(&job.room, rows, self.shift.fanout.clock.now());
            let members: Vec<LateMember> = served.late.drain(..).map(LateMember::new).collect();
            let pause = late_pause(1, self.shift.fanout.chance.fraction());
            let owed = vec![Owed { range: range.clone(), attempt: 1, pause, members }];
            self.shift.send_late(job, owed).await
        };
        match handed_over.await {
            Ok(late) => {
                self.tally.late += late;
                Ok(served.gone)
            }
            Err(error) => {
                let settled: HashSet<ConnectionId> = served.done.into_iter().filter(|_| is_whole).collect();
                Err(Stopped { error, settled })
            }
        }
    }

    /// Posts frames to every member of the shard, one page of members after the other.
    async fn post_all(&mut self, job: &Job, frames: &Frames, served: &mut Served) -> ports::Result<()> {
        let mut after: Option<ConnectionId> = None;
        loop {
            let page = self.shift.fanout.tables.page(&job.room, job.shard, after.as_ref()).await?;
            self.post_page(page.members, frames, served).await;
            match page.next {
                Some(next) => after = Some(next),
                None => return Ok(()),
            }
        }
    }

    async fn post_page(&mut self, members: Vec<Member>, frames: &Frames, served: &mut Served) {
        let shift = self.shift;
        let now = shift.fanout.clock.now();
        let owed = members.into_iter().filter(|member| !member.is_expired(now));
        let posts = stream::iter(owed).map(|member| async move {
            let reached = shift.deliver(&member, frames.for_member(&member)).await;
            (member.connection, reached)
        });
        let mut posts = posts.buffer_unordered(shift.limits().posts_in_flight);
        while let Some((connection, Reached { next, posts })) = posts.next().await {
            self.tally.add_posts(&posts);
            match next {
                Some(Next::Forget) => served.gone.push(connection),
                Some(Next::Late | Next::Retry { .. }) | None => served.late.push(connection),
                Some(Next::Done | Next::GiveUp) => served.done.push(connection),
            }
        }
    }
}

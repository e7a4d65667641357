//! State that the work on one group of an invocation shares: the deadline, a lane for its posts,
//! and the calls that every line makes.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use domain::flow::forget;
use domain::ports::{self, Chance, Clock, Jobs};
use domain::{ConnectionId, Delivery, Job, LateMember, Limits, Member, Next, Range, Work};
use futures::{StreamExt, stream};
use lambda_kit::deadline::Deadline;
use telemetry::field;

use crate::posts::{End, Lane, Posted};
use crate::tally::Outcomes;
use crate::{Fanout, Ports};

/// Connections removed at the same time.
const FORGOTTEN_AT_ONCE: usize = 8;

/// The work on one group of an invocation.
pub(crate) struct Shift<'a, P: Ports> {
    pub(crate) fanout: &'a Fanout<P>,
    pub(crate) deadline: Deadline,
    lane: Lane,
    /// Bytes of the posts that the gateway accepted.
    bytes_delivered: AtomicU64,
}

/// The result for a member, after all its frames or after the first one that could not be
/// delivered.
#[derive(Debug)]
pub(crate) struct Reached {
    /// `None` if the deadline came.
    pub(crate) next: Option<Next>,
    pub(crate) posts: Outcomes,
}

/// Late members that lack the same range.
#[derive(Debug)]
pub(crate) struct Owed {
    pub(crate) range: Range,
    pub(crate) attempt: u32,
    pub(crate) pause: Duration,
    pub(crate) members: Vec<LateMember>,
}

impl<'a, P: Ports> Shift<'a, P> {
    pub(crate) fn new(fanout: &'a Fanout<P>, deadline: Deadline) -> Self {
        Self { fanout, deadline, lane: fanout.posts.lane(), bytes_delivered: AtomicU64::new(0) }
    }

    pub(crate) fn limits(&self) -> Limits {
        self.fanout.limits
    }

    fn end(&self) -> End {
        End { deadline: self.deadline, reserve: self.limits().hand_over }
    }

    /// Reports whether no work may begin any more.
    pub(crate) fn is_over(&self) -> bool {
        self.end().left(self.fanout.clock.now()).is_zero()
    }

    /// The part of the deadline that a probe or a close must leave: as much as a post that began in
    /// time leaves.
    pub(crate) fn look_reserve(&self) -> Duration {
        self.limits().hand_over.saturating_sub(self.limits().post_timeout)
    }

    /// Makes one post when its turn comes; `None` if no time is left for it.
    pub(crate) async fn post(&self, member: &Member, frame: &Bytes) -> Option<Delivery> {
        self.post_in_turn(member, frame).await.map(|posted| posted.delivery)
    }

    async fn post_in_turn(&self, member: &Member, frame: &Bytes) -> Option<Posted> {
        let Fanout { gateway, clock, chance, .. } = self.fanout;
        let posted = self.lane.post(gateway, clock, chance, self.end(), member, frame).await?;
        if posted.delivery == Delivery::Delivered {
            self.bytes_delivered.fetch_add(frame.len() as u64, Ordering::Relaxed);
        }
        Some(posted)
    }

    /// Returns the bytes of the posts that the gateway accepted so far.
    pub(crate) fn bytes_delivered(&self) -> u64 {
        self.bytes_delivered.load(Ordering::Relaxed)
    }

    /// Posts a member's frames in order. Each frame gets the tries and the time of the main line.
    pub(crate) async fn deliver(&self, member: &Member, frames: &[Bytes]) -> Reached {
        let (clock, time) = (&self.fanout.clock, self.limits().time_on_the_main_line);
        let mut posts = Outcomes::default();
        for frame in frames {
            let (mut tries, mut first_began) = (0, None);
            loop {
                tries += 1;
                let Some(Posted { delivery, began }) = self.post_in_turn(member, frame).await else {
                    return Reached { next: None, posts };
                };
                posts.add(delivery);
                let spent = clock.now().since(*first_began.get_or_insert(began));
                match Next::after(delivery, tries, spent, time, self.fanout.chance.fraction()) {
                    Next::Retry { after } => clock.sleep(after).await,
                    Next::Done | Next::GiveUp => break,
                    next @ (Next::Forget | Next::Late) => return Reached { next: Some(next), posts },
                }
            }
        }
        Reached { next: Some(Next::Done), posts }
    }

    /// Queues late jobs for members of the job's shard, and returns the number of these members.
    pub(crate) async fn send_late(&self, job: &Job, owed: Vec<Owed>) -> ports::Result<u64> {
        let now = self.fanout.clock.now();
        let mut jobs = Vec::new();
        let mut count = 0;
        for Owed { range, attempt, pause, members } in owed {
            count += members.len() as u64;
            let not_before = now.plus(pause);
            jobs.extend(members.chunks(self.limits().members_per_late_job).map(|members| {
                let work = Work::Late { range: range.clone(), attempt, not_before, members: members.to_vec() };
                Job { work, ..job.clone() }
            }));
        }
        if !jobs.is_empty() {
            self.fanout.queues.dispatch(&jobs).await?;
        }
        Ok(count)
    }

    /// Removes connections that are gone, and returns their number. A connection that does not fit
    /// into the time is removed at its next 410.
    pub(crate) async fn forget_all(&self, gone: Vec<ConnectionId>) -> u64 {
        let Fanout { tables, clock, .. } = self.fanout;
        let now = clock.now();
        let forgotten = stream::iter(gone)
            .map(|id| async move {
                let Err(error) = forget(tables, &id, now).await else { return 1 };
                tracing::warn!(
                    { field::CONNECTION_ID.0 } = %id,
                    { field::ERROR.0 } = %error,
                    "could not remove a gone connection; the next 410 removes it"
                );
                0
            })
            .buffer_unordered(FORGOTTEN_AT_ONCE)
            .fold(0, async |sum, one| sum + one);
        self.deadline.cut(clock, self.limits().hand_over / 2, forgotten).await.unwrap_or_default()
    }
}

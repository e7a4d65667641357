//! The late line of a shard: members that did not receive a range on the main line.

use std::collections::BTreeMap;
use std::time::Duration;

use domain::ports::{self, Chance, Clock, Gateway, Memberships, Rooms};
use domain::{
    ConnectionId, Delivery, Job, LateMember, Member, Probe, Publication, Range, Sequence, Strike, Work, late_pause,
};
use futures::{StreamExt, stream};
use lambda_kit::batch::{Failed, Message, hold_back};
use telemetry::field;

use crate::Ports;
use crate::dead_letters::DeadLetters;
use crate::frames::Frames;
use crate::shift::{Owed, Shift};
use crate::tally::Tally;

/// Connections closed at the same time.
const CLOSED_AT_ONCE: usize = 16;

/// Works off the late jobs of a shard.
pub(crate) struct LateLine<'a, P: Ports> {
    shift: &'a Shift<'a, P>,
    tally: Tally,
}

/// The result of a try to reach a late member.
enum Tried {
    /// The post was answered, or has failed.
    Answered(Delivery, Strike),
    /// The deadline came before its post began.
    NotTried,
}

/// Members that are late again, by the sequence after which they lack the range, and by whether a
/// post to them was tried.
type Again = BTreeMap<(Sequence, bool), Vec<LateMember>>;

impl<'a, P: Ports> LateLine<'a, P> {
    pub(crate) fn new(shift: &'a Shift<'a, P>) -> Self {
        Self { shift, tally: Tally::default() }
    }

    /// Works off one job after the other. A job that is not due yet returns until it is due, and
    /// the jobs behind it return with it.
    pub(crate) async fn work_off(mut self, jobs: Vec<(Message, Job)>) -> (Vec<Failed>, Tally) {
        let mut jobs = jobs.into_iter();
        while let Some((message, job)) = jobs.next() {
            let Work::Late { range, attempt, not_before, members } = &job.work else { continue };
            let wait = not_before.since(self.shift.fanout.clock.now());
            if !wait.is_zero() || self.shift.is_over() {
                let failed = hold_back(message.retry_after(wait), jobs.map(|(message, _)| message));
                return (failed, self.tally);
            }
            if let Err(error) = self.deliver(&job, range, *attempt, members).await {
                let given_back = DeadLetters::new(self.shift).give_back(vec![(message, job)], &error.into()).await;
                self.tally.poison += given_back.buried;
                return (given_back.with_behind(jobs.map(|(message, _)| message)), self.tally);
            }
        }
        (Vec::new(), self.tally)
    }

    /// Delivers all rows of the range to the members, one page of the log after the other.
    async fn deliver(&mut self, job: &Job, range: &Range, attempt: u32, members: &[LateMember]) -> ports::Result<()> {
        let mut owed = self.still_members(job, members).await?;
        let (mut rest, mut again, mut gone) = (range.clone(), Again::new(), Vec::new());
        while !owed.is_empty() {
            let fanout = self.shift.fanout;
            let (now, page_rows) = (fanout.clock.now(), self.shift.limits().log_page_rows);
            let rows = fanout.tables.log(&job.room, &rest, page_rows, now).await?;
            let Some(through) = rows.last().map(|row| row.position.sequence) else { break };
            let tried = self.try_all(owed, &rows, job).await;
            owed = self.sort(tried, rest.after, &mut again, &mut gone).await;
            self.tally.delivered(&job.room, &rows, fanout.clock.now());
            if rest.through <= through {
                break;
            }
            rest.after = through;
            if self.shift.is_over() {
                again.entry((rest.after, false)).or_default().extend(owed.into_iter().map(|(_, late)| late));
                break;
            }
        }
        self.send_again(job, range, attempt.saturating_add(1), again).await?;
        self.tally.gone += self.shift.forget_all(gone).await;
        Ok(())
    }

    /// Returns the members that are members right now, and whose tokens have not expired.
    async fn still_members(&self, job: &Job, members: &[LateMember]) -> ports::Result<Vec<(Member, LateMember)>> {
        let ids: Vec<ConnectionId> = members.iter().map(|member| member.connection.clone()).collect();
        let now = self.shift.fanout.clock.now();
        let current = self.shift.fanout.tables.members_among(&job.room, &ids).await?;
        let late = |id: &ConnectionId| members.iter().find(|late| late.connection == *id).cloned();
        let current = current.into_iter().filter(|member| !member.is_expired(now));
        Ok(current.filter_map(|member| late(&member.connection).map(|late| (member, late))).collect())
    }

    async fn try_all(
        &mut self,
        owed: Vec<(Member, LateMember)>,
        rows: &[Publication],
        job: &Job,
    ) -> Vec<(Member, LateMember, Tried)> {
        let shift = self.shift;
        let frames = &Frames::of(&job.room, rows, shift.limits().frame_bytes);
        let tries = stream::iter(owed).map(|(member, late)| async move {
            let tried = match Self::try_one(shift, &member, frames).await {
                Some((delivery, probe)) => Tried::Answered(delivery, late.clone().after(delivery, probe)),
                None => Tried::NotTried,
            };
            (member, late, tried)
        });
        let tried: Vec<_> = tries.buffer_unordered(shift.limits().posts_in_flight).collect().await;
        for (_, _, tried) in &tried {
            if let Tried::Answered(delivery, _) = tried {
                self.tally.post(*delivery);
            }
        }
        tried
    }

    /// Posts each frame once. After a 429, or no answer, a probe of the connection decides whether
    /// the fault is the member's.
    async fn try_one(shift: &Shift<'_, P>, member: &Member, frames: &Frames) -> Option<(Delivery, Option<Probe>)> {
        for frame in frames.for_member(member) {
            match shift.post(member, frame).await? {
                Delivery::Delivered => {}
                delivery @ (Delivery::Throttled | Delivery::Failed) => {
                    return Some((delivery, Self::probe(shift, member).await));
                }
                delivery => return Some((delivery, None)),
            }
        }
        Some((Delivery::Delivered, None))
    }

    async fn probe(shift: &Shift<'_, P>, member: &Member) -> Option<Probe> {
        let fanout = shift.fanout;
        if shift.is_over() {
            return None;
        }
        let probe = fanout.gateway.probe(&member.endpoint, &member.connection);
        match shift.deadline.cut(&fanout.clock, shift.look_reserve(), probe).await {
            Some(Ok(Probe::Gone)) if member.is_new(fanout.clock.now()) => None,
            Some(Ok(probe)) => Some(probe),
            Some(Err(error)) => {
                tracing::warn!(
                    { field::CONNECTION_ID.0 } = %member.connection,
                    { field::ERROR.0 } = %error,
                    "could not probe a connection after a failed post; the failure does not count against it"
                );
                None
            }
            None => None,
        }
    }

    /// Sorts members by their next step, and returns those that continue with the next page.
    async fn sort(
        &mut self,
        tried: Vec<(Member, LateMember, Tried)>,
        after: Sequence,
        again: &mut Again,
        gone: &mut Vec<ConnectionId>,
    ) -> Vec<(Member, LateMember)> {
        let (mut served, mut slow) = (Vec::new(), Vec::new());
        for (member, late, tried) in tried {
            match tried {
                Tried::NotTried => again.entry((after, false)).or_default().push(late),
                Tried::Answered(_, Strike::Done) => served.push((member, late)),
                Tried::Answered(_, Strike::Forget) => gone.push(member.connection),
                Tried::Answered(_, Strike::Again(late)) => again.entry((after, true)).or_default().push(late),
                Tried::Answered(_, Strike::Close) => slow.push((member, late)),
            }
        }
        for (late, is_closed) in self.close_all(slow).await {
            if is_closed {
                self.tally.evicted += 1;
                gone.push(late.connection);
            } else {
                again.entry((after, true)).or_default().push(late);
            }
        }
        served
    }

    /// Closes connections that are too slow, so that their clients return and sync. The flag is
    /// true for each connection that was closed.
    async fn close_all(&self, slow: Vec<(Member, LateMember)>) -> Vec<(LateMember, bool)> {
        let shift = self.shift;
        let closing = stream::iter(slow).map(|(member, late)| async move {
            let closing = shift.fanout.gateway.close(&member.endpoint, &member.connection);
            let closed = shift.deadline.cut(&shift.fanout.clock, shift.look_reserve(), closing).await;
            if let Some(Err(error)) = &closed {
                tracing::warn!(
                    { field::CONNECTION_ID.0 } = %member.connection,
                    { field::ERROR.0 } = %error,
                    "could not close a slow connection; it is late again"
                );
            }
            (late, matches!(closed, Some(Ok(()))))
        });
        closing.buffer_unordered(CLOSED_AT_ONCE).collect().await
    }

    async fn send_again(&mut self, job: &Job, range: &Range, attempt: u32, again: Again) -> ports::Result<()> {
        let fraction = self.shift.fanout.chance.fraction();
        let owed = again.into_iter().map(|((after, tried), members)| Owed {
            range: Range { after, ..range.clone() },
            attempt,
            pause: if tried { late_pause(attempt, fraction) } else { Duration::ZERO },
            members,
        });
        self.tally.late += self.shift.send_late(job, owed.collect()).await?;
        Ok(())
    }
}

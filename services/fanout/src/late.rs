//! The late line of a shard: members that are owed a range and could not be given it at once.

use domain::ports::{self, Chance, Clock, Connections, DeadLetters, Gateway, Jobs, Memberships, Rooms};
use domain::{ConnectionId, Delivery, Job, LateMember, Member, Probe, Publication, Range, Strike, Timestamp, Work};
use futures::{StreamExt, stream};
use lambda_kit::batch::{Failed, Message};
use telemetry::field;

use crate::frames::Frames;
use crate::tally::Tally;
use crate::{Fanout, Shift};

impl<T, Q, G, C, R> Fanout<T, Q, G, C, R>
where
    T: Connections + Memberships + Rooms,
    Q: Jobs + DeadLetters,
    G: Gateway,
    C: Clock,
    R: Chance,
{
    /// One job after the other: one that is not due yet comes back when it is, and those behind it with it.
    pub(crate) async fn late_line(
        &self,
        jobs: Vec<(Message, Job)>,
        shift: &Shift<'_>,
        tally: &mut Tally,
    ) -> Vec<Failed> {
        let mut jobs = jobs.into_iter();
        while let Some((message, job)) = jobs.next() {
            let Work::Late { range, attempt, not_before, members } = &job.work else { continue };
            let wait = not_before.since(self.clock.now());
            if !wait.is_zero() {
                let all = std::iter::once(message).chain(jobs.map(|(message, _)| message));
                return all.map(|message| message.retry_after(wait)).collect();
            }
            if let Err(error) = self.deliver_late(&job, range, *attempt, members, shift, tally).await {
                let mut failed = self.give_back(vec![(message, job)], &error.into(), tally).await;
                failed.extend(jobs.map(|(message, _)| message.retry_soon()));
                return failed;
            }
        }
        Vec::new()
    }

    async fn deliver_late(
        &self,
        job: &Job,
        range: &Range,
        attempt: u32,
        members: &[LateMember],
        shift: &Shift<'_>,
        tally: &mut Tally,
    ) -> ports::Result<()> {
        let ids: Vec<ConnectionId> = members.iter().map(|member| member.connection.clone()).collect();
        let now = self.clock.now();
        let current = self.tables.members_among(&job.room, &ids).await?;
        let current: Vec<Member> = current.into_iter().filter(|member| !member.is_expired(now)).collect();
        let rows = self.tables.log(&job.room, range, self.limits.log_page_rows, now).await?;
        let strikes = self.try_all(current, members, &rows, job, shift, tally).await;
        let (mut again, mut gone) = (Vec::new(), Vec::new());
        for (member, strike) in strikes {
            match strike {
                Strike::Done => {}
                Strike::Forget => gone.push(member.connection.clone()),
                Strike::Again(late) => again.push(late),
                Strike::Close => {
                    self.gateway.close(&member.endpoint, &member.connection).await?;
                    tally.evicted += 1;
                    gone.push(member.connection.clone());
                }
            }
        }
        tally.delivered(&job.room, &rows, self.clock.now());
        self.forget_all(&gone, tally).await;
        self.send_late(job, range, attempt.saturating_add(1), again, tally).await
    }

    async fn try_all(
        &self,
        current: Vec<Member>,
        members: &[LateMember],
        rows: &[Publication],
        job: &Job,
        shift: &Shift<'_>,
        tally: &mut Tally,
    ) -> Vec<(Member, Strike)> {
        let frames = &Frames::of(&job.room, rows, self.limits.frame_bytes);
        let late = |id: &ConnectionId| members.iter().find(|late| late.connection == *id).cloned();
        let owed = current.into_iter().filter_map(|member| late(&member.connection).map(|late| (member, late)));
        let tries = stream::iter(owed.collect::<Vec<_>>()).map(|(member, late)| async move {
            let (delivery, probe) = self.try_one(&member, frames, shift).await;
            (member, delivery, late.after(delivery, probe))
        });
        let done: Vec<_> = tries.buffer_unordered(self.limits.posts_in_flight).collect().await;
        let mut strikes = Vec::with_capacity(done.len());
        for (member, delivery, strike) in done {
            tally.post(delivery);
            strikes.push((member, strike));
        }
        strikes
    }

    /// All frames once; after a 429, a look that tells whose fault it was.
    async fn try_one(&self, member: &Member, frames: &Frames, shift: &Shift<'_>) -> (Delivery, Option<Probe>) {
        for frame in frames.for_member(member) {
            if shift.deadline.left(self.clock.now(), self.limits.hand_over).is_zero() {
                return (Delivery::Throttled, None);
            }
            match shift.posts.post(&self.gateway, &self.clock, &self.chance, member, frame).await {
                Delivery::Delivered => {}
                Delivery::Throttled => return (Delivery::Throttled, self.look(member).await),
                other => return (other, None),
            }
        }
        (Delivery::Delivered, None)
    }

    async fn look(&self, member: &Member) -> Option<Probe> {
        let now: Timestamp = self.clock.now();
        match self.gateway.probe(&member.endpoint, &member.connection).await {
            Ok(Probe::Gone) if member.is_new(now) => None,
            Ok(probe) => Some(probe),
            Err(error) => {
                tracing::warn!({ field::CONNECTION_ID.0 } = %member.connection, { field::ERROR.0 } = %error, "no probe");
                None
            }
        }
    }
}

//! Posts: their order, how many are in flight, and their results.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use domain::ports::{Chance, Clock, Gateway};
use domain::{Delivery, Limits, Member, Pacer, Timestamp};
use tokio::sync::oneshot;

/// The posts of this process to all shards, because the account has one rate. The state of the
/// pacer helps the next invocation, and may be lost.
#[derive(Debug, Clone)]
pub(crate) struct Posts(Arc<Mutex<Turns>>);

/// A shard's share of the posts of its process. Whenever a post ends, the lane with the fewest
/// posts in flight is next. So posts that hang take up their own lane and no other.
#[derive(Debug)]
pub(crate) struct Lane {
    posts: Posts,
    number: u64,
}

/// The result of a post, and the time when it began: the wait for its turn is not the member's
/// fault.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Posted {
    pub(crate) delivery: Delivery,
    pub(crate) began: Timestamp,
}

/// The end of the time in which posts may begin: a reserve before the deadline.
#[derive(Debug, Clone, Copy)]
pub(crate) struct End {
    pub(crate) deadline: lambda_kit::Deadline,
    pub(crate) reserve: Duration,
}

#[derive(Debug)]
struct Turns {
    pacer: Pacer,
    in_flight: usize,
    lanes: BTreeMap<u64, Waiting>,
    next_lane: u64,
    permits_given: u64,
}

/// The posts of one lane.
#[derive(Debug, Default)]
struct Waiting {
    in_flight: usize,
    /// The number of permits that all lanes had received when this lane received its last one.
    last_given: u64,
    waiting: VecDeque<oneshot::Sender<Permit>>,
}

/// The right to have one post in flight, until it is dropped.
#[derive(Debug)]
struct Permit {
    posts: Posts,
    /// `None` once the permit is void.
    lane: Option<u64>,
}

impl Posts {
    pub(crate) fn new(limits: Limits) -> Self {
        let pacer = Pacer::new(limits.posts_in_flight, limits.post_rate);
        Self(Arc::new(Mutex::new(Turns {
            pacer,
            in_flight: 0,
            lanes: BTreeMap::new(),
            next_lane: 0,
            permits_given: 0,
        })))
    }

    /// Opens a lane for the posts of one shard.
    pub(crate) fn lane(&self) -> Lane {
        let mut turns = self.lock();
        let number = turns.next_lane;
        turns.next_lane += 1;
        turns.lanes.insert(number, Waiting::default());
        drop(turns);
        Lane { posts: self.clone(), number }
    }

    fn lock(&self) -> MutexGuard<'_, Turns> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Gives permits to waiting lanes, as many as may be in flight.
    fn give(&self, turns: &mut Turns) {
        while turns.in_flight < turns.pacer.in_flight()
            && let Some((number, next)) = turns.next()
        {
            let permit = Permit { posts: self.clone(), lane: Some(number) };
            match next.send(permit) {
                Ok(()) => {
                    turns.in_flight += 1;
                    turns.lanes.entry(number).or_default().in_flight += 1;
                }
                // The receiver does not wait any more. The permit must not be returned, because it
                // was not counted.
                Err(mut permit) => permit.lane = None,
            }
        }
    }
}

impl Turns {
    /// Returns the next waiter of the lane with the fewest posts in flight. Among several such
    /// lanes, the one with the oldest last permit is next.
    fn next(&mut self) -> Option<(u64, oneshot::Sender<Permit>)> {
        let waiting = self.lanes.iter_mut().filter(|(_, lane)| !lane.waiting.is_empty());
        let (number, lane) = waiting.min_by_key(|(_, lane)| (lane.in_flight, lane.last_given))?;
        self.permits_given += 1;
        lane.last_given = self.permits_given;
        Some((*number, lane.waiting.pop_front()?))
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        let Some(number) = self.lane else { return };
        let mut turns = self.posts.lock();
        turns.in_flight -= 1;
        if let Some(lane) = turns.lanes.get_mut(&number) {
            lane.in_flight -= 1;
        }
        self.posts.give(&mut turns);
    }
}

impl Drop for Lane {
    fn drop(&mut self) {
        self.posts.lock().lanes.remove(&self.number);
    }
}

impl Lane {
    /// Makes one post when its turn comes. `None` if no time is left for it by then.
    pub(crate) async fn post(
        &self,
        gateway: &impl Gateway,
        clock: &impl Clock,
        chance: &impl Chance,
        end: End,
        member: &Member,
        frame: &Bytes,
    ) -> Option<Posted> {
        let permit = self.turn(clock, end).await?;
        let began = clock.now();
        let delivery = gateway.post(&member.endpoint, &member.connection, frame.clone()).await;
        let now = clock.now();
        let delivery = delivery.seen_from(member, now);
        self.posts.lock().pacer.learn(delivery, now, chance.fraction());
        drop(permit);
        Some(Posted { delivery, began })
    }

    /// Waits for a permit and for the rate. The deadline is checked once the permit is given,
    /// because the wait may be long.
    async fn turn(&self, clock: &impl Clock, end: End) -> Option<Permit> {
        let permit = self.permit().await?;
        if let Some(pause) = self.pause(clock.now(), end)? {
            clock.sleep(pause).await;
        }
        (!end.left(clock.now()).is_zero()).then_some(permit)
    }

    /// Takes the next turn of the rate, and returns the wait for it. `None` if the wait is too
    /// long: then the turn is not taken.
    fn pause(&self, now: Timestamp, end: End) -> Option<Option<Duration>> {
        let mut turns = self.posts.lock();
        (turns.pacer.wait(now) < end.left(now)).then(|| turns.pacer.turn(now))
    }

    async fn permit(&self) -> Option<Permit> {
        let (sender, receiver) = oneshot::channel();
        {
            let mut turns = self.posts.lock();
            turns.lanes.get_mut(&self.number)?.waiting.push_back(sender);
            self.posts.give(&mut turns);
        }
        receiver.await.ok()
    }
}

impl End {
    /// Returns the time in which posts may still begin.
    pub(crate) fn left(self, now: Timestamp) -> Duration {
        self.deadline.left(now, self.reserve)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::task::Poll;

    use futures::future::{join_all, select_all};
    use testkit::World;

    fn posts(in_flight: usize) -> Posts {
        Posts::new(Limits { posts_in_flight: in_flight, ..Limits::default() })
    }

    #[tokio::test]
    async fn a_lane_whose_posts_hang_keeps_no_other_lane_from_its_share() {
        let posts = posts(4);
        let (hanging, other) = (posts.lane(), posts.lane());
        let hung = join_all((0..2).map(|_| hanging.permit())).await;
        let mut waiting: Vec<_> = (0..10).map(|_| Box::pin(hanging.permit())).collect();
        let mut given = Vec::new();
        for wait in &mut waiting {
            if let Poll::Ready(permit) = futures::poll!(wait) {
                given.push(permit);
            }
        }
        assert_eq!(given.len(), 2, "it has all four while no other lane waits");
        let mut others: Vec<_> = (0..2).map(|_| Box::pin(other.permit())).collect();
        for wait in &mut others {
            assert!(futures::poll!(wait).is_pending());
        }
        drop(hung);
        assert!(join_all(others).await.iter().all(Option::is_some));
    }

    #[tokio::test]
    async fn lanes_take_turns_when_one_post_may_be_in_flight() {
        let posts = posts(1);
        let lanes = [posts.lane(), posts.lane(), posts.lane()];
        let first = lanes[0].permit().await;
        let wait = async |lane: usize| (lane, lanes[lane].permit().await);
        let mut waiting: Vec<_> = [0, 0, 1, 1, 2, 2].into_iter().map(|lane| Box::pin(wait(lane))).collect();
        for wait in &mut waiting {
            assert!(futures::poll!(wait).is_pending());
        }
        drop(first);
        let mut order = Vec::new();
        while !waiting.is_empty() {
            let ((lane, permit), _, rest) = select_all(waiting).await;
            order.push(lane);
            drop(permit);
            waiting = rest;
        }
        assert_eq!(order, [1, 2, 0, 1, 2, 0]);
    }

    #[tokio::test]
    async fn a_permit_that_is_not_waited_for_any_more_is_given_to_the_next() {
        let posts = posts(1);
        let lane = posts.lane();
        let held = lane.permit().await;
        let mut given_up = Box::pin(lane.permit());
        let mut next = Box::pin(lane.permit());
        assert!(futures::poll!(&mut given_up).is_pending() && futures::poll!(&mut next).is_pending());
        drop(held);
        // The first waiter has received its permit by now, and never takes it.
        drop(given_up);
        assert!(next.await.is_some());
        assert_eq!(posts.lock().in_flight, 0);
    }

    #[tokio::test]
    async fn no_post_begins_without_the_time_to_end() {
        let world = World::new();
        let member = Member {
            connection: domain::ConnectionId::parse("c").unwrap(),
            endpoint: domain::Endpoint::new("https://gateway.invalid"),
            connected_at: world.clock.now(),
            expires_at: None,
            format: domain::Format::RoomsV1,
            sees_members: false,
        };
        let lane = posts(1).lane();
        let deadline = lambda_kit::Deadline::at(world.clock.now().plus(Duration::from_secs(1)));
        let end = |ms| End { deadline, reserve: Duration::from_millis(ms) };
        let (gateway, frame) = (&world.gateway, Bytes::from_static(b"{}"));
        let post = async |ms| lane.post(gateway, &world.clock, &world.chance, end(ms), &member, &frame).await;
        assert!(post(1_000).await.is_none() && gateway.posts().is_empty());
        assert!(post(999).await.is_some());
    }
}

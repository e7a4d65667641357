//! Posts: how many fly at once, and what becomes of each member's.

use std::sync::{Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use domain::limits::POST_RATE;
use domain::ports::{Chance, Clock, Gateway};
use domain::{Delivery, Limits, Member, Next, Pacer, Timestamp};
use tokio::sync::{Semaphore, SemaphorePermit};

use crate::tally::Outcomes;

/// The posts of this process, whatever shards they are for: the account's rate is one. What it has learned is of use to the
/// next invocation, and can be lost.
#[derive(Debug)]
pub(crate) struct Posts {
    permits: Semaphore,
    pace: Mutex<Pace>,
    limits: Limits,
}

#[derive(Debug)]
struct Pace {
    pacer: Pacer,
    permits: usize,
}

/// What became of a member, after all its frames or the first that could not be delivered.
#[derive(Debug)]
pub(crate) struct Reached {
    pub(crate) next: Next,
    pub(crate) posts: Outcomes,
}

impl Posts {
    pub(crate) fn new(limits: Limits) -> Self {
        let in_flight = limits.posts_in_flight;
        let pace = Pace { pacer: Pacer::new(in_flight, POST_RATE), permits: in_flight };
        Self { permits: Semaphore::new(in_flight), pace: Mutex::new(pace), limits }
    }

    /// Posts a member's frames in order, each with the tries and the time of the main line.
    pub(crate) async fn deliver(
        &self,
        gateway: &impl Gateway,
        clock: &impl Clock,
        chance: &impl Chance,
        member: &Member,
        frames: &[Bytes],
    ) -> Reached {
        let mut posts = Outcomes::default();
        for frame in frames {
            let begun = clock.now();
            let mut tries = 0;
            loop {
                tries += 1;
                let delivery = self.post(gateway, clock, chance, member, frame).await;
                posts.add(delivery);
                let (spent, time) = (clock.now().since(begun), self.limits.time_on_the_main_line);
                match Next::after(delivery, tries, spent, time, chance.fraction()) {
                    Next::Retry { after } => clock.sleep(after).await,
                    Next::Done | Next::GiveUp => break,
                    next @ (Next::Forget | Next::Late) => return Reached { next, posts },
                }
            }
        }
        Reached { next: Next::Done, posts }
    }

    /// One post, when it is its turn.
    pub(crate) async fn post(
        &self,
        gateway: &impl Gateway,
        clock: &impl Clock,
        chance: &impl Chance,
        member: &Member,
        frame: &Bytes,
    ) -> Delivery {
        let turn = self.turn(clock).await;
        let delivery = gateway.post(&member.endpoint, &member.connection, frame.clone()).await;
        drop(turn);
        let now = clock.now();
        let delivery = delivery.seen_from(member, now);
        self.learn(delivery, now, chance.fraction());
        delivery
    }

    async fn turn(&self, clock: &impl Clock) -> Option<SemaphorePermit<'_>> {
        let permit = self.permits.acquire().await.ok();
        let pause = self.pace().pacer.turn(clock.now());
        if let Some(pause) = pause {
            clock.sleep(pause).await;
        }
        permit
    }

    /// Gives out more permits, or takes back idle ones, as the pacer says.
    fn learn(&self, delivery: Delivery, now: Timestamp, jitter: f64) {
        let mut pace = self.pace();
        pace.pacer.learn(delivery, now, jitter);
        let wanted = pace.pacer.in_flight();
        if wanted > pace.permits {
            self.permits.add_permits(wanted - pace.permits);
            pace.permits = wanted;
        } else {
            pace.permits -= self.permits.forget_permits(pace.permits - wanted);
        }
    }

    fn pace(&self) -> MutexGuard<'_, Pace> {
        self.pace.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

//! One connection of a member: its messages in both directions until it ends.

use futures::{SinkExt, StreamExt};
use tokio::time::{sleep, sleep_until};
use tokio_tungstenite::tungstenite::{Error, Message};

use super::task::{End, Member};
use crate::ledger::{Micros, SECOND};
use crate::run::world::{Stage, add};
use crate::scenario::Going;
use crate::scenario::schedule::{Goes, goes};
use crate::wire::socket::Socket;

/// Interval of keep-alive pings, below the 8.5 min that the protocol requires.
const KEEP_ALIVE: Micros = 490 * SECOND;

impl Member {
    /// Serves the connection until the scenario ends it, or until it is lost.
    pub(super) async fn listen(&mut self, socket: &mut Socket) -> End {
        let now = self.world.clock.now();
        self.keep_alive_at = now + KEEP_ALIVE + (self.seat.of_all as i64 % 20) * SECOND;
        self.listener.open(&self.world.room(self.seat.room), now);
        loop {
            if self.say(socket).await.is_err() {
                return End::Lost;
            }
            let stage = *self.stage.borrow_and_update();
            if stage == Stage::Over {
                return End::Over;
            }
            let going = self.goes_at(stage);
            let wakes_at = [self.listener.wakes_at(), going.map(|(at, _)| at), self.settles_at(stage)];
            let wakes_at = wakes_at.into_iter().flatten().min().unwrap_or(Micros::MAX).min(self.keep_alive_at);
            tokio::select! {
                message = socket.next() => match message {
                    Some(Ok(Message::Text(text))) => self.hear(&text).await,
                    Some(Ok(Message::Close(_)) | Err(_)) | None => return End::Lost,
                    Some(Ok(_)) => {}
                },
                () = sleep_until(self.world.clock.instant(wakes_at)) => {
                    if let Some((_, goes)) = going.filter(|(at, _)| self.world.clock.now() >= *at) {
                        self.went = goes.at;
                        if self.listener.is_in() && !self.leaves(goes) {
                            return End::Goes(goes);
                        }
                    }
                    self.wake();
                }
                _ = self.stage.changed() => {}
            }
        }
    }

    async fn say(&mut self, socket: &mut Socket) -> Result<(), Error> {
        while let Some(text) = self.listener.say.pop() {
            add(&self.world.counts.requests, 1);
            socket.send(Message::text(text)).await?;
        }
        Ok(())
    }

    async fn hear(&mut self, text: &str) {
        let now = self.world.clock.now();
        let counts = &self.world.counts;
        add(&counts.frames, 1);
        add(&counts.frame_bytes, text.len() as u64);
        self.listener.hear(text, &mut self.world.room(self.seat.room), &self.world.pids, now);
        if self.listener.applied > 0 {
            add(&counts.delivered, self.listener.applied);
            let mut recorder = self.world.recorder();
            recorder.count(now, self.listener.applied);
            self.listener.latencies.iter().for_each(|latency| recorder.deliver(now, *latency));
        }
        add(&counts.ephemeral_heard, std::mem::take(&mut self.listener.ephemeral));
        if let Some(since) = self.coming_since.filter(|_| self.listener.is_in()) {
            self.came(since, now);
        }
        if let Some(pause) = self.pause_after_frame {
            sleep(pause).await;
        }
    }

    /// Records that the member is in the room, for the first time or again.
    fn came(&mut self, since: Micros, now: Micros) {
        self.coming_since = None;
        let mut recorder = self.world.recorder();
        if !self.listener.has_come {
            add(&self.world.counts.joined, 1);
            recorder.join.record(now - since);
        } else {
            add(&self.world.counts.resumed, 1);
            recorder.resume.record(now - since);
        }
        self.listener.has_come = true;
    }

    fn wake(&mut self) {
        let now = self.world.clock.now();
        let room = self.world.room(self.seat.room);
        self.listener.wake(&room, now);
        let settles = self.settle_at.is_some_and(|at| now >= at);
        if settles {
            self.settle_at = None;
        }
        if now >= self.keep_alive_at || settles && !self.world.is_settled(self.seat.room) {
            self.keep_alive_at = now + KEEP_ALIVE;
            self.listener.ping(&room);
        }
    }

    /// The time of the next ping in the drain stage. Each member asks from time to time for missing
    /// publications.
    fn settles_at(&mut self, stage: Stage) -> Option<Micros> {
        if stage != Stage::Drain {
            return None;
        }
        let every = i64::try_from(self.world.patience.settle.as_micros()).unwrap_or(SECOND);
        let turn = every / 2 + every * (self.seat.of_all as i64 % 64) / 64;
        Some(*self.settle_at.get_or_insert(self.world.clock.now() + turn))
    }

    fn goes_at(&self, stage: Stage) -> Option<(Micros, Goes)> {
        let Stage::Phases(begin) = stage else { return None };
        let next = goes(&self.world.scenario.churn, self.seat.of_all, self.went)?;
        Some((begin + next.at, next))
    }

    /// Leaves the room and keeps the connection, if the churn is of that kind.
    fn leaves(&mut self, goes: Goes) -> bool {
        if goes.kind != Going::Leave {
            return false;
        }
        let now = self.world.clock.now();
        self.listener.leave(&mut self.world.room(self.seat.room), now, goes.away);
        true
    }
}

//! One member over its connections: it comes, listens, goes as the scenario wants, and comes back.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use futures::{SinkExt, StreamExt};
use tokio::sync::watch;
use tokio::time::{sleep, sleep_until};
use tokio_tungstenite::tungstenite::Message;

use super::listener::Listener;
use crate::ledger::{Micros, SECOND};
use crate::member::goodbye;
use crate::run::world::{Stage, World, add};
use crate::scenario::schedule::{Goes, connects_at, goes, takes_part};
use crate::scenario::{Going, Rooms};
use crate::wire::socket::{self, Socket};

/// A keep-alive is due every 4 min.
const KEEP_ALIVE: Micros = 230 * SECOND;
/// A member that was refused tries again after this, and longer each time.
const PAUSE: Duration = Duration::from_millis(250);
/// The longest of these pauses.
const LONGEST_PAUSE: Duration = Duration::from_secs(8);

/// Who a member is.
#[derive(Debug, Clone, Copy)]
pub struct Seat {
    /// Its room, by number.
    pub room: usize,
    /// Its number in its room.
    pub member: usize,
    /// Its number among all.
    pub of_all: usize,
}

/// How a connection ended.
enum End {
    Over,
    Lost,
    Goes(Goes),
}

struct Member {
    world: Arc<World>,
    seat: Seat,
    listener: Listener,
    stage: watch::Receiver<Stage>,
    pause_after_frame: Option<Duration>,
    /// The last time it went, in the schedule's time.
    went: Micros,
    /// Since when it is on its way into the room.
    coming_since: Option<Micros>,
    keep_alive_at: Micros,
    settle_at: Option<Micros>,
    /// Sockets that were left open without a word.
    graves: Vec<Socket>,
}

/// Lives a member's life, until the run is over.
pub async fn live(world: Arc<World>, seat: Seat, rooms: Rooms) {
    let slow = takes_part(seat.member, rooms.slow_readers);
    let due = connects_at(&world.scenario.ramp, seat.of_all);
    let stage = world.stage();
    let mut member = Member {
        listener: Listener::new(seat.room, seat.member, !slow, world.patience),
        pause_after_frame: slow.then_some(Duration::from_millis(rooms.slow_pause_ms)),
        world,
        seat,
        stage,
        went: 0,
        coming_since: Some(due),
        keep_alive_at: Micros::MAX,
        settle_at: None,
        graves: Vec::new(),
    };
    let (clock, stop) = (Arc::clone(&member.world.clock), member.world.stop.clone());
    tokio::select! {
        () = sleep_until(clock.instant(due)) => member.live().await,
        // Who has not come by then does not come any more.
        () = stop.cancelled() => {}
    }
}

impl Member {
    async fn live(&mut self) {
        while let Some(mut socket) = self.connect().await {
            add(&self.world.counts.connected, 1);
            let end = self.listen(&mut socket).await;
            self.world.counts.connected.fetch_sub(1, Ordering::Relaxed);
            match end {
                End::Over => return goodbye::politely(socket).await,
                End::Lost => {
                    add(&self.world.counts.lost, 1);
                    sleep(self.jitter(PAUSE)).await;
                }
                End::Goes(goes) => self.go(goes, socket).await,
            }
            self.coming_since = Some(self.world.clock.now());
        }
    }

    /// Opens a connection, however long it takes; none if the run is over before.
    async fn connect(&mut self) -> Option<Socket> {
        let device = format!("load-{}", self.seat.of_all);
        let mut pause = PAUSE;
        loop {
            let opened = tokio::select! {
                opened = socket::open(&self.world.target, self.seat.of_all, &device) => opened,
                _ = self.stage.wait_for(|stage| *stage == Stage::Over) => return None,
            };
            let error = match opened {
                Ok(socket) => return Some(socket),
                Err(error) => error,
            };
            add(&self.world.counts.handshakes_failed, 1);
            add(&self.world.counts.throttled, u64::from(matches!(error, socket::Error::Refused(429))));
            self.world.complain(&error);
            if !error.is_transient() {
                return None;
            }
            tokio::select! {
                () = sleep(self.jitter(pause)) => pause = (pause * 2).min(LONGEST_PAUSE),
                _ = self.stage.wait_for(|stage| *stage == Stage::Over) => return None,
            }
        }
    }

    async fn listen(&mut self, socket: &mut Socket) -> End {
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

    async fn say(&mut self, socket: &mut Socket) -> Result<(), tokio_tungstenite::tungstenite::Error> {
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

    /// It is in the room: for the first time, or again.
    fn came(&mut self, since: Micros, now: Micros) {
        self.coming_since = None;
        let mut recorder = self.world.recorder();
        if self.went == 0 && !self.listener.has_come {
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

    /// While everything drains, each member asks now and then whether there is more, if something is missing.
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

    /// Leaves the room and keeps the connection, if that is how it goes.
    fn leaves(&mut self, goes: Goes) -> bool {
        if goes.kind != Going::Leave {
            return false;
        }
        let now = self.world.clock.now();
        self.listener.leave(&mut self.world.room(self.seat.room), now, goes.away);
        true
    }

    /// Ends a connection, stays away, and lets the next one come.
    async fn go(&mut self, goes: Goes, socket: Socket) {
        match goes.kind {
            Going::Close | Going::Leave => goodbye::politely(socket).await,
            Going::Reset | Going::Storm => goodbye::by_reset(&socket),
            Going::HalfOpen | Going::BlackHole => {
                if goes.kind == Going::HalfOpen {
                    goodbye::by_half(&socket);
                }
                self.world.bury(self.seat.room);
                self.graves.push(socket);
            }
        }
        let away = Duration::from_micros(u64::try_from(goes.away).unwrap_or(0));
        sleep(away).await;
    }

    /// Up to so long, another time for each member.
    fn jitter(&self, pause: Duration) -> Duration {
        pause.mul_f64((self.seat.of_all as f64 * 0.618).fract())
    }
}

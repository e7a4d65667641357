//! One member across its connections: it connects, listens, disconnects as the scenario requires,
//! and returns.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{sleep, sleep_until};

use super::listener::Listener;
use crate::ledger::Micros;
use crate::member::goodbye;
use crate::run::world::{Stage, World, add};
use crate::scenario::schedule::{Goes, connects_at, takes_part};
use crate::scenario::{Going, Rooms};
use crate::wire::socket::{self, Socket};

/// First pause of a member that was refused. It doubles each time.
const PAUSE: Duration = Duration::from_millis(250);
/// The longest of these pauses.
const LONGEST_PAUSE: Duration = Duration::from_secs(8);

/// The numbers that identify a member.
#[derive(Debug, Clone, Copy)]
pub struct Seat {
    /// The number of its room.
    pub room: usize,
    /// Its number in the room.
    pub member: usize,
    /// Its number among all members.
    pub of_all: usize,
}

/// The reason for the end of a connection.
pub(super) enum End {
    Over,
    Lost,
    Goes(Goes),
}

/// A member across its connections.
pub(super) struct Member {
    pub(super) world: Arc<World>,
    pub(super) seat: Seat,
    pub(super) listener: Listener,
    pub(super) stage: watch::Receiver<Stage>,
    pub(super) pause_after_frame: Option<Duration>,
    /// The time of its last churn, in the schedule's time.
    pub(super) went: Micros,
    /// The time since which it is joining or resuming.
    pub(super) coming_since: Option<Micros>,
    pub(super) keep_alive_at: Micros,
    pub(super) settle_at: Option<Micros>,
    /// Sockets that stay open without being read.
    graves: Vec<Socket>,
}

/// Runs a member until the run is over.
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
        // A member that has not connected by then does not connect any more.
        () = stop.cancelled() => {}
    }
}

impl Member {
    async fn live(&mut self) {
        // The futures that open and close a connection are large and short-lived. Boxing keeps them
        // out of the task.
        while let Some(mut socket) = Box::pin(self.connect()).await {
            add(&self.world.counts.connected, 1);
            let end = self.listen(&mut socket).await;
            self.world.counts.connected.fetch_sub(1, Ordering::Relaxed);
            match end {
                End::Over => return Box::pin(goodbye::politely(socket)).await,
                End::Lost => {
                    add(&self.world.counts.lost, 1);
                    sleep(self.jitter(PAUSE)).await;
                }
                End::Goes(goes) => Box::pin(self.go(goes, socket)).await,
            }
            self.coming_since = Some(self.world.clock.now());
        }
    }

    /// Opens a connection, with any number of tries; `None` if the run ends before.
    async fn connect(&mut self) -> Option<Box<Socket>> {
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

    /// Ends a connection in the given way, and waits for the length of the absence.
    async fn go(&mut self, goes: Goes, socket: Box<Socket>) {
        match goes.kind {
            Going::Close | Going::Leave => goodbye::politely(socket).await,
            Going::Reset | Going::Storm => goodbye::by_reset(&socket),
            Going::HalfOpen | Going::BlackHole => {
                if goes.kind == Going::HalfOpen {
                    goodbye::by_half(&socket);
                }
                self.world.bury(self.seat.room);
                self.graves.push(*socket);
            }
        }
        let away = Duration::from_micros(u64::try_from(goes.away).unwrap_or(0));
        sleep(away).await;
    }

    /// A share of the pause, different for each member.
    fn jitter(&self, pause: Duration) -> Duration {
        pause.mul_f64((self.seat.of_all as f64 * 0.618).fract())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::member::Patience;
    use crate::scenario::parse;
    use crate::wire::target::Target;

    #[test]
    fn the_task_of_a_member_is_small() {
        let scenario = parse(include_str!("../../scenarios/broadcast.toml"), "broadcast.toml").unwrap();
        let target = Target::parse("ws://127.0.0.1:1", None).unwrap();
        let rooms = scenario.rooms[0].clone();
        let world = Arc::new(World::new(target, scenario, "r", "load", Patience::default()));
        let task = live(world, Seat { room: 0, member: 0, of_all: 0 }, rooms);
        let bytes = std::mem::size_of_val(&task);
        assert!(bytes <= 3 * 1024, "{bytes}");
    }
}

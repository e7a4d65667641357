//! A publisher on a connection. It sends by the schedule, whatever replies are missing. It sends a
//! publication without a reply again under the same id.

use std::collections::BTreeMap;
use std::iter::Peekable;
use std::sync::Arc;
use std::time::Duration;

use futures::{SinkExt, StreamExt};
use protocol::reply::Answer;
use tokio::time::sleep_until;
use tokio_tungstenite::tungstenite::{Error, Message};

use super::lane::{self, Lane};
use crate::ledger::{Micros, SECOND};
use crate::run::world::{Stage, World, add};
use crate::scenario::schedule::Due;
use crate::wire::frame::Frame;
use crate::wire::pid::Pid;
use crate::wire::request;
use crate::wire::socket::{self, Socket};

/// A publication without a reply after this time is sent again.
const ANSWER: Micros = 10 * SECOND;
/// Pause between two tries to connect.
const PAUSE: Duration = Duration::from_millis(500);

struct Publisher<S, E>
where
    S: Iterator<Item = Due>,
    E: Iterator<Item = Due>,
{
    world: Arc<World>,
    lane: Lane,
    begin: Micros,
    schedule: Peekable<S>,
    ephemeral: Peekable<E>,
    said: u64,
    /// Publications without a reply, with the time to send them again.
    pending: BTreeMap<usize, Micros>,
}

/// Publishes a lane's part of the schedule, until every publication has a reply or the run is over.
pub(super) async fn publish(world: Arc<World>, lane: Lane) {
    let mut socket = connect(&world, &lane).await;
    let Some(begin) = lane::phases(&world).await else { return };
    let schedules = Arc::clone(&world);
    let mut publisher = Publisher {
        schedule: lane.schedule(&schedules).peekable(),
        ephemeral: lane.ephemeral(&schedules).peekable(),
        said: 0,
        pending: BTreeMap::new(),
        world: Arc::clone(&world),
        lane,
        begin,
    };
    let mut stage = world.stage();
    let work = async {
        while let Some(open) = &mut socket {
            if publisher.serve(open).await.is_ok() {
                break;
            }
            add(&world.counts.lost, 1);
            publisher.pending.values_mut().for_each(|at| *at = 0);
            socket = connect(&world, &lane).await;
        }
    };
    tokio::select! {
        () = work => {}
        _ = stage.wait_for(|stage| *stage == Stage::Over) => {}
    }
}

/// Opens a connection, with any number of tries; `None` if it is refused for good or the run is
/// over.
async fn connect(world: &World, lane: &Lane) -> Option<Box<Socket>> {
    let number = lane.room * 100 + lane.first;
    let mut stage = world.stage();
    loop {
        let device = format!("load-publisher-{number}");
        let error = match socket::open(&world.target, 0, &device).await {
            Ok(socket) => return Some(socket),
            Err(error) => error,
        };
        add(&world.counts.handshakes_failed, 1);
        world.complain(&error);
        let over = stage.wait_for(|stage| *stage == Stage::Over);
        if !error.is_transient() || tokio::time::timeout(PAUSE, over).await.is_ok() {
            return None;
        }
    }
}

impl<S, E> Publisher<S, E>
where
    S: Iterator<Item = Due>,
    E: Iterator<Item = Due>,
{
    /// Publishes until every publication has been sent and has a reply.
    async fn serve(&mut self, socket: &mut Socket) -> Result<(), Error> {
        let (world, stop) = (Arc::clone(&self.world), self.world.stop.clone());
        while let Some(wakes_at) = self.wakes_at(stop.is_cancelled()) {
            tokio::select! {
                message = socket.next() => match message {
                    Some(Ok(Message::Text(text))) => self.hear(&text),
                    Some(Ok(Message::Close(_))) | None => return Err(Error::ConnectionClosed),
                    Some(Ok(_)) => {}
                    Some(Err(error)) => return Err(error),
                },
                () = sleep_until(world.clock.instant(wakes_at)) => self.say(socket).await?,
                () = stop.cancelled(), if !stop.is_cancelled() => {}
            }
        }
        Ok(())
    }

    /// The time of the next message; `None` if every publication has a reply.
    fn wakes_at(&mut self, stopped: bool) -> Option<Micros> {
        let again = self.pending.values().min().copied();
        let planned =
            [self.schedule.peek(), self.ephemeral.peek()].into_iter().flatten().map(|due| self.begin + due.at).min();
        [again, planned.filter(|_| !stopped)].into_iter().flatten().min()
    }

    async fn say(&mut self, socket: &mut Socket) -> Result<(), Error> {
        lane::freeze(&self.world).await;
        let now = self.world.clock.now();
        let stopped = self.world.stop.is_cancelled();
        let is_due = |due: &Due| !stopped && self.begin + due.at <= now;
        let planned = self.schedule.next_if(is_due);
        if let Some(due) = planned {
            let number = self.lane.enter(&self.world, self.begin + due.at, due.measured);
            self.pending.insert(number, now);
        }
        if self.ephemeral.next_if(|due| !stopped && self.begin + due.at <= now).is_some() {
            self.said += 1;
            add(&self.world.counts.ephemeral_sent, 1);
            let text = request::ephemeral(self.world.room(self.lane.room).name(), self.said);
            self.send(socket, text).await?;
        }
        let ready: Vec<usize> = self.pending.iter().filter(|(_, at)| **at <= now).map(|(number, _)| *number).collect();
        for number in ready {
            self.pending.insert(number, now + ANSWER);
            let pid = self.world.pids.write(Pid { room: self.lane.room, number });
            let data = request::data(number, self.lane.payload_bytes);
            let text = request::publish(number as u64, self.world.room(self.lane.room).name(), &pid, &data);
            self.send(socket, text).await?;
        }
        Ok(())
    }

    async fn send(&self, socket: &mut Socket, text: String) -> Result<(), Error> {
        add(&self.world.counts.requests, 1);
        socket.send(Message::text(text)).await
    }

    fn hear(&mut self, text: &str) {
        let Frame::Answer(Answer { id: Some(id), outcome }) = Frame::read(text) else { return };
        let Some(number) = usize::try_from(id).ok().filter(|number| self.pending.contains_key(number)) else { return };
        match outcome {
            Ok(_) => {
                self.pending.remove(&number);
                self.lane.accept(&self.world, number);
            }
            Err(failure) if failure.retry => {
                add(&self.world.counts.throttled, u64::from(failure.after_ms.is_some()));
                let pause = i64::try_from(failure.after_ms.unwrap_or(500)).unwrap_or(500) * 1_000;
                self.pending.insert(number, self.world.clock.now() + pause);
            }
            Err(failure) => {
                self.pending.remove(&number);
                self.world.complain(&failure.message);
                self.world.room(self.lane.room).refuse(number);
            }
        }
    }
}

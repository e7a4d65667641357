//! A hostile connection: in some phases it repeats one request as fast as it can, and ignores the
//! pauses that refusals name.

use std::collections::BTreeMap;
use std::sync::Arc;

use futures::{SinkExt, StreamExt};
use protocol::reply::Answer;
use serde_json::{Value, json};
use tokio::time::sleep_until;
use tokio_tungstenite::tungstenite::{Error, Message};

use crate::ledger::Micros;
use crate::run::world::{Stage, World, add};
use crate::scenario::Attack;
use crate::scenario::schedule::attacks;
use crate::wire::frame::Frame;
use crate::wire::socket::{self, Socket};

/// Requests without a reply that it has at the same time.
const IN_FLIGHT: u64 = 8;
/// Rooms that it is in, as many as a connection may have.
const ROOMS: usize = domain::limits::ROOMS_PER_CONNECTION;
/// Publications of the largest size in the room whose history it reads.
const LARGE_PUBLICATIONS: usize = 40;
/// Bytes of such a publication, with its quotation marks.
const LARGE_BYTES: usize = domain::limits::DATA_BYTES;

/// Prepares the connection during the ramp, and attacks in the phases that want it.
pub async fn attack(world: Arc<World>) {
    let mut stage = world.stage();
    let over = async { stage.wait_for(|stage| *stage == Stage::Over).await.map(drop) };
    tokio::select! {
        ended = run(&world) => ended.unwrap_or_else(|error| world.complain(&error)),
        _ = over => {}
    }
}

async fn run(world: &World) -> Result<(), Error> {
    let socket = socket::open(&world.target, 0, "load-hostile").await;
    let socket = socket.map_err(|error| Error::Io(std::io::Error::other(error.to_string())))?;
    let name = format!("hostile-{}", world.pids.run());
    let mut hostile = Hostile { socket, name, requests: 0, waiting: 0 };
    hostile.prepare(world).await?;
    let mut stage = world.stage();
    let begin = match stage.wait_for(|stage| *stage != Stage::Ramp).await.as_deref() {
        Ok(Stage::Phases(begin)) => *begin,
        _ => return Ok(()),
    };
    for (attack, from, until) in attacks(&world.scenario.phases) {
        sleep_until(world.clock.instant(begin + from)).await;
        hostile.repeat(world, attack, begin + until).await?;
    }
    // The connection stays open, so that its end disturbs no one.
    while hostile.socket.next().await.is_some() {}
    Ok(())
}

struct Hostile {
    socket: Box<Socket>,
    /// The prefix of its rooms.
    name: String,
    requests: u64,
    waiting: u64,
}

impl Hostile {
    /// Joins all its rooms, and fills the log of one of them.
    async fn prepare(&mut self, world: &World) -> Result<(), Error> {
        self.send(&self.request(Attack::Sync)).await?;
        while self.waiting > 0 {
            self.hear(world).await?;
        }
        for number in 0..LARGE_PUBLICATIONS {
            // A refusal for the rate names the pause, and the same id is sent again.
            let data = "x".repeat(LARGE_BYTES - 2);
            let pid = format!("{}-{number}", self.name);
            let text = json!({ "action": "publish", "room": self.room(0), "pid": pid, "data": data });
            while let Some(pause_ms) = self.ask(world, &text).await? {
                tokio::time::sleep(std::time::Duration::from_millis(pause_ms)).await;
            }
        }
        Ok(())
    }

    /// Keeps requests in flight until this time.
    async fn repeat(&mut self, world: &World, attack: Attack, until: Micros) -> Result<(), Error> {
        let end = world.clock.instant(until);
        while world.clock.now() < until {
            while self.waiting < IN_FLIGHT {
                self.send(&self.request(attack)).await?;
                add(&world.counts.attacks, 1);
            }
            tokio::select! {
                heard = self.hear(world) => {
                    if heard?.is_some() {
                        add(&world.counts.attacks_refused, 1);
                    }
                }
                () = sleep_until(end) => break,
            }
        }
        Ok(())
    }

    /// Sends a request and waits for its reply. Returns the pause of a refusal.
    async fn ask(&mut self, world: &World, text: &Value) -> Result<Option<u64>, Error> {
        self.send(text).await?;
        loop {
            let waiting = self.waiting;
            let pause = self.hear(world).await?;
            if self.waiting < waiting {
                return Ok(pause);
            }
        }
    }

    async fn send(&mut self, text: &Value) -> Result<(), Error> {
        self.requests += 1;
        self.waiting += 1;
        let mut text = text.clone();
        text["id"] = json!(self.requests);
        self.socket.send(Message::text(text.to_string())).await
    }

    /// Receives a message. Returns the pause, if it is a refusal that names one.
    async fn hear(&mut self, world: &World) -> Result<Option<u64>, Error> {
        let text = match self.socket.next().await {
            Some(Ok(Message::Text(text))) => text,
            Some(Ok(Message::Close(_))) | None => return Err(Error::ConnectionClosed),
            Some(Ok(_)) => return Ok(None),
            Some(Err(error)) => return Err(error),
        };
        match Frame::read(&text) {
            Frame::Answer(Answer { outcome, .. }) => {
                self.waiting = self.waiting.saturating_sub(1);
                Ok(outcome.err().and_then(|failure| failure.after_ms))
            }
            // A pong, or an error of API Gateway.
            Frame::System(_) | Frame::Other => {
                self.waiting = self.waiting.saturating_sub(1);
                if matches!(Frame::read(&text), Frame::Other) {
                    world.complain(&text);
                }
                Ok(None)
            }
            Frame::Blocks(_) => Ok(None),
        }
    }

    fn room(&self, number: usize) -> String {
        format!("{}-{number}", self.name)
    }

    fn request(&self, attack: Attack) -> Value {
        let start = json!({ "ep": "none", "seq": 0 });
        let rooms = || (0..ROOMS).map(|number| (self.room(number), start.clone())).collect::<BTreeMap<_, _>>();
        let room = self.room(0);
        match attack {
            Attack::Sync => json!({ "action": "sync", "rooms": rooms() }),
            Attack::Join => json!({ "action": "join", "room": room, "since": start }),
            Attack::Leave => json!({ "action": "leave", "room": self.room(ROOMS - 1) }),
            Attack::History => json!({ "action": "history", "room": room }),
            Attack::Who => json!({ "action": "who", "room": room }),
            Attack::Ping => json!({ "action": "ping", "at": rooms() }),
            Attack::Auth => json!({ "action": "auth", "token": "a.b.c" }),
            Attack::Publish => {
                let pid = format!("{}-more-{}", self.name, self.requests);
                json!({ "action": "publish", "room": self.room(1), "pid": pid, "data": 1 })
            }
        }
    }
}

//! The census: how many members the server counts, and how many there are. A connection that was closed and is still counted is
//! a ghost.

use std::time::Duration;

use futures::{SinkExt, StreamExt};
use protocol::reply::{Answer, Who};
use serde::{Deserialize, Serialize};
use tokio::time::{Instant, sleep, timeout};
use tokio_tungstenite::tungstenite::Message;

use super::world::World;
use crate::wire::frame::Frame;
use crate::wire::request;
use crate::wire::socket::{self, Socket};

/// Rooms that are asked about, at most.
const ROOMS: usize = 100;
/// Between two questions.
const PAUSE: Duration = Duration::from_millis(500);
/// One answer.
const ANSWER: Duration = Duration::from_secs(5);

/// How many members the server counts, against how many there are.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Census {
    /// Rooms that were asked about; none if the server does not answer the question.
    pub rooms: u64,
    /// Members that the server counts, and that are not there: in excess of those that vanished without a word.
    pub ghosts: u64,
    /// Members that are there, and that the server does not count.
    pub uncounted: u64,
    /// Members that vanished without a word, and that the server may still count.
    pub vanished: u64,
    /// Examples.
    pub samples: Vec<String>,
}

/// Asks about every room until the counts are right, as long as they may take (GUARANTEES.md, 10).
pub(super) async fn take(world: &World) -> Census {
    let Ok(mut socket) = socket::open(&world.target, 0, "load-census").await else { return Census::default() };
    let until = Instant::now() + world.patience.census;
    let mut census = Census::default();
    for room in 0..world.room_count().min(ROOMS) {
        loop {
            let Some(counted) = ask(&mut socket, world, room).await else { return census };
            let (present, vanished) = (world.room(room).present() as u64, world.graves(room));
            let is_right = (present..=present + vanished).contains(&counted);
            if is_right || Instant::now() >= until {
                census.note(world.room(room).name(), counted, present, vanished);
                break;
            }
            sleep(PAUSE).await;
        }
    }
    census
}

impl Census {
    fn note(&mut self, room: &str, counted: u64, present: u64, vanished: u64) {
        self.rooms += 1;
        self.vanished += vanished;
        self.ghosts += counted.saturating_sub(present + vanished);
        self.uncounted += present.saturating_sub(counted);
        if !(present..=present + vanished).contains(&counted) {
            self.samples.push(format!("{room} has {present} members, and the server counts {counted}"));
        }
    }

    /// Adds another generator's.
    pub fn add(&mut self, other: &Self) {
        self.rooms += other.rooms;
        self.ghosts += other.ghosts;
        self.uncounted += other.uncounted;
        self.vanished += other.vanished;
        self.samples.extend(other.samples.iter().cloned());
    }
}

/// How many the server counts; none if it does not say.
async fn ask(socket: &mut Socket, world: &World, room: usize) -> Option<u64> {
    let text = request::who(1, world.room(room).name());
    socket.send(Message::text(text)).await.ok()?;
    let answer = async {
        while let Some(Ok(message)) = socket.next().await {
            let Message::Text(text) = message else { continue };
            if let Frame::Answer(Answer { outcome, .. }) = Frame::read(&text) {
                return outcome.ok().and_then(|done| Answer::done::<Who>(&done).ok()).map(|who| who.members);
            }
        }
        None
    };
    timeout(ANSWER, answer).await.ok().flatten()
}

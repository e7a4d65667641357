//! The census: compares the server's count of members with the actual number. A member that is
//! still counted after its connection was closed is a ghost.

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

/// Maximum rooms to compare.
const ROOMS: usize = 100;
/// Pause between two requests.
const PAUSE: Duration = Duration::from_millis(500);
/// Timeout of one reply.
const ANSWER: Duration = Duration::from_secs(5);

/// The server's counts of members, compared with the actual numbers.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Census {
    /// Compared rooms; 0 if the server does not answer `who`.
    pub rooms: u64,
    /// Members that the server counts although they have left, beyond those that vanished.
    pub ghosts: u64,
    /// Members that are in their room and not counted by the server.
    pub uncounted: u64,
    /// Members whose connections were left open unread. The server may still count them.
    pub vanished: u64,
    /// Examples of wrong counts.
    pub samples: Vec<String>,
}

/// The census ends after this many times the guaranteed time, even while members come and go.
const LONGEST: u32 = 6;

/// Requests the count of every room until it is correct, for at most the guaranteed time after the
/// last change of the number of its members (GUARANTEES.md, 10).
pub(super) async fn take(world: &World) -> Census {
    let Ok(mut socket) = socket::open(&world.target, 0, "load-census").await else { return Census::default() };
    let began = Instant::now();
    let mut until = began + world.patience.census;
    let mut census = Census::default();
    for room in 0..world.room_count().min(ROOMS) {
        let mut before = world.room(room).present();
        loop {
            let Some(counted) = ask(&mut socket, world, room).await else { return census };
            let now_present = world.room(room).present();
            if std::mem::replace(&mut before, now_present) != now_present {
                until = (Instant::now() + world.patience.census).min(began + world.patience.census * LONGEST);
            }
            let (present, vanished) = (now_present as u64, world.graves(room));
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

    /// Adds the census of another generator.
    pub fn add(&mut self, other: &Self) {
        self.rooms += other.rooms;
        self.ghosts += other.ghosts;
        self.uncounted += other.uncounted;
        self.vanished += other.vanished;
        self.samples.extend(other.samples.iter().cloned());
    }
}

/// Requests the server's count of a room; `None` without a reply.
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

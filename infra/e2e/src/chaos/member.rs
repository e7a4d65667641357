//! One member: an application around the real client library that records all its events.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use domain::{Data, Device, PublicationId, RoomId, Sequence};
use roomcast_client::connection::{Events, Handle, Options, PublishError, connect};
use roomcast_client::rules::Event;
use tokio::sync::mpsc;

use super::ledger::{Ledger, Session};

/// Most events that wait for the application. There are so many that the client never blocks.
const EVENTS_WAITING: usize = 1 << 16;

/// A publication whose publisher received the answer that it is accepted.
#[derive(Debug)]
pub(super) struct Accepted {
    pub(super) room: RoomId,
    pub(super) pid: PublicationId,
    /// Position of the publisher before it published. The publication must have a later one.
    pub(super) after: Option<Sequence>,
}

/// The results of the publications of all members.
#[derive(Debug, Default)]
pub(super) struct Published {
    pub(super) accepted: Mutex<Vec<Accepted>>,
    pub(super) rejected: Mutex<Vec<String>>,
    /// Publications without an answer so far.
    pub(super) waiting: AtomicU64,
    /// Publications whose member restarted before the answer.
    pub(super) unknown: AtomicU64,
}

/// A request to a member.
#[derive(Debug)]
pub(super) enum Ask {
    /// Publish to one of its rooms: the one at this place, modulo the number of its rooms.
    Publish(usize, PublicationId),
    /// Leave the room if the member is in it, or join it.
    Toggle(RoomId),
    /// End the application, and start it again from its stored positions.
    Restart,
    /// Return the number of members that the server reports for a room.
    Count(RoomId, tokio::sync::oneshot::Sender<Option<u64>>),
}

/// The handle of a member.
#[derive(Debug)]
pub(super) struct Member {
    asks: mpsc::UnboundedSender<Ask>,
    ledger: Arc<Mutex<Ledger>>,
}

/// A running member.
struct Application {
    options: Options,
    handle: Handle,
    events: Events,
    ledger: Arc<Mutex<Ledger>>,
    published: Arc<Published>,
}

pub(super) fn locked<T>(value: &Mutex<T>) -> MutexGuard<'_, T> {
    value.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Member {
    /// Starts the member, which joins its rooms.
    pub(super) async fn start(url: &str, name: &str, seed: u64, rooms: Vec<RoomId>, published: Arc<Published>) -> Self {
        let mut options = Options::new(url).with_device(Some(Device::parse(name).unwrap()));
        options.seed = seed;
        options.events_waiting = EVENTS_WAITING;
        let (handle, events) = connect(options.clone()).unwrap();
        let ledger = Arc::new(Mutex::new(Ledger::new(name.to_owned())));
        let application = Application { options, handle, events, ledger: Arc::clone(&ledger), published };
        for room in rooms {
            application.join(room).await;
        }
        let (asks, asked) = mpsc::unbounded_channel();
        tokio::spawn(application.run(asked));
        Self { asks, ledger }
    }

    pub(super) fn ask(&self, what: Ask) {
        // The ledger of a member that has ended shows that.
        drop(self.asks.send(what));
    }

    pub(super) fn ledger(&self) -> MutexGuard<'_, Ledger> {
        locked(&self.ledger)
    }
}

impl Application {
    async fn run(mut self, mut asked: mpsc::UnboundedReceiver<Ask>) {
        loop {
            tokio::select! {
                event = self.events.next() => match event {
                    Some(event) => self.hear(event),
                    None => return locked(&self.ledger).find("ended by itself".to_owned()),
                },
                ask = asked.recv() => match ask {
                    Some(ask) => self.obey(ask).await,
                    None => return self.handle.close().await,
                },
            }
        }
    }

    fn hear(&self, event: Event) {
        let mut ledger = locked(&self.ledger);
        match event {
            Event::Joined { room, head, .. } => ledger.joined(&room, head),
            Event::Message(message) => {
                ledger.heard(&message.room, &message.at.epoch, message.at.sequence, message.pid);
            }
            Event::Left { room } => ledger.left(&room),
            Event::Missed { room, from, to } => {
                ledger.find(format!("was notified of a gap from {:?} to {:?} in {room}", from.sequence, to.sequence));
            }
            Event::Removed { room, code } => ledger.find(format!("was removed from {room}: {code}")),
            Event::Refused { room, failure } => ledger.find(format!("was refused in {room}: {}", failure.message)),
            Event::Ended { because } => ledger.find(format!("ended: {because}")),
            _ => {}
        }
    }

    async fn obey(&mut self, ask: Ask) {
        match ask {
            Ask::Publish(place, pid) => self.publish(place, pid),
            Ask::Toggle(room) => self.toggle(room).await,
            Ask::Restart => self.restart().await,
            Ask::Count(room, told) => {
                let handle = self.handle.clone();
                tokio::spawn(async move {
                    let who = handle.who(room, None, 1).await;
                    // The receiver may be dropped.
                    let _ = told.send(who.ok().map(|who| who.members));
                });
            }
        }
    }

    fn publish(&self, place: usize, pid: PublicationId) {
        let at = |session: &Session| (session.room.clone(), session.position().map(|at| at.sequence));
        let rooms: Vec<_> = locked(&self.ledger).all_open().map(at).collect();
        if rooms.is_empty() {
            return;
        }
        let (room, after) = rooms[place % rooms.len()].clone();
        let (handle, published) = (self.handle.clone(), Arc::clone(&self.published));
        published.waiting.fetch_add(1, Ordering::SeqCst);
        tokio::spawn(async move {
            let data = Data::text(pid.as_ref()).unwrap();
            let outcome = match handle.publish_as(room.clone(), pid.clone(), data).await {
                Ok(receipt) => receipt.accepted().await.map(drop),
                Err(error) => Err(error),
            };
            match outcome {
                Ok(()) => locked(&published.accepted).push(Accepted { room, pid, after }),
                Err(PublishError::NotTaken(_)) => drop(published.unknown.fetch_add(1, Ordering::SeqCst)),
                Err(error) => locked(&published.rejected).push(format!("{pid} in {room} was rejected: {error}")),
            }
            published.waiting.fetch_sub(1, Ordering::SeqCst);
        });
    }

    async fn toggle(&self, room: RoomId) {
        let leaves = locked(&self.ledger).open(&room).map(|session| std::mem::replace(&mut session.leaving, true));
        match leaves {
            None => self.join(room).await,
            Some(false) => drop(self.handle.leave(room).await),
            // The member is already leaving the room.
            Some(true) => {}
        }
    }

    async fn join(&self, room: RoomId) {
        locked(&self.ledger).begin(room.clone());
        self.handle.join(room, None).await.unwrap();
    }

    /// Restarts the client. Events that the application has not read are lost, and the client
    /// requests them again from the stored positions.
    async fn restart(&mut self) {
        let (handle, events) = connect(self.options.clone()).unwrap();
        (self.handle, self.events) = (handle, events);
        let rooms: Vec<_> = {
            let mut ledger = locked(&self.ledger);
            for session in ledger.sessions.iter_mut().filter(|session| session.leaving) {
                session.is_over = true;
            }
            ledger.all_open().map(|session| (session.room.clone(), session.position())).collect()
        };
        for (room, position) in rooms {
            self.handle.join(room, position).await.unwrap();
        }
    }
}

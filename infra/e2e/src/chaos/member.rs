//! One member: an application around the real client library, which writes down all it is told.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use domain::{Data, Device, PublicationId, RoomId, Sequence};
use roomcast_client::connection::{Events, Handle, Options, PublishError, connect};
use roomcast_client::rules::Event;
use tokio::sync::mpsc;

use super::ledger::{Ledger, Session};

/// Events that may wait for the application: so many that nobody ever waits for it.
const EVENTS_WAITING: usize = 1 << 16;

/// A publication that its publisher was told to be accepted.
#[derive(Debug)]
pub(super) struct Accepted {
    pub(super) room: RoomId,
    pub(super) pid: PublicationId,
    /// Where its publisher was before it published: the publication can only come later.
    pub(super) after: Option<Sequence>,
}

/// What became of the publications of all members.
#[derive(Debug, Default)]
pub(super) struct Published {
    pub(super) accepted: Mutex<Vec<Accepted>>,
    pub(super) rejected: Mutex<Vec<String>>,
    /// Without an answer yet.
    pub(super) waiting: AtomicU64,
    /// The member restarted before there was an answer.
    pub(super) unknown: AtomicU64,
}

/// What a member is asked to do.
#[derive(Debug)]
pub(super) enum Ask {
    /// Publish to one of its rooms: the one at this place, counted around.
    Publish(usize, PublicationId),
    /// Leave a room, or join it.
    Toggle(RoomId),
    /// End the application, and start it again from what it remembers.
    Restart,
    /// How many members a room has, as the server says.
    Count(RoomId, tokio::sync::oneshot::Sender<Option<u64>>),
}

/// A member, as seen from outside.
#[derive(Debug)]
pub(super) struct Member {
    asks: mpsc::UnboundedSender<Ask>,
    ledger: Arc<Mutex<Ledger>>,
}

/// A member that runs.
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
    /// Starts, and joins its rooms.
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
        // One that has ended is found by its ledger.
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
                ledger.find(format!("was told that it missed {:?} to {:?} of {room}", from.sequence, to.sequence));
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
                    // Whoever asked may have given up.
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
            // It leaves already.
            Some(true) => {}
        }
    }

    async fn join(&self, room: RoomId) {
        locked(&self.ledger).begin(room.clone());
        self.handle.join(room, None).await.unwrap();
    }

    /// What waited for the application and was not heard is forgotten, and asked for again from what it remembers.
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

//! The gateway's management API; the test controls the peers of its connections.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use domain::ports::{self, Clock, Error, Result};
use domain::{ConnectionId, Delivery, Endpoint, Probe, Timestamp, limits};

use crate::clock::TurnedClock;

/// A gateway in memory: the test opens and closes connections and sets the behaviour of each. A
/// post to a connection that was never opened gets 410, as after the end of a connection or before
/// `$connect` has finished. Clones are the same gateway.
#[derive(Debug, Clone)]
pub struct Gateway {
    clock: TurnedClock,
    state: Arc<Mutex<State>>,
}

/// The behaviour of a connection when it is posted to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Behaviour {
    /// Frames arrive, and the answer is a success.
    #[default]
    Takes,
    /// The buffer is full: a post gets 429, while a probe reports that the connection is alive.
    BufferFull,
    /// Frames do not arrive, and no answer comes: a post fails after [`limits::POST_TIMEOUT`].
    Hangs,
    /// Frames arrive, and the answer is lost: a post fails after [`limits::POST_TIMEOUT`].
    LosesAnswers,
}

/// One post, with its outcome.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Post {
    /// The endpoint that was used.
    pub endpoint: Endpoint,
    /// The connection that was posted to.
    pub connection: ConnectionId,
    /// The outcome that the caller got.
    pub delivery: Delivery,
    /// When the caller got it.
    pub at: Timestamp,
}

#[derive(Debug, Default)]
struct State {
    peers: BTreeMap<ConnectionId, Peer>,
    posts: Vec<Post>,
    throttled_calls: usize,
    latency: Duration,
    in_flight: usize,
    most_in_flight: usize,
}

#[derive(Debug, Default)]
struct Peer {
    open: bool,
    last_active_at: Timestamp,
    behaviour: Behaviour,
    /// Outcomes of the next posts, which take precedence over the behaviour.
    scripted: VecDeque<Delivery>,
    frames: Vec<Bytes>,
}

impl Gateway {
    /// A gateway without connections that answers at once.
    #[must_use]
    pub fn new(clock: TurnedClock) -> Self {
        Self { clock, state: Arc::default() }
    }

    /// Opens a connection.
    pub fn open(&self, connection: &ConnectionId) {
        let now = self.clock.now();
        self.with_peer(connection, |peer| {
            peer.open = true;
            peer.last_active_at = now;
        });
    }

    /// Ends a connection from the client's side: posts to it get 410.
    pub fn hang_up(&self, connection: &ConnectionId) {
        self.with_peer(connection, |peer| peer.open = false);
    }

    /// Records traffic of the client, which a probe reports as the last activity.
    pub fn hear(&self, connection: &ConnectionId) {
        let now = self.clock.now();
        self.with_peer(connection, |peer| peer.last_active_at = now);
    }

    /// Sets the behaviour of a connection from now on.
    pub fn behave(&self, connection: &ConnectionId, behaviour: Behaviour) {
        self.with_peer(connection, |peer| peer.behaviour = behaviour);
    }

    /// Sets the outcomes of the next posts to a connection, before any behaviour. Of these, only
    /// `Delivered` lets the frame arrive.
    pub fn answer_next(&self, connection: &ConnectionId, deliveries: impl IntoIterator<Item = Delivery>) {
        self.with_peer(connection, |peer| peer.scripted.extend(deliveries));
    }

    /// Throttles the account: the next `calls` of any kind get 429, for any connection.
    pub fn throttle_next(&self, calls: usize) {
        self.lock().throttled_calls = calls;
    }

    /// Sets the time that an answer takes by the clock, initially zero. A caller waits no longer
    /// than [`limits::POST_TIMEOUT`]: a slower post has arrived but fails, and a slower probe
    /// fails.
    pub fn set_latency(&self, latency: Duration) {
        self.lock().latency = latency;
    }

    /// Reports whether the connection is open.
    #[must_use]
    pub fn is_open(&self, connection: &ConnectionId) -> bool {
        self.lock().peers.get(connection).is_some_and(|peer| peer.open)
    }

    /// All frames that a client has received, in order.
    #[must_use]
    pub fn frames(&self, connection: &ConnectionId) -> Vec<Bytes> {
        let state = self.lock();
        let frames = state.peers.get(connection).map(|peer| peer.frames.clone());
        frames.unwrap_or_default()
    }

    /// Every post, in the order of the answers.
    #[must_use]
    pub fn posts(&self) -> Vec<Post> {
        self.lock().posts.clone()
    }

    /// The largest number of calls in flight at the same time. Calls overlap only if answers take
    /// time.
    #[must_use]
    pub fn most_in_flight(&self) -> usize {
        self.lock().most_in_flight
    }

    /// Makes one call: it takes its time, and then `answer` decides its result.
    async fn call<T>(&self, patience: Duration, answer: impl FnOnce(&mut State, Timestamp) -> T) -> T {
        let flight = Flight::begin(self);
        let latency = self.lock().latency.max(patience).min(limits::POST_TIMEOUT);
        if !latency.is_zero() {
            self.clock.sleep(latency).await;
        }
        drop(flight);
        let now = self.clock.now();
        answer(&mut self.lock(), now)
    }

    fn with_peer(&self, connection: &ConnectionId, change: impl FnOnce(&mut Peer)) {
        change(self.lock().peers.entry(connection.clone()).or_default());
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl ports::Gateway for Gateway {
    async fn post(&self, endpoint: &Endpoint, connection: &ConnectionId, frame: Bytes) -> Delivery {
        let patience = self.lock().patience(connection);
        let answer = |state: &mut State, at| {
            let delivery = state.deliver(connection, frame, at);
            let delivery = if state.is_too_slow() { Delivery::Failed } else { delivery };
            state.posts.push(Post { endpoint: endpoint.clone(), connection: connection.clone(), delivery, at });
            delivery
        };
        self.call(patience, answer).await
    }

    async fn probe(&self, _: &Endpoint, connection: &ConnectionId) -> Result<Probe> {
        let answer = |state: &mut State, _| {
            if state.is_too_slow() {
                return Err(Error::Unavailable { operation: "memory probe", source: "no answer in time".into() });
            }
            if state.throttled() {
                return Ok(Probe::Throttled);
            }
            let open = state.peers.get(connection).filter(|peer| peer.open);
            Ok(open.map_or(Probe::Gone, |peer| Probe::Alive { last_active_at: peer.last_active_at }))
        };
        self.call(Duration::ZERO, answer).await
    }

    async fn close(&self, _: &Endpoint, connection: &ConnectionId) -> Result<()> {
        let answer = |state: &mut State, _| {
            if state.throttled() {
                let operation = "memory close";
                return Err(Error::Throttled { operation });
            }
            if let Some(peer) = state.peers.get_mut(connection) {
                peer.open = false;
            }
            Ok(())
        };
        self.call(Duration::ZERO, answer).await
    }
}

impl State {
    /// The time for which a post to this connection hangs.
    fn patience(&self, connection: &ConnectionId) -> Duration {
        match self.peers.get(connection) {
            Some(peer) if peer.open && peer.scripted.is_empty() => match peer.behaviour {
                Behaviour::Hangs | Behaviour::LosesAnswers => limits::POST_TIMEOUT,
                Behaviour::Takes | Behaviour::BufferFull => Duration::ZERO,
            },
            _ => Duration::ZERO,
        }
    }

    /// Reports whether an answer takes longer than its caller waits.
    fn is_too_slow(&self) -> bool {
        self.latency > limits::POST_TIMEOUT
    }

    fn throttled(&mut self) -> bool {
        let throttled = self.throttled_calls > 0;
        self.throttled_calls = self.throttled_calls.saturating_sub(1);
        throttled
    }

    fn deliver(&mut self, connection: &ConnectionId, frame: Bytes, now: Timestamp) -> Delivery {
        if self.throttled() {
            return Delivery::Throttled;
        }
        if frame.len() > limits::GATEWAY_MESSAGE_BYTES {
            return Delivery::TooLarge;
        }
        let Some(peer) = self.peers.get_mut(connection) else {
            return Delivery::Gone;
        };
        let (arrives, delivery) = peer.outcome();
        if arrives {
            peer.frames.push(frame);
            peer.last_active_at = now;
        }
        delivery
    }
}

impl Peer {
    /// The outcome of a post, and whether its frame arrives.
    fn outcome(&mut self) -> (bool, Delivery) {
        if let Some(delivery) = self.scripted.pop_front() {
            return (delivery == Delivery::Delivered, delivery);
        }
        match self.behaviour {
            _ if !self.open => (false, Delivery::Gone),
            Behaviour::Takes => (true, Delivery::Delivered),
            Behaviour::BufferFull => (false, Delivery::Throttled),
            Behaviour::Hangs => (false, Delivery::Failed),
            Behaviour::LosesAnswers => (true, Delivery::Failed),
        }
    }
}

/// A call in flight; dropping it ends the count, also for a cancelled call.
struct Flight<'a>(&'a Gateway);

impl<'a> Flight<'a> {
    fn begin(gateway: &'a Gateway) -> Self {
        let mut state = gateway.lock();
        state.in_flight += 1;
        state.most_in_flight = state.most_in_flight.max(state.in_flight);
        drop(state);
        Self(gateway)
    }
}

impl Drop for Flight<'_> {
    fn drop(&mut self) {
        self.0.lock().in_flight -= 1;
    }
}

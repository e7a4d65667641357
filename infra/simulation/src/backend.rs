//! Backends: their events, outbox rows and commands, and the poison among them.

use std::time::Duration;

use domain::{ConnectionId, RoomId, Timestamp, UserId, limits};

use crate::due::Due;
use crate::faults::Fault;
use crate::feeds::Loose;
use crate::kind::Kind;
use crate::ordered::Ordered;
use crate::run::Run;
use crate::sources;
use crate::stake::Stake;

/// The topic whose messages may carry commands.
pub(crate) const COMMANDS: &str = "commands";
/// A command has been carried out within this time.
const OBEYED_WITHIN: Duration = Duration::from_secs(2);

/// Everything that backends sent in a run.
#[derive(Debug, Default)]
pub(crate) struct Backend {
    /// Published events and rows: the room, and the id.
    pub(crate) published: Vec<(RoomId, String)>,
    /// Events of ordered groups, in the order in which they were published.
    pub(crate) in_order: Vec<Ordered>,
    /// The ids of events and rows that can never be published.
    pub(crate) poison: Vec<String>,
    /// Commands of backends, by number.
    pub(crate) orders: Vec<Order>,
}

/// A command of a backend for a user.
#[derive(Debug, Clone)]
pub(crate) struct Order {
    user: UserId,
    what: What,
    at: Timestamp,
}

/// The kind of a command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum What {
    /// Makes the user a member of the room.
    Join(RoomId),
    /// Removes the user from the room.
    Remove(RoomId),
    /// Closes all connections of the user.
    Close,
    /// Closes all connections of the user, and keeps it out until this moment.
    Ban(Timestamp),
    /// Closes the connections of the user whose tokens were issued before this moment, and refuses
    /// these tokens for good.
    Revoke(Timestamp),
}

impl What {
    fn name(&self) -> &'static str {
        match self {
            Self::Join(_) => "join",
            Self::Remove(_) => "remove",
            Self::Close => "close",
            Self::Ban(_) => "ban",
            Self::Revoke(_) => "revoke",
        }
    }
}

impl Backend {
    /// Reports whether a backend ever sent this command for a user.
    #[must_use]
    pub(crate) fn ordered(&self, user: &UserId, what: &What) -> bool {
        self.orders.iter().any(|order| order.user == *user && order.what == *what)
    }

    /// Reports whether a backend ever closed the connections of a user.
    #[must_use]
    pub(crate) fn closed(&self, user: &UserId) -> bool {
        let closes = |what: &What| matches!(what, What::Close | What::Ban(_) | What::Revoke(_));
        self.orders.iter().any(|order| order.user == *user && closes(&order.what))
    }

    /// Returns the end of the latest ban of a user.
    #[must_use]
    pub(crate) fn banned_until(&self, user: &UserId) -> Option<Timestamp> {
        let until = |order: &Order| match order.what {
            What::Ban(until) if order.user == *user => Some(until),
            _ => None,
        };
        self.orders.iter().filter_map(until).max()
    }

    /// Reports whether a backend ever joined a user to a room, removed it from the room, or closed
    /// its connections.
    #[must_use]
    pub(crate) fn ordered_in(&self, user: &UserId, room: &RoomId) -> bool {
        let concerns = |what: &What| match what {
            What::Join(ordered) | What::Remove(ordered) => ordered == room,
            What::Close | What::Ban(_) | What::Revoke(_) => true,
        };
        self.orders.iter().any(|order| order.user == *user && concerns(&order.what))
    }
}

impl Run {
    /// Publishes an event, as a backend does.
    pub(crate) fn event_of_a_backend(&mut self, room: RoomId) {
        self.published += 1;
        let id = format!("event{}", self.published);
        let body = format!(r#"{{"room":"{room}","id":"{id}","data":{}}}"#, self.published);
        self.tell_queue(body, None);
        self.said_at.insert(id.clone(), self.now());
        self.backend.published.push((room, id));
    }

    /// Writes an outbox row, as a backend does.
    pub(crate) fn row_of_a_backend(&mut self, room: RoomId) {
        self.published += 1;
        let id = format!("row{}", self.published);
        self.feeds.row(|number| sources::row(&id, Some(&room), number), self.published % 2 == 1);
        self.said_at.insert(id.clone(), self.now());
        self.backend.published.push((room, id));
    }

    /// Publishes an event or writes a row that cannot be parsed.
    pub(crate) fn poison_of_a_backend(&mut self, in_the_outbox: bool) {
        self.published += 1;
        let id = format!("poison{}", self.published);
        self.shared.lock().faults.note(Fault::Poison);
        if in_the_outbox {
            self.feeds.row(|number| sources::row(&id, None, number), false);
        } else {
            self.tell_queue(format!(r#"{{"room":"nowhere at all","id":"{id}","data":1}}"#), None);
        }
        self.backend.poison.push(id);
    }

    /// Sends a command for a user, as a backend does.
    pub(crate) fn order(&mut self, user: UserId, what: What) {
        let number = self.backend.orders.len();
        let said = match &what {
            What::Join(room) => format!(r#"{{"command":"join","user":"{user}","room":"{room}"}}"#),
            What::Remove(room) => format!(r#"{{"command":"remove","user":"{user}","room":"{room}"}}"#),
            What::Close => format!(r#"{{"command":"close","user":"{user}"}}"#),
            What::Ban(until) => format!(r#"{{"command":"ban","user":"{user}","until":{}}}"#, until.as_ms()),
            What::Revoke(before) => {
                format!(r#"{{"command":"revoke","user":"{user}","issued_before":{}}}"#, before.as_ms())
            }
        };
        self.backend.orders.push(Order { user, what, at: self.shared.lock().now });
        self.tell_queue(said, Some(number));
        let mut core = self.shared.lock();
        if core.faults.is_calm() {
            let began = core.now;
            core.at(began.plus(OBEYED_WITHIN), Due::Ordered(number, began));
        }
    }

    /// Checks that a connection is not accepted while its user is banned, or with a revoked token.
    /// Without faults a ban counts when its command has been carried out.
    pub(crate) fn check_not_banned(&self, user: &UserId, issued_at: Timestamp, began: Timestamp) {
        let mut core = self.shared.lock();
        if !core.faults.is_calm() {
            return;
        }
        let keeps_out = |what: &What| match *what {
            What::Ban(until) => core.now < until,
            What::Revoke(before) => issued_at < before,
            _ => false,
        };
        let counts = |order: &&Order| order.user == *user && order.at.plus(OBEYED_WITHIN) < began;
        let order = self.backend.orders.iter().filter(counts).find(|order| keeps_out(&order.what));
        if let Some(order) = order {
            let why = order.what.name();
            core.broke(Kind::Admitted, format!("a connection of {user} was accepted in spite of the command {why}"));
        }
    }

    fn tell_queue(&mut self, body: String, order: Option<usize>) {
        let twice = self.shared.lock().fires(Fault::ToldTwice, || "a topic".to_owned());
        for _ in 0..1 + u64::from(twice) {
            let message = match order {
                Some(order) => Loose::command(body.clone(), order),
                None => Loose::event(body.clone()),
            };
            self.feeds.loose(message, self.now());
        }
    }

    /// A command that was sent before `began` has been carried out on every connection that was
    /// stored by then.
    pub(crate) fn check_obeyed(&self, number: usize, began: Timestamp) {
        let Order { user, what, .. } = self.backend.orders[number].clone();
        let inbox = RoomId::inbox(&user);
        let known = self.belonged.iter().filter(|((_, room), belonging)| {
            // A closed connection has left its inbox by then.
            let there = belonging.left.is_none_or(|left| left >= began);
            *room == inbox && there && belonging.since < began
        });
        let connections: Vec<ConnectionId> = known.map(|((connection, _), _)| connection.clone()).collect();
        for connection in connections {
            self.shared.lock().weigh(Stake::Obeyed);
            if let Some(how) = self.is_disobeyed(&connection, &what, began) {
                self.shared.lock().broke(
                    Kind::NotObeyed,
                    format!("the command {} for {user} had no effect: {connection} {how}", what.name()),
                );
            }
        }
    }

    /// Returns how far ahead the clock of a function may be.
    fn clocks_differ(&self) -> Duration {
        if self.shared.lock().faults.is_calm() { Duration::ZERO } else { limits::CLOCKS_DIFFER }
    }

    fn is_disobeyed(&self, connection: &ConnectionId, what: &What, began: Timestamp) -> Option<&'static str> {
        let store = &self.pipeline.store;
        let belonging = |room: &RoomId| self.belonged.get(&(connection.clone(), room.clone()));
        match what {
            What::Join(room) => {
                let left_since = belonging(room).and_then(|one| one.left).is_some_and(|left| left >= began);
                let there = store.membership(connection, room).is_some() || store.is_buried(connection);
                (!there && !left_since).then_some("is no member")
            }
            What::Remove(room) => {
                let joined_since = belonging(room).is_some_and(|one| one.since >= began);
                (store.membership(connection, room).is_some() && !joined_since).then_some("still is a member")
            }
            // A ban that was over when the command was repeated closes nothing.
            What::Ban(until) if *until <= self.now().plus(self.clocks_differ()) => None,
            // The connection has shown a token that is not revoked.
            What::Revoke(before) if self.last_token_issued(connection) >= Some(*before) => None,
            What::Close | What::Ban(_) | What::Revoke(_) => {
                let open = self.shared.lock().sockets.get(connection).is_some_and(|socket| socket.open);
                open.then_some("is open")
            }
        }
    }

    /// Returns the latest time of issue of the tokens that a connection has shown.
    fn last_token_issued(&self, connection: &ConnectionId) -> Option<Timestamp> {
        self.shared.lock().sockets.get(connection).map(|socket| socket.rights.issued_at)
    }

    /// Reports whether a dead letter contains the event or row that a backend published under an
    /// id.
    pub(crate) fn is_dead(&self, id: &str) -> bool {
        let dead = self.pipeline.queues.dead.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        dead.iter().any(|letter| letter.body.contains(id))
    }

    /// Each event or row that can never be published is a dead letter with its reason.
    pub(crate) fn check_dead_letters(&self) {
        let dead = self.pipeline.queues.dead.lock().unwrap_or_else(std::sync::PoisonError::into_inner).clone();
        for poison in &self.backend.poison {
            self.shared.lock().weigh(Stake::Buried);
            let is_buried = dead.iter().any(|letter| letter.body.contains(poison) && !letter.reason.is_empty());
            if !is_buried && !self.feeds.was_passed_over(poison) {
                self.shared.lock().broke(Kind::NotBuried, format!("{poison} is no dead letter"));
            }
        }
    }
}

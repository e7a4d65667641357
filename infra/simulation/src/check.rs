//! A model, too simple to be wrong, of what must hold: what an application receives in each room,
//! and what the log contains at the end.

use std::collections::{BTreeMap, BTreeSet};

use domain::{Position, Publication, PublicationId, RoomId, UserId, limits};
use roomcast_client::rules::{Event, Message};

use crate::kind::{Broken, Kind};
use crate::story::standing;

/// Everything that one application has received.
#[derive(Debug, Default)]
pub struct Heard {
    rooms: BTreeMap<RoomId, Position>,
    messages: Vec<Message>,
    ids: BTreeSet<(RoomId, UserId, PublicationId)>,
    accepted: BTreeSet<(RoomId, PublicationId)>,
    told_who_is_there: bool,
    /// The last received count of each room.
    pub counts: BTreeMap<RoomId, u64>,
}

impl Heard {
    /// The application joins a room, from this position on.
    pub fn asks(&mut self, room: &RoomId, since: Option<Position>) {
        if let Some(since) = since {
            self.rooms.insert(room.clone(), since);
        }
    }

    /// The position through which the application has received a room; `None` if it is not a
    /// member.
    #[must_use]
    pub fn position(&self, room: &RoomId) -> Option<&Position> {
        self.rooms.get(room)
    }

    /// Removes a room: the application is not a member any more.
    pub fn forgets(&mut self, room: &RoomId) {
        self.rooms.remove(room);
        self.counts.remove(room);
    }

    /// Advances the position of a room: the application need not receive the publication there.
    pub fn passes_over(&mut self, room: &RoomId, at: Position) {
        self.rooms.insert(room.clone(), at);
    }

    /// The publications of this application that were accepted.
    #[must_use]
    pub fn accepted(&self) -> &BTreeSet<(RoomId, PublicationId)> {
        &self.accepted
    }

    /// Reports whether the application ever received the presence of a room.
    #[must_use]
    pub fn was_told_who_is_there(&self) -> bool {
        self.told_who_is_there
    }

    /// All publications that the application received.
    #[must_use]
    pub fn messages(&self) -> &[Message] {
        &self.messages
    }

    /// Records an event for the application. Returns the broken promise, if the event breaks one.
    /// `restored` are rooms that began a new epoch after a restore.
    pub fn hear(&mut self, event: &Event, restored: &BTreeSet<RoomId>) -> Option<Broken> {
        let broken = |kind, what: String| Some(Broken { kind, what });
        match event {
            Event::Joined { room, head, .. } => {
                // Publications after the requested position may arrive before the reply.
                self.rooms.entry(room.clone()).or_insert_with(|| head.clone());
                None
            }
            Event::Message(message) => self.message(message),
            Event::Missed { room, from, to } => {
                let at = self.rooms.insert(room.clone(), to.clone());
                let began_anew = from.epoch != to.epoch && restored.contains(room);
                let too_many = to.sequence.get().saturating_sub(from.sequence.get()) > limits::RESUME_PUBLICATIONS;
                if began_anew || too_many || restored.contains(room) {
                    return None;
                }
                broken(
                    Kind::Lost,
                    format!(
                        "{room} is reported as missed from {} to {}, and was received through {}",
                        standing(Some(from)),
                        standing(Some(to)),
                        standing(at.as_ref())
                    ),
                )
            }
            Event::Resumed { room, at, .. } => {
                let heard = self.rooms.get(room);
                if heard == Some(at) {
                    return None;
                }
                broken(
                    Kind::FalseRecovered,
                    format!(
                        "{room} is reported as whole at {}, but was received through {}",
                        standing(Some(at)),
                        standing(heard)
                    ),
                )
            }
            Event::Left { room } | Event::Removed { room, .. } => {
                self.forgets(room);
                None
            }
            Event::Refused { room, failure } => broken(Kind::Refused, format!("{room}: {}", failure.message)),
            Event::Rejected { room, pid, failure } => {
                broken(Kind::Refused, format!("{pid} in {room}: {}", failure.message))
            }
            Event::Ended { because } => broken(Kind::Refused, format!("the client has ended: {because}")),
            Event::Accepted { room, pid } => {
                self.accepted.insert((room.clone(), pid.clone()));
                None
            }
            Event::Presence { room, members, .. } => {
                self.told_who_is_there = true;
                self.counts.insert(room.clone(), *members);
                None
            }
            Event::Offline { .. } => {
                // A client without a connection receives no counts, and requests them after its
                // reconnect.
                self.counts.clear();
                None
            }
            Event::Online | Event::Ephemeral { .. } | Event::Repeated { .. } => None,
            Event::History { .. } | Event::Who { .. } => None,
        }
    }

    fn message(&mut self, message: &Message) -> Option<Broken> {
        let Message { room, at, pid, by, .. } = message;
        let broken = |kind, why: &str| {
            Some(Broken { kind, what: format!("{pid} by {by} at {} in {room} {why}", standing(Some(at))) })
        };
        let again = !self.ids.insert((room.clone(), by.clone(), pid.clone()));
        self.messages.push(message.clone());
        let Some(heard) = self.rooms.insert(room.clone(), at.clone()) else {
            return broken(Kind::LateAfterLeave, "was received, but the application is not in the room");
        };
        if heard.epoch != at.epoch {
            return broken(Kind::Misordered, "is of another epoch, without a notice of a new one");
        }
        if at.sequence <= heard.sequence {
            return broken(if again { Kind::Duplicated } else { Kind::Misordered }, "was received after a later one");
        }
        if at.sequence != heard.sequence.next() {
            return broken(Kind::Lost, &format!("was received right after {}", standing(Some(&heard))));
        }
        again.then(|| Broken { kind: Kind::Duplicated, what: format!("{pid} by {by} in {room} was received twice") })
    }
}

/// The publications with positions in a room, and the number of positions of each publication id.
#[derive(Debug, Default)]
pub struct Truth {
    by_position: BTreeMap<(String, u64), Publication>,
    by_id: BTreeMap<(UserId, PublicationId), u64>,
}

impl Truth {
    /// Collects every publication of one room.
    #[must_use]
    pub fn of(publications: Vec<Publication>) -> Self {
        let mut truth = Self::default();
        for publication in publications {
            *truth.by_id.entry((publication.by.clone(), publication.id.clone())).or_default() += 1;
            let at = (publication.position.epoch.to_string(), publication.position.sequence.get());
            truth.by_position.insert(at, publication);
        }
        truth
    }

    /// The number of positions that a publication has.
    #[must_use]
    pub fn positions(&self, by: &UserId, id: &PublicationId) -> u64 {
        self.by_id.get(&(by.clone(), id.clone())).copied().unwrap_or_default()
    }

    /// Compares a received publication with the log. Returns the broken promise, if they differ.
    #[must_use]
    pub fn differs(&self, message: &Message) -> Option<Broken> {
        let at = (message.at.epoch.to_string(), message.at.sequence.get());
        let stands = self.by_position.get(&at);
        let same = |publication: &Publication| {
            (&publication.id, &publication.by, &publication.data) == (&message.pid, &message.by, &message.data)
        };
        if stands.is_some_and(same) {
            return None;
        }
        let Message { room, pid, by, .. } = message;
        let stood = stands.map_or_else(|| "nothing".to_owned(), |one| one.id.to_string());
        let what = format!(
            "{pid} by {by} was received at {} of {room}, where the log has {stood}",
            standing(Some(&message.at))
        );
        Some(Broken { kind: Kind::Phantom, what })
    }
}

//! Ordered events of backends, through a FIFO topic: the events of one group keep their order,
//! whatever rooms they are for.

use std::collections::BTreeMap;

use domain::{Position, RoomId};

use crate::faults::Fault;
use crate::kind::Kind;
use crate::run::Run;
use crate::stake::Stake;

/// An event of an ordered group.
#[derive(Debug, Clone)]
pub(crate) struct Ordered {
    group: u64,
    room: RoomId,
    id: String,
}

impl Run {
    /// A backend publishes an event after the earlier ones of the same group.
    pub(crate) fn event_in_order(&mut self, group: u64, room: RoomId) {
        self.published += 1;
        let id = format!("ordered{}", self.published);
        self.tell_in_order(group, &id, format!(r#"{{"room":"{room}","id":"{id}","data":{}}}"#, self.published));
        self.said_at.insert(id.clone(), self.now());
        self.backend.published.push((room.clone(), id.clone()));
        self.backend.in_order.push(Ordered { group, room, id });
    }

    /// A backend publishes an event that cannot be parsed, in the middle of a group.
    pub(crate) fn poison_in_order(&mut self, group: u64) {
        self.published += 1;
        let id = format!("poison{}", self.published);
        self.shared.lock().faults.note(Fault::Poison);
        self.tell_in_order(group, &id, format!(r#"{{"room":"nowhere at all","id":"{id}","data":1}}"#));
        self.backend.poison.push(id);
    }

    /// Sends a message through the topic, which may deliver it twice. The FIFO queue drops the
    /// repeat.
    fn tell_in_order(&self, group: u64, id: &str, body: String) {
        let twice = self.shared.lock().fires(Fault::ToldTwice, || "an ordered topic".to_owned());
        for _ in 0..1 + u64::from(twice) {
            self.pipeline.queues.events_ordered.send(format!("group{group}"), id.to_owned(), body.clone());
        }
    }

    /// The publications of a group in a room have their positions in the order in which the backend
    /// published them. Two kinds are exempt: those that were a dead letter on their way, and those
    /// of a restored room, which began a new epoch.
    pub(crate) fn check_the_order(&self) {
        let mut last: BTreeMap<(u64, &RoomId), (&str, Position)> = BTreeMap::new();
        for Ordered { group, room, id } in &self.backend.in_order {
            if self.restored.contains(room) || self.feeds.was_overtaken(id) {
                continue;
            }
            let publications = self.pipeline.store.publications(room);
            let Some(publication) = publications.into_iter().find(|one| one.id.as_ref() == id) else { continue };
            let position = publication.position;
            let Some((before, stood)) = last.insert((*group, room), (id, position.clone())) else { continue };
            let mut core = self.shared.lock();
            core.weigh(Stake::InOrder);
            if position.sequence < stood.sequence {
                core.broke(
                    Kind::Overtaken,
                    format!("{id} has a position in {room} before {before}, which was published first"),
                );
            }
        }
    }
}

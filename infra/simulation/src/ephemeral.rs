//! Ephemeral publications, publications without an echo, and the checks of both.

use domain::{ConnectionId, Data, Position, RoomId, UserId};
use roomcast_client::rules::Event;

use crate::kind::{Broken, Kind};
use crate::run::Run;
use crate::stake::Stake;
use crate::step::PLACES;

/// The ids of publications without an echo begin with this.
const SILENT: &str = "quiet";

impl Run {
    /// Publishes something ephemeral to a room.
    pub(crate) fn say(&mut self, at: usize, room: &RoomId) {
        self.published += 1;
        let text = format!("\"said {}\"", self.published);
        let Ok(data) = Data::parse(&text) else { return };
        let member = &mut self.members[at];
        self.said.insert(text, (room.clone(), member.user_id()));
        if let Some(client) = &mut member.client {
            let _ = client.say(room, None, &data);
        }
        self.carry_out(at);
    }

    /// Publishes with a request for no echo.
    pub(crate) fn publish_quietly(&mut self, at: usize, room: RoomId) {
        self.publish_as(at, room, SILENT);
    }

    /// Adds the request for no echo to a publish request on its way: the client library has no such
    /// switch.
    pub(crate) fn without_echo(&mut self, connection: &ConnectionId, text: String) -> String {
        if !text.contains(r#""action":"publish""#) || !text.contains(SILENT) {
            return text;
        }
        let Ok(mut said) = serde_json::from_str::<serde_json::Value>(&text) else { return text };
        let ids = said["items"].as_array().map(|items| items.iter().map(|item| &item["pid"]).collect::<Vec<_>>());
        let ids: Vec<String> = ids
            .unwrap_or_else(|| vec![&said["pid"]])
            .into_iter()
            .filter_map(|id| id.as_str().map(str::to_owned))
            .collect();
        if ids.iter().any(|id| !id.starts_with(SILENT)) {
            // The switch is for a whole request: either all of its publications have an echo, or
            // none has.
            self.loud.extend(ids);
            return text;
        }
        ids.iter().for_each(|_| self.shared.lock().weigh(Stake::Silent));
        self.quiet.extend(ids.into_iter().map(|id| (connection.clone(), id)));
        said["echo"] = false.into();
        said.to_string()
    }

    /// A connection that asked for no echo receives none.
    pub(crate) fn check_echo(&self, connection: &ConnectionId, from: Option<&ConnectionId>, id: &str) {
        let silent = self.quiet.contains(&(connection.clone(), id.to_owned())) && !self.loud.contains(id);
        if silent && from == Some(connection) {
            self.shared.lock().broke(Kind::Echoed, format!("{connection} receives {id} although it asked for no echo"));
        }
    }

    /// An ephemeral publication that an application receives was sent, in that room and by that
    /// user, and not by the application itself.
    pub(crate) fn check_said(&self, at: usize, event: &Event) -> Option<Broken> {
        let Event::Ephemeral { room, by, from, data, .. } = event else { return None };
        self.shared.lock().weigh(Stake::Said);
        let said = self.said.get(data.as_json());
        let what = format!("member {at}: {data:?} by {by} in {room}");
        if said != Some(&(room.clone(), by.clone())) {
            return Some(Broken { kind: Kind::Phantom, what });
        }
        let own = from.as_ref().is_some_and(|from| self.members[at].links.values().any(|link| link == from));
        own.then_some(Broken { kind: Kind::Echoed, what })
    }

    /// Ephemeral publications are in no log.
    pub(crate) fn check_nothing_said_is_stored(&self) {
        for room in PLACES.map(testkit::samples::room) {
            for publication in self.pipeline.store.publications(&room) {
                if self.said.contains_key(publication.data.as_json()) {
                    let what = format!("{:?} in {room} is ephemeral but stored", publication.data);
                    self.shared.lock().broke(Kind::Stored, what);
                }
            }
        }
    }

    /// Advances a member's expected position over publications that it sent itself, on one of its
    /// connections, with a request for no echo.
    pub(crate) fn pass_over_own(&mut self, at: usize, room: &RoomId, to: &Position) {
        use domain::ports::Rooms;
        let member = &mut self.members[at];
        // The client knows through which position it has nothing to receive.
        let knows = member.client.as_ref().and_then(|client| client.position(room)).cloned();
        let Some(knows) = knows.filter(|knows| knows.epoch == to.epoch) else { return };
        let to = Position { sequence: to.sequence.min(knows.sequence), ..knows };
        let Some(heard) = member.lives.last_mut() else { return };
        let Some(position) = heard.position(room).filter(|heard| heard.epoch == to.epoch).cloned() else { return };
        if to.sequence <= position.sequence {
            return;
        }
        let range = domain::Range { epoch: to.epoch.clone(), after: position.sequence, through: to.sequence };
        let rows = self.pipeline.store.log(room, &range, 1_000, self.pipeline.shared.lock().now);
        let mut next = position.sequence.next();
        for row in futures::executor::block_on(rows).unwrap_or_default() {
            let own = row.sender.as_ref().is_some_and(|sender| member.own.contains(sender));
            if row.echo || !own || row.position.sequence != next {
                return;
            }
            next = next.next();
            heard.passes_over(room, row.position);
        }
    }
}

/// The room and the sender of an ephemeral publication.
pub(crate) type Author = (RoomId, UserId);

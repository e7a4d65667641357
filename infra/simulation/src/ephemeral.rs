//! What is not stored, and what its author does not hear: what is known of it.

use domain::{ConnectionId, Data, Position, RoomId, UserId};
use roomcast_client::rules::Event;

use crate::kind::{Broken, Kind};
use crate::run::Run;
use crate::stake::Stake;
use crate::step::PLACES;

/// What the id of a publication begins with that its author asked not to hear.
const SILENT: &str = "quiet";

impl Run {
    /// Says something to those who are in a room now.
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

    /// Publishes what it does not want to hear itself.
    pub(crate) fn publish_quietly(&mut self, at: usize, room: RoomId) {
        self.publish_as(at, room, SILENT);
    }

    /// The request as a client sends it that asks for no echo: ours have no such switch, so it is added on the way.
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
            // Of one request all is heard, or nothing.
            self.loud.extend(ids);
            return text;
        }
        ids.iter().for_each(|_| self.shared.lock().weigh(Stake::Silent));
        self.quiet.extend(ids.into_iter().map(|id| (connection.clone(), id)));
        said["echo"] = false.into();
        said.to_string()
    }

    /// Who asked for no echo hears none.
    pub(crate) fn check_echo(&self, connection: &ConnectionId, from: Option<&ConnectionId>, id: &str) {
        let silent = self.quiet.contains(&(connection.clone(), id.to_owned())) && !self.loud.contains(id);
        if silent && from == Some(connection) {
            self.shared.lock().broke(Kind::Echoed, format!("{connection} hears {id}, and asked not to"));
        }
    }

    /// What an application is told that is not stored was said, there and by whom it is said to be, and not by itself.
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

    /// What is said to those who are there is in no log.
    pub(crate) fn check_nothing_said_is_stored(&self) {
        for room in PLACES.map(testkit::samples::room) {
            for publication in self.pipeline.store.publications(&room) {
                if self.said.contains_key(publication.data.as_json()) {
                    let what = format!("{:?} in {room} was for those who are there", publication.data);
                    self.shared.lock().broke(Kind::Stored, what);
                }
            }
        }
    }

    /// Up to there a member need not be told of what it said itself, on one of its connections, and asked not to hear.
    pub(crate) fn pass_over_own(&mut self, at: usize, room: &RoomId, to: &Position) {
        use domain::ports::Rooms;
        let member = &mut self.members[at];
        // Its client knows how far it has been told that there is nothing for it.
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

/// Whose it is.
pub(crate) type Author = (RoomId, UserId);

//! A connection that received the confirmation of a leave receives nothing more from the room,
//! whatever the tables contain.

use std::collections::BTreeMap;
use std::time::Duration;

use domain::{ConnectionId, RoomId, Timestamp};
use protocol::reply::Answer;
use protocol::server::ServerFrame;

use crate::backend::What;
use crate::kind::Kind;
use crate::run::Run;
use crate::stake::Stake;

/// The gateway may process two messages of one client at once: a join that was sent at most this
/// long before the leave may take effect after it.
const CLOSE_TOGETHER: Duration = Duration::from_secs(10);

/// Requests of clients to join and leave rooms, and their replies.
#[derive(Debug, Default)]
pub(crate) struct Leaves {
    /// When a connection last asked to join a room.
    asked: BTreeMap<(ConnectionId, RoomId), Timestamp>,
    /// Leaves without a reply: the room, and when the leave was sent.
    leaving: BTreeMap<(ConnectionId, u64), (RoomId, Timestamp)>,
    /// When a connection received the confirmation that it has left a room.
    left: BTreeMap<(ConnectionId, RoomId), Timestamp>,
}

impl Run {
    /// Records a request to join or leave rooms when it arrives.
    pub(crate) fn notes_request(&mut self, connection: &ConnectionId, said: &serde_json::Value) {
        let now = self.now();
        let named = said["room"].as_str().into_iter();
        let rooms =
            named.chain(said["rooms"].as_object().into_iter().flat_map(|rooms| rooms.keys().map(String::as_str)));
        let rooms: Vec<RoomId> = rooms.filter_map(|room| RoomId::parse(room.to_owned()).ok()).collect();
        match (said["action"].as_str(), said["id"].as_u64()) {
            (Some("join" | "sync"), _) => {
                for room in rooms {
                    let place = (connection.clone(), room);
                    self.leaves.left.remove(&place);
                    self.leaves.asked.insert(place, now);
                }
            }
            (Some("leave"), Some(id)) => {
                let leaves = rooms.into_iter().map(|room| ((connection.clone(), id), (room, now)));
                self.leaves.leaving.extend(leaves);
            }
            _ => {}
        }
    }

    /// Records the reply to a leave: the connection has now left the room.
    pub(crate) fn notes_answer(&mut self, connection: &ConnectionId, body: &str) {
        let Ok(ServerFrame::Answer(Answer { id: Some(id), outcome })) = ServerFrame::parse(body) else { return };
        let Some((room, since)) = self.leaves.leaving.remove(&(connection.clone(), id)) else { return };
        let place = (connection.clone(), room);
        let asked = self.leaves.asked.get(&place);
        if outcome.is_ok() && asked.is_none_or(|asked| asked.plus(CLOSE_TOGETHER) < since) {
            let now = self.now();
            self.leaves.left.insert(place, now);
            self.shared.lock().weigh(Stake::Left);
        }
    }

    /// A connection receives nothing more from a room that it has left, except frames that were on
    /// their way. Connections that a backend joined to the room again are exempt.
    pub(crate) fn check_left(&self, connection: &ConnectionId, room: &RoomId, lingers: Duration, text: &str) {
        let Some(left) = self.leaves.left.get(&(connection.clone(), room.clone())) else { return };
        let mut core = self.shared.lock();
        let user = core.sockets.get(connection).and_then(|socket| socket.context.as_ref());
        let user = user.map(|context| context.identity.user.clone());
        let ago = core.now.since(*left);
        let brought = user.is_some_and(|user| self.backend.ordered(&user, &What::Join(room.clone())));
        if !brought && ago > lingers {
            core.broke(
                Kind::LateAfterLeave,
                format!("{connection} received the confirmation of its leave {ago:?} ago: {text}"),
            );
        }
    }
}

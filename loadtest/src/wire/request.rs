//! Requests to the server.

use serde_json::json;

use crate::ledger::Sequence;

/// A request to join a room, from a position or from now on.
#[must_use]
pub fn join(id: u64, room: &str, since: Option<(&str, Sequence)>) -> String {
    let since = since.map(|(epoch, sequence)| json!({ "ep": epoch, "seq": sequence }));
    json!({ "action": "join", "id": id, "room": room, "since": since }).to_string()
}

/// A request to leave a room.
#[must_use]
pub fn leave(id: u64, room: &str) -> String {
    json!({ "action": "leave", "id": id, "room": room }).to_string()
}

/// A ping with the position of a member.
#[must_use]
pub fn ping(room: &str, epoch: &str, sequence: Sequence) -> String {
    json!({ "action": "ping", "at": { room: { "ep": epoch, "seq": sequence } } }).to_string()
}

/// A request to publish, with this payload.
#[must_use]
pub fn publish(id: u64, room: &str, pid: &str, data: &serde_json::Value) -> String {
    json!({ "action": "publish", "id": id, "room": room, "pid": pid, "data": data }).to_string()
}

/// An ephemeral publication for the current members of a room.
#[must_use]
pub fn ephemeral(room: &str, number: u64) -> String {
    json!({ "action": "publish", "room": room, "ephemeral": true, "key": format!("n{number}"), "data": number })
        .to_string()
}

/// A request for the number of members in a room.
#[must_use]
pub fn who(id: u64, room: &str) -> String {
    json!({ "action": "who", "id": id, "room": room, "limit": 1 }).to_string()
}

/// The payload of a publication: its number, and padding up to `bytes` bytes.
#[must_use]
pub fn data(number: usize, bytes: usize) -> serde_json::Value {
    let bare = json!({ "n": number });
    let padding = bytes.saturating_sub(bare.to_string().len() + r#","pad":"""#.len());
    if padding == 0 { bare } else { json!({ "n": number, "pad": "x".repeat(padding) }) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn data_is_as_long_as_it_is_to_be() {
        assert_eq!(data(41, 64).to_string().len(), 64);
        assert_eq!(data(7, 1_000).to_string().len(), 1_000);
        assert_eq!(data(7, 0), json!({ "n": 7 }));
    }
}

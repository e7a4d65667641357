//! The requests that a client sends.

use std::collections::BTreeMap;

use domain::{Data, Item, Key, Position, PublicationId, RoomId, Sequence, UserId};
use protocol::request::RequestId;
use serde::Serialize;

/// A request of rooms.v1.
#[derive(Debug, Serialize)]
#[serde(tag = "action", rename_all = "snake_case")]
pub(super) enum Request<'a> {
    /// Joins or resumes several rooms; the first request on a connection.
    Sync { id: RequestId, rooms: BTreeMap<&'a RoomId, Option<&'a Position>> },
    /// Joins or resumes a room.
    Join {
        id: RequestId,
        room: &'a RoomId,
        #[serde(skip_serializing_if = "Option::is_none")]
        since: Option<&'a Position>,
    },
    /// Leaves a room.
    Leave { id: RequestId, room: &'a RoomId },
    /// Requests a page of publications.
    History {
        id: RequestId,
        room: &'a RoomId,
        #[serde(skip_serializing_if = "Option::is_none")]
        before: Option<Sequence>,
        limit: usize,
    },
    /// Requests a page of members.
    Who {
        id: RequestId,
        room: &'a RoomId,
        #[serde(skip_serializing_if = "Option::is_none")]
        after: Option<&'a UserId>,
        limit: usize,
    },
    /// Keep-alive. The pong has no id; a refusal has one.
    Ping { id: RequestId, at: BTreeMap<&'a RoomId, &'a Position> },
    /// Renews the token.
    Auth { id: RequestId, token: &'a str },
    /// Sends one publication.
    Publish { id: RequestId, room: &'a RoomId, pid: &'a PublicationId, data: &'a Data },
    /// Sends an ephemeral publication.
    #[serde(rename = "publish")]
    Whisper {
        room: &'a RoomId,
        ephemeral: bool,
        echo: bool,
        #[serde(skip_serializing_if = "Option::is_none")]
        key: Option<&'a Key>,
        data: &'a Data,
    },
    /// Sends several publications.
    #[serde(rename = "publish")]
    PublishSeveral { id: RequestId, room: &'a RoomId, items: Vec<Publication<'a>> },
}

/// One of several publications.
#[derive(Debug, Serialize)]
pub(super) struct Publication<'a> {
    pid: &'a PublicationId,
    data: &'a Data,
}

impl<'a> Request<'a> {
    /// Makes the request for publications of one room, in order.
    pub(super) fn publish(id: RequestId, room: &'a RoomId, items: &[&'a Item]) -> Self {
        if let [item] = items {
            return Self::Publish { id, room, pid: &item.id, data: &item.data };
        }
        let several = items.iter().map(|item| Publication { pid: &item.id, data: &item.data }).collect();
        Self::PublishSeveral { id, room, items: several }
    }

    pub(super) fn text(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::Epoch;
    use protocol::request::{Action, Request as Read};

    #[test]
    fn the_server_reads_what_a_client_writes() {
        let room = RoomId::parse("lobby").unwrap();
        let at = Position { epoch: Epoch::parse("k7Qf").unwrap(), sequence: Sequence::new(7) };
        let item = |id: &str| Item { id: PublicationId::parse(id).unwrap(), data: Data::text("hi").unwrap() };
        let (one, two) = (item("a"), item("b"));
        let read = |request: Request<'_>| Read::parse(&request.text()).unwrap();
        let rooms = BTreeMap::from([(&room, Some(&at))]);
        let expected = Action::Sync { rooms: vec![(room.clone(), Some(at.clone()))] };
        assert_eq!(read(Request::Sync { id: 1, rooms }).action, expected);
        assert_eq!(
            read(Request::Join { id: 2, room: &room, since: None }).action,
            Action::Join { room: room.clone(), since: None }
        );
        assert_eq!(read(Request::Leave { id: 3, room: &room }).action, Action::Leave { room: room.clone() });
        let history = Request::History { id: 4, room: &room, before: Some(Sequence::new(9)), limit: 20 };
        assert_eq!(
            read(history).action,
            Action::History { room: room.clone(), before: Some(Sequence::new(9)), limit: 20 }
        );
        let bob = UserId::parse("bob").unwrap();
        let who = Request::Who { id: 7, room: &room, after: Some(&bob), limit: 20 };
        assert_eq!(read(who).action, Action::Who { room: room.clone(), after: Some(bob), limit: 20 });
        let ping = read(Request::Ping { id: 5, at: BTreeMap::from([(&room, &at)]) });
        assert_eq!((ping.id, ping.action), (Some(5), Action::Ping { at: vec![(room.clone(), at.clone())] }));
        let Action::Auth { token } = read(Request::Auth { id: 8, token: "a.b.c" }).action else { panic!() };
        assert_eq!(token.expose(), "a.b.c");
        let published = |items: &[&Item]| read(Request::publish(6, &room, items)).action;
        assert_eq!(published(&[&one]), Action::Publish { room: room.clone(), items: vec![one.clone()], echo: true });
        assert_eq!(
            published(&[&one, &two]),
            Action::Publish { room: room.clone(), items: vec![one.clone(), two.clone()], echo: true }
        );
        let key = Key::parse("typing").unwrap();
        let whisper = Request::Whisper { room: &room, ephemeral: true, echo: false, key: Some(&key), data: &one.data };
        let expected = Action::Whisper {
            room: room.clone(),
            pid: None,
            key: Some(key.clone()),
            data: one.data.clone(),
            echo: false,
        };
        assert_eq!(read(whisper).action, expected);
    }
}

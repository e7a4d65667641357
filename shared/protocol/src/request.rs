//! Requests of clients. They are parsed field by field, so that a refusal names the field and still
//! carries the request's id.

use std::collections::BTreeMap;

use domain::{Code, Data, Epoch, Item, Key, Position, PublicationId, Reject, RoomId, Sequence, UserId, limits};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use crate::token::Token;

/// A number that the client chose in order to recognise the reply: 0 to 2^53 - 1.
pub type RequestId = u64;

/// JavaScript's `Number.MAX_SAFE_INTEGER`.
const LARGEST_EXACT: u64 = (1 << 53) - 1;

/// A request of a client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// The id; without one, the reply has null in its place.
    pub id: Option<RequestId>,
    /// The action, with its parameters.
    pub action: Action,
}

/// The action that a client requests.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Begins a connection: joins and resumes all of these rooms.
    Sync {
        /// The rooms, each with the client's position in it, if it has one.
        rooms: Vec<(RoomId, Option<Position>)>,
    },
    /// Makes the connection a member of a room.
    Join {
        /// The room to join.
        room: RoomId,
        /// The client's position in the room, if it has one.
        since: Option<Position>,
    },
    /// Ends the membership of a room.
    Leave {
        /// The room to leave.
        room: RoomId,
    },
    /// Reads a page of publications.
    History {
        /// The room to read.
        room: RoomId,
        /// Only publications before this sequence.
        before: Option<Sequence>,
        /// The largest number of publications.
        limit: usize,
    },
    /// Lists the users in a room.
    Who {
        /// The room to list.
        room: RoomId,
        /// Only users after this one, in order of name.
        after: Option<UserId>,
        /// The largest number of users.
        limit: usize,
    },
    /// Keeps the connection alive, and states the client's positions.
    Ping {
        /// The position in each room that the client has joined.
        at: Vec<(RoomId, Position)>,
    },
    /// Replaces the token of the connection.
    Auth {
        /// The new token.
        token: Token,
    },
    /// Publishes to a room.
    Publish {
        /// The room to publish to.
        room: RoomId,
        /// The publications, in the order that they keep.
        items: Vec<Item>,
        /// True if the publisher's own connection receives them live, too.
        echo: bool,
    },
    /// Publishes to the members of this moment. The publication is not stored.
    Whisper {
        /// The room to publish to.
        room: RoomId,
        /// The id that the reply names.
        pid: Option<PublicationId>,
        /// The subject: of one author and key only the latest publication counts.
        key: Option<Key>,
        /// The content of the message.
        data: Data,
        /// True if the publisher's own connection receives it, too.
        echo: bool,
    },
    /// Publishes a message of the classic recipes.
    Classic {
        /// The address of the message.
        to: ClassicAddress,
        /// The content of the message.
        data: Data,
    },
}

/// The address of a classic message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ClassicAddress {
    /// The room named at connect, or `lobby`.
    OwnRoom,
    /// This room, inbox or `*`.
    Room(RoomId),
}

/// A refused request, with its id if that could be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{reject}")]
pub struct Refused {
    /// The request's id, if it had a valid one.
    pub id: Option<RequestId>,
    /// The reason of the refusal.
    pub reject: Reject,
}

impl Request {
    /// Parses the text of a message.
    ///
    /// Unknown fields are ignored; known fields must not repeat. However deep or large an ignored
    /// field is, it costs only the time to read it.
    ///
    /// # Errors
    /// A stable code, the field at fault, and the request's id as far as it could be read.
    pub fn parse(text: &str) -> Result<Self, Refused> {
        let fields: Fields<'_> = object(text).map_err(|error| {
            let message = format!(
                "a request is a JSON object such as {{\"action\":\"join\",\"id\":1,\"room\":\"lobby\"}}: {error}"
            );
            Refused { id: None, reject: Reject::new(Code::NotJson, message) }
        })?;
        let id = match optional("id", fields.id, whole) {
            Ok(id) => id,
            Err(reject) => return Err(Refused { id: None, reject }),
        };
        let action = fields.action().map_err(|reject| Refused { id, reject })?;
        Ok(Self { id, action })
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Fields<'a> {
    #[serde(borrow, default, deserialize_with = "present")]
    action: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "present")]
    id: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "present")]
    room: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "present")]
    rooms: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "present")]
    since: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "present")]
    before: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "present")]
    after: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "present")]
    limit: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "present")]
    at: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "present")]
    token: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "present")]
    pid: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "present")]
    data: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "present")]
    items: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "present")]
    ephemeral: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "present")]
    echo: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "present")]
    key: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "present")]
    message: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "present")]
    text: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "present")]
    target_user_id: Option<&'a RawValue>,
}

/// Names under which well-known recipes publish, beside `sendMessage` and `broadcastAll`. Routes
/// match letter by letter, and a request that matches none takes `$default`.
const SEND_MESSAGE: &str = "sendmessage";
const BROADCAST_ALL: &str = "broadcastall";

impl Fields<'_> {
    fn action(&self) -> Result<Action, Reject> {
        if let Some(data) = self.oldest_recipe() {
            return Ok(Action::Classic { to: ClassicAddress::OwnRoom, data: data? });
        }
        let name = string("action", self.action)?;
        match name.as_str() {
            "sync" => Ok(Action::Sync { rooms: positions("rooms", self.rooms)? }),
            "join" => Ok(Action::Join { room: self.room()?, since: optional("since", self.since, position)? }),
            "leave" => Ok(Action::Leave { room: self.room()? }),
            "history" => self.history(),
            "who" => self.who(),
            "ping" => self.ping(),
            "auth" => Ok(Action::Auth { token: Token::new(string("token", self.token)?) }),
            "publish" => self.publish(),
            name if name.eq_ignore_ascii_case(SEND_MESSAGE) => self.send_message(),
            name if name.eq_ignore_ascii_case(BROADCAST_ALL) => Ok(Action::Classic {
                to: ClassicAddress::Room(RoomId::everyone()),
                data: self.message()?,
            }),
            _ => Err(Reject::new(
                Code::UnknownAction,
                format!(
                    "there is no action {:?}; there are sync, join, leave, publish, history, who, ping, auth, sendMessage, broadcastAll",
                    shortened(&name)
                ),
            )
            .of("action")),
        }
    }

    fn room(&self) -> Result<RoomId, Reject> {
        RoomId::parse(string("room", self.room)?).map_err(|reject| reject.of("room"))
    }

    fn history(&self) -> Result<Action, Reject> {
        let before = optional("before", self.before, |field, raw| whole(field, raw).map(Sequence::new))?;
        let limit = self.limit(limits::HISTORY_PUBLICATIONS, limits::HISTORY_PUBLICATIONS)?;
        Ok(Action::History { room: self.room()?, before, limit })
    }

    fn who(&self) -> Result<Action, Reject> {
        let after = optional("after", self.after, user)?;
        let limit = self.limit(limits::WHO_USERS_UNLESS_ASKED, limits::WHO_USERS)?;
        Ok(Action::Who { room: self.room()?, after, limit })
    }

    /// Returns the requested number of entries: 1 to `most`, or `usual` if the request names none.
    fn limit(&self, usual: usize, most: usize) -> Result<usize, Reject> {
        let limit = optional("limit", self.limit, whole)?.unwrap_or(usual as u64);
        let fits = usize::try_from(limit).ok().filter(|limit| (1..=most).contains(limit));
        fits.ok_or_else(|| Reject::field("limit", format!("limit must be 1 to {most}")))
    }

    fn ping(&self) -> Result<Action, Reject> {
        let at = optional("at", self.at, |field, raw| positions(field, Some(raw)))?.unwrap_or_default();
        Ok(Action::Ping { at: at.into_iter().filter_map(|(room, at)| Some((room, at?))).collect() })
    }

    fn publish(&self) -> Result<Action, Reject> {
        let echo = flag("echo", self.echo)?.unwrap_or(true);
        if flag("ephemeral", self.ephemeral)?.unwrap_or(false) {
            return self.whisper(echo);
        }
        if given(self.key).is_some() {
            return Err(Reject::field("key", "key goes with \"ephemeral\":true only"));
        }
        let items = match (given(self.items), self.data) {
            (Some(_), Some(_)) => return Err(Reject::field("items", "send either items or pid and data, not both")),
            (Some(raw), None) => items(raw)?,
            (None, _) => vec![item(self.pid, self.data, "")?],
        };
        Ok(Action::Publish { room: self.room()?, items, echo })
    }

    /// Parses an ephemeral publication. Its id serves the reply only.
    fn whisper(&self, echo: bool) -> Result<Action, Reject> {
        if given(self.items).is_some() {
            return Err(Reject::field("items", "an ephemeral publication has data; send them one by one"));
        }
        let Some(data) = self.data else { return Err(Reject::field("data", "data is missing: any JSON value")) };
        if data.get().len() > limits::EPHEMERAL_DATA_BYTES {
            let (bytes, most) = (data.get().len(), limits::EPHEMERAL_DATA_BYTES);
            let message = format!("data is {bytes} bytes of JSON; at most {most} are allowed if it is ephemeral");
            return Err(Reject::new(Code::TooLarge, message).of("data"));
        }
        let pid = optional("pid", self.pid, |field, raw| {
            PublicationId::parse(string(field, Some(raw))?).map_err(|reject| reject.of(field))
        })?;
        let key = optional("key", self.key, |field, raw| {
            Key::parse(string(field, Some(raw))?).map_err(|reject| reject.of(field))
        })?;
        Ok(Action::Whisper { room: self.room()?, pid, key, data: Data::parse(data.get())?, echo })
    }

    /// Parses `{"message":"sendmessage","data":…}`: the first sample client of WebSocket APIs
    /// routes by `message`, and has no `action`.
    fn oldest_recipe(&self) -> Option<Result<Data, Reject>> {
        let (None, Some(route), Some(data)) = (self.action, self.message, self.data) else { return None };
        let route: String = serde_json::from_str(route.get()).ok()?;
        route.eq_ignore_ascii_case(SEND_MESSAGE).then(|| text_or_data("data", data))
    }

    fn send_message(&self) -> Result<Action, Reject> {
        let to = match (given(self.target_user_id), given(self.room)) {
            (Some(raw), _) => ClassicAddress::Room(RoomId::inbox(&user("targetUserId", raw)?)),
            (None, Some(_)) => ClassicAddress::Room(self.room()?),
            (None, None) => ClassicAddress::OwnRoom,
        };
        Ok(Action::Classic { to, data: self.message()? })
    }

    /// Returns the text of a classic message.
    fn classic_text(&self) -> Option<String> {
        let action: String = serde_json::from_str(self.action?.get()).ok()?;
        let is_classic = [SEND_MESSAGE, BROADCAST_ALL].iter().any(|name| action.eq_ignore_ascii_case(name));
        let raw = self.message.or(self.text).or(self.data).filter(|_| is_classic)?;
        serde_json::from_str(raw.get()).ok()
    }

    /// Reads `message`, `text` or `data`. A string becomes `{"text": …}`; any other value is the
    /// data itself.
    fn message(&self) -> Result<Data, Reject> {
        let places = [("message", self.message), ("text", self.text), ("data", self.data)];
        let Some((field, raw)) = places.into_iter().find_map(|(field, raw)| Some((field, raw?))) else {
            return Err(Reject::field("message", "message is missing: the text to send"));
        };
        text_or_data(field, raw)
    }
}

/// Turns a string into `{"text": …}`. Any other value is the data itself.
fn text_or_data(field: &str, raw: &RawValue) -> Result<Data, Reject> {
    if !raw.get().starts_with('"') {
        return Data::parse(raw.get()).map_err(|reject| reject.of(field));
    }
    Data::text(&string(field, Some(raw))?).map_err(|reject| reject.of(field))
}

/// Returns the beginning of a request, for a refusal without an id: the message of a request of the
/// classic recipes, or else the text of the request. It has at most [`BEGINNING_CHARACTERS`] of
/// printable ASCII, with `?` in place of any other character.
#[must_use]
pub fn beginning_of(text: &str) -> String {
    let fields: Option<Fields<'_>> = object(text).ok();
    let message = fields.as_ref().and_then(Fields::classic_text);
    let shown = message.as_deref().unwrap_or(text).chars().take(BEGINNING_CHARACTERS);
    shown.map(|character| if matches!(character, ' '..='~') { character } else { '?' }).collect()
}

/// Characters of a request that its refusal repeats.
pub const BEGINNING_CHARACTERS: usize = 40;

/// Parses a JSON object. Serde by itself would accept a list of the fields' values too.
pub(crate) fn object<'a, T: Deserialize<'a>>(text: &'a str) -> Result<T, serde_json::Error> {
    match text.trim_ascii_start().as_bytes().first() {
        Some(b'{') | None => serde_json::from_str(text),
        Some(_) => Err(serde::de::Error::custom("it is not an object")),
    }
}

/// Reads a field that is present, even if it is null. Serde by itself treats null as absent.
pub(crate) fn present<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<&'de RawValue>, D::Error> {
    <&RawValue>::deserialize(deserializer).map(Some)
}

fn items(raw: &RawValue) -> Result<Vec<Item>, Reject> {
    #[derive(Deserialize)]
    struct Fields<'a> {
        #[serde(borrow, default, deserialize_with = "present")]
        pid: Option<&'a RawValue>,
        #[serde(borrow, default, deserialize_with = "present")]
        data: Option<&'a RawValue>,
    }
    let most = limits::ITEMS_PER_PUBLISH;
    let shape = |_| Reject::field("items", "items must be a list of {\"pid\":…,\"data\":…}");
    let raws: Vec<&RawValue> = serde_json::from_str(raw.get()).map_err(shape)?;
    let fields: Vec<Fields<'_>> = raws.iter().map(|raw| object(raw.get())).collect::<Result<_, _>>().map_err(shape)?;
    if !(1..=most).contains(&fields.len()) {
        let message = format!("items holds {} publications; it takes 1 to {most}", fields.len());
        return Err(Reject::new(Code::LimitExceeded, message).of("items"));
    }
    let parse = |(at, fields): (usize, &Fields<'_>)| item(fields.pid, fields.data, &format!("items[{at}]."));
    fields.iter().enumerate().map(parse).collect()
}

fn item(pid: Option<&RawValue>, data: Option<&RawValue>, path: &str) -> Result<Item, Reject> {
    let at = |field: &str| format!("{path}{field}");
    let id = string(&at("pid"), pid).and_then(|id| PublicationId::parse(id).map_err(|reject| reject.of(at("pid"))))?;
    let Some(data) = data else {
        return Err(Reject::field(at("data"), format!("{} is missing: any JSON value", at("data"))));
    };
    Ok(Item { id, data: Data::parse(data.get()).map_err(|reject| reject.of(at("data")))? })
}

pub(crate) fn optional<T>(
    field: &str,
    raw: Option<&RawValue>,
    parse: impl Fn(&str, &RawValue) -> Result<T, Reject>,
) -> Result<Option<T>, Reject> {
    given(raw).map(|raw| parse(field, raw)).transpose()
}

/// Treats null as absent, for optional fields.
pub(crate) fn given(raw: Option<&RawValue>) -> Option<&RawValue> {
    raw.filter(|raw| raw.get() != "null")
}

fn flag(field: &str, raw: Option<&RawValue>) -> Result<Option<bool>, Reject> {
    optional(field, raw, |field, raw| {
        serde_json::from_str(raw.get()).map_err(|_| Reject::field(field, format!("{field} must be true or false")))
    })
}

pub(crate) fn string(field: &str, raw: Option<&RawValue>) -> Result<String, Reject> {
    let Some(raw) = raw else {
        return Err(Reject::field(field, format!("{field} is missing: a string")));
    };
    serde_json::from_str(raw.get())
        .map_err(|_| Reject::field(field, format!("{field} must be a string of valid Unicode")))
}

fn whole(field: &str, raw: &RawValue) -> Result<u64, Reject> {
    let number = serde_json::from_str::<u64>(raw.get()).ok().filter(|number| *number <= LARGEST_EXACT);
    number.ok_or_else(|| Reject::field(field, format!("{field} must be a whole number from 0 to 2^53 - 1")))
}

fn user(field: &str, raw: &RawValue) -> Result<UserId, Reject> {
    UserId::parse(string(field, Some(raw))?).map_err(|reject| reject.of(field))
}

fn position(field: &str, raw: &RawValue) -> Result<Position, Reject> {
    #[derive(Deserialize)]
    struct Fields<'a> {
        #[serde(borrow)]
        ep: &'a RawValue,
        #[serde(borrow)]
        seq: &'a RawValue,
    }
    let shape = || Reject::field(field, format!("{field} must be a position such as {{\"ep\":\"k7Qf\",\"seq\":7}}"));
    let fields: Fields<'_> = object(raw.get()).map_err(|_| shape())?;
    let epoch = string(&format!("{field}.ep"), Some(fields.ep))?;
    Ok(Position {
        epoch: Epoch::parse(epoch).map_err(|reject| reject.of(format!("{field}.ep")))?,
        sequence: Sequence::new(whole(&format!("{field}.seq"), fields.seq)?),
    })
}

fn positions(field: &str, raw: Option<&RawValue>) -> Result<Vec<(RoomId, Option<Position>)>, Reject> {
    let shape = || {
        let message = format!(
            "{field} must be an object of rooms such as {{\"lobby\":{{\"ep\":\"k7Qf\",\"seq\":7}},\"team:7\":null}}"
        );
        Reject::field(field, message)
    };
    let raw = raw.ok_or_else(shape)?;
    let rooms: BTreeMap<String, Option<&RawValue>> = serde_json::from_str(raw.get()).map_err(|_| shape())?;
    if rooms.len() > limits::ROOMS_PER_CONNECTION {
        let message =
            format!("{field} names {} rooms; at most {} are allowed", rooms.len(), limits::ROOMS_PER_CONNECTION);
        return Err(Reject::new(Code::LimitExceeded, message).of(field));
    }
    rooms
        .into_iter()
        .map(|(name, raw)| {
            let path = format!("{field}.{}", shortened(&name));
            let at = optional(&path, raw, position)?;
            Ok((RoomId::parse(name).map_err(|reject| reject.of(field))?, at))
        })
        .collect()
}

/// Shortens a client's text for use in a message.
fn shortened(text: &str) -> String {
    text.chars().take(40).collect()
}

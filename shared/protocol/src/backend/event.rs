//! A message of the queues `events` and `commands`, as SNS delivers it: in its envelope, or raw.
//!
//! Source: <https://docs.aws.amazon.com/sns/latest/dg/sns-message-and-json-formats.html#http-notification-json>,
//! <https://docs.aws.amazon.com/sns/latest/dg/sns-large-payload-raw-message-delivery.html>

use std::collections::BTreeMap;

use domain::{BanScope, ConnectionId, Device, Timestamp, TokenId, UserId, limits};
use serde::Deserialize;
use serde_json::value::RawValue;

use super::{Broadcast, Command, Reason, author, data, kind, publication_id, room, rooms};

/// The form in which subscriptions deliver messages. The deployment decides it, and a message
/// cannot: a backend can write a text that looks like an envelope.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Wrapping {
    /// Every message is in SNS's envelope.
    #[default]
    Envelope,
    /// Every message is what the backend wrote (raw message delivery).
    Raw,
}

impl Wrapping {
    /// Finds the form with this name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        match name {
            "envelope" => Some(Self::Envelope),
            "raw" => Some(Self::Raw),
            _ => None,
        }
    }
}

/// A message without its envelope.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Letter {
    /// The text that the backend wrote.
    pub body: String,
    /// The message attributes of type String.
    pub attributes: BTreeMap<String, String>,
    /// The id that SNS gave the message; for a raw message, the id that the queue gave it.
    pub id: String,
}

/// Characters of an unknown command that a reason shows.
const COMMAND_CHARACTERS: usize = 32;

/// The fields of SNS's notification that are read.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Envelope {
    r#type: String,
    message_id: String,
    message: String,
    #[serde(default)]
    message_attributes: BTreeMap<String, Attribute>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Attribute {
    value: String,
}

impl Letter {
    /// Takes a message out of its wrapping. `attributes` and `queue_message_id` are those of the
    /// queue's message.
    ///
    /// # Errors
    /// The [`Reason`], if an envelope is expected and the message is not in one.
    pub fn open(
        wrapping: Wrapping,
        body: &str,
        attributes: &BTreeMap<String, String>,
        queue_message_id: &str,
    ) -> Result<Self, Reason> {
        if wrapping == Wrapping::Raw {
            let (attributes, id) = (attributes.clone(), queue_message_id.to_owned());
            return Ok(Self { body: body.to_owned(), attributes, id });
        }
        match serde_json::from_str::<Envelope>(body) {
            Ok(envelope) if envelope.r#type == "Notification" => Ok(Self {
                body: envelope.message,
                attributes: envelope.message_attributes.into_iter().map(|(name, value)| (name, value.value)).collect(),
                id: envelope.message_id,
            }),
            _ => Err(Reason::new(
                "the message is not in SNS's envelope; turn raw delivery off, or set EVENTS_DELIVERY to raw",
            )),
        }
    }

    /// Parses a publication.
    ///
    /// # Errors
    /// The [`Reason`] names the mistake, and the right form.
    pub fn read_event(&self) -> Result<Broadcast, Reason> {
        if let Some(name) = self.attributes.get("room") {
            return self.addressed_outside(name);
        }
        let fields = self.fields()?;
        match fields.command {
            Some(_) => Err(Reason::new("commands go through the topic commands; this topic takes publications")),
            None => self.broadcast(&fields),
        }
    }

    /// Parses a command.
    ///
    /// # Errors
    /// The [`Reason`] names the mistake, and the right form.
    pub fn read_command(&self) -> Result<Command, Reason> {
        let fields = self.fields()?;
        match &fields.command {
            Some(name) => fields.command(name),
            None => Err(Reason::new("command is missing; publications go through the topic events")),
        }
    }

    /// Parses a message whose room is in a message attribute: the whole body is the data.
    fn addressed_outside(&self, name: &str) -> Result<Broadcast, Reason> {
        let attribute = |name: &str| self.attributes.get(name).map(String::as_str);
        Ok(Broadcast {
            rooms: vec![room(name)?],
            id: publication_id(attribute("id").unwrap_or(&self.id))?,
            by: author(attribute("by"))?,
            data: data(&self.body)?,
        })
    }

    fn malformed(&self, error: &serde_json::Error) -> Reason {
        match kind::name_of(&self.body) {
            Some(name) => shape(&format!("{name} ({error})")),
            None => shape(&error.to_string()),
        }
    }

    fn fields(&self) -> Result<Fields<'_>, Reason> {
        match self.body.trim_ascii_start().as_bytes().first() {
            Some(b'{') => serde_json::from_str(&self.body).map_err(|error| self.malformed(&error)),
            _ => Err(shape(kind::name_of(&self.body).unwrap_or("it is not a JSON object"))),
        }
    }

    fn broadcast(&self, fields: &Fields<'_>) -> Result<Broadcast, Reason> {
        let rooms = match (&fields.room, &fields.rooms) {
            (Some(_), Some(_)) => return Err(Reason::new("room and rooms are both there; send one of them")),
            (Some(name), None) => vec![room(name)?],
            (None, Some(names)) => rooms(names.iter().map(String::as_str))?,
            (None, None) => return Err(shape("neither the body nor a message attribute names a room")),
        };
        let Some(json) = fields.data else { return Err(shape("data is missing: any JSON value")) };
        Ok(Broadcast {
            rooms,
            id: publication_id(fields.id.as_deref().unwrap_or(&self.id))?,
            by: author(fields.by.as_deref())?,
            data: data(json.get())?,
        })
    }
}

#[derive(Deserialize)]
struct Fields<'a> {
    command: Option<String>,
    room: Option<String>,
    rooms: Option<Vec<String>>,
    id: Option<String>,
    by: Option<String>,
    user: Option<String>,
    connection: Option<String>,
    device: Option<String>,
    token_id: Option<String>,
    issued_before: Option<u64>,
    until: Option<u64>,
    #[serde(borrow, default, deserialize_with = "crate::request::present")]
    data: Option<&'a RawValue>,
}

impl Fields<'_> {
    fn command(&self, name: &str) -> Result<Command, Reason> {
        match name {
            "join" => Ok(Command::Join { user: self.user()?, room: self.plain_room()? }),
            "remove" => Ok(Command::Remove { user: self.user()?, room: self.plain_room()? }),
            "close" => match (&self.user, &self.connection) {
                (None, Some(id)) => ConnectionId::parse(id.clone())
                    .map(Command::CloseConnection)
                    .map_err(|reject| Reason::new(reject.message)),
                (Some(_), None) => self.user().map(Command::CloseUser),
                _ => Err(Reason::new("close takes either user or connection")),
            },
            "ban" => {
                if self.issued_before.is_some() {
                    return Err(Reason::new("ban takes no issued_before; the command revoke does"));
                }
                let until = self.until.map(Timestamp::from_ms);
                if until.is_some_and(|until| until > limits::BAN_WITHOUT_END) {
                    return Err(Reason::new("until is in milliseconds since 1970, at most the end of the year 9999"));
                }
                Ok(Command::Ban { user: self.user()?, scope: self.scope()?, until })
            }
            "revoke" => match (self.scope()?, self.until) {
                (scope @ BanScope::IssuedBefore(_), None) => {
                    Ok(Command::Ban { user: self.user()?, scope, until: None })
                }
                (_, Some(_)) => Err(Reason::new("revoke takes no until: it holds for good")),
                (_, None) => Err(Reason::new("issued_before is missing: a time in milliseconds since 1970")),
            },
            "unban" => Ok(Command::Unban { user: self.user()?, scope: self.scope()? }),
            _ => {
                let shown: String = name.chars().take(COMMAND_CHARACTERS).collect();
                let known = "join, remove, close, ban, revoke and unban";
                Err(Reason::new(format!("there is no command {shown:?}; there are {known}")))
            }
        }
    }

    fn user(&self) -> Result<UserId, Reason> {
        let name = self.user.clone().ok_or_else(|| Reason::new("user is missing: name the user"))?;
        UserId::parse(name).map_err(|reject| Reason::new(reject.message))
    }

    /// Returns the part of the user's connections that a ban is for.
    fn scope(&self) -> Result<BanScope, Reason> {
        let scope = match (&self.device, &self.token_id, self.issued_before) {
            (None, None, None) => Ok(BanScope::User),
            (Some(name), None, None) => Device::parse(name.clone()).map(BanScope::Device),
            (None, Some(id), None) => TokenId::parse(id.clone()).map(BanScope::Token),
            (None, None, Some(moment)) => Ok(BanScope::IssuedBefore(Timestamp::from_ms(moment))),
            _ => return Err(Reason::new("device, token_id and issued_before are not for the same command; send one")),
        };
        scope.map_err(|reject| Reason::new(reject.message))
    }

    /// Returns the room, unless it is an inbox or `*`: those are joined at connect, and for as long
    /// as the connection lives.
    fn plain_room(&self) -> Result<domain::RoomId, Reason> {
        let name = self.room.as_deref().ok_or_else(|| Reason::new("room is missing: which one to join or leave"))?;
        let room = room(name)?;
        if room.is_everyone() || room.inbox_owner().is_some() {
            return Err(Reason::new(format!("room {room} cannot be joined or left by a command; name a plain room")));
        }
        Ok(room)
    }
}

fn shape(problem: &str) -> Reason {
    Reason::new(format!(
        "an event is a JSON object such as {{\"room\":\"lobby\",\"data\":{{\"text\":\"hi\"}}}}: {problem}"
    ))
}

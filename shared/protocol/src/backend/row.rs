//! A row of the outbox: an application writes it in its own transaction, and it is published once.
//!
//! | attribute | type | |
//! | --- | --- | --- |
//! | `id` | S | the key of the row in the table `outbox` |
//! | `room` | S | the room to publish to; or `rooms`, L of S or SS, up to 100 |
//! | `data` | any but binary | the content, turned into JSON; or `json`, S, JSON text as it is |
//! | `publication` | S | the publication id; the `id` of the row without it |
//! | `by` | S | the author that members see |
//! | `ttl` | N | when DynamoDB may remove it, seconds since 1970; recommended |

use domain::RoomId;
use serde_json::Value;

use super::{Broadcast, Reason, author, data, publication_id, room, rooms};
use crate::stream::{Attribute, Image};

/// Parses a row.
///
/// # Errors
/// The [`Reason`] names the mistake, and the right form.
pub fn read(row: &Image) -> Result<Broadcast, Reason> {
    let id = text(row, "id")?.ok_or_else(|| Reason::new("id is missing: the key of the row"))?;
    let json = match (row.get("data"), text(row, "json")?) {
        (Some(_), Some(_)) => return Err(Reason::new("data and json are both there; write one of them")),
        (None, None) => return Err(Reason::new("data is missing: what to publish, of any type but binary")),
        (Some(attribute), None) => to_json(attribute)?,
        (None, Some(json)) => json.to_owned(),
    };
    Ok(Broadcast {
        rooms: named(row)?,
        id: publication_id(text(row, "publication")?.unwrap_or(id))?,
        by: author(text(row, "by")?)?,
        data: data(&json)?,
    })
}

fn named(row: &Image) -> Result<Vec<RoomId>, Reason> {
    match (text(row, "room")?, row.get("rooms")) {
        (Some(_), Some(_)) => Err(Reason::new("room and rooms are both there; write one of them")),
        (None, None) => Err(Reason::new("room is missing: where to publish")),
        (Some(name), None) => Ok(vec![room(name)?]),
        (None, Some(Attribute::Strings(names))) => rooms(names.iter().map(String::as_str)),
        (None, Some(Attribute::L(list))) => {
            let names: Option<Vec<&str>> = list.iter().map(Attribute::as_text).collect();
            rooms(names.ok_or_else(|| Reason::new("rooms must be a list or set of strings"))?)
        }
        (None, Some(_)) => Err(Reason::new("rooms must be a list or set of strings")),
    }
}

fn text<'a>(row: &'a Image, name: &str) -> Result<Option<&'a str>, Reason> {
    match row.get(name) {
        None => Ok(None),
        Some(Attribute::S(text)) => Ok(Some(text)),
        Some(_) => Err(Reason::new(format!("{name} must be a string"))),
    }
}

/// Writes an attribute as JSON. Numbers keep the text that DynamoDB has, so nothing is rounded.
fn to_json(attribute: &Attribute) -> Result<String, Reason> {
    let list = |parts: Result<Vec<String>, Reason>| parts.map(|parts| format!("[{}]", parts.join(",")));
    match attribute {
        Attribute::S(text) => Ok(Value::from(text.as_str()).to_string()),
        Attribute::N(number) => Ok(number.clone()),
        Attribute::Bool(truth) => Ok(truth.to_string()),
        Attribute::Null(_) => Ok("null".to_owned()),
        Attribute::L(items) => list(items.iter().map(to_json).collect()),
        Attribute::Strings(texts) => {
            list(Ok(texts.iter().map(|text| Value::from(text.as_str()).to_string()).collect()))
        }
        Attribute::Numbers(numbers) => list(Ok(numbers.clone())),
        Attribute::M(fields) => {
            let field = |(name, value): (&String, &Attribute)| {
                to_json(value).map(|json| format!("{}:{json}", Value::from(name.as_str())))
            };
            let fields: Result<Vec<String>, Reason> = fields.iter().map(field).collect();
            fields.map(|fields| format!("{{{}}}", fields.join(",")))
        }
        Attribute::B(_) | Attribute::Binaries(_) => {
            Err(Reason::new("data holds binary, which JSON cannot; write text, such as base64"))
        }
    }
}

//! Requests and replies of the HTTP API, for backends without an AWS SDK.

use domain::{Code, Data, Position, PublicationId, Reject, RoomId, UserId, limits};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::reply::Failure;
use crate::request::{given, object, optional, present, string};

/// One publication of a request, before it has an id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The id that the backend gives it.
    pub id: Option<PublicationId>,
    /// The author that members see.
    pub by: UserId,
    /// The content of the publication.
    pub data: Data,
}

/// The publications of a request, in their order. A publication that cannot be read does not fail
/// the others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entries {
    /// Each publication, or the reason for refusing it.
    pub entries: Vec<Result<Entry, Reject>>,
    /// True if the request is a list, even of one.
    pub is_batch: bool,
}

/// The reply to a request that published.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Published {
    /// The room of the publications.
    pub room: RoomId,
    /// The outcome of each publication, in the order of the request.
    pub results: Vec<Outcome>,
    /// The reason, if no publication was accepted: that of the first one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub err: Option<Failure>,
}

/// The outcome of one publication.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "status", rename_all = "snake_case")]
pub enum Outcome {
    /// It is durable and will be delivered.
    Accepted {
        /// The id of the publication.
        id: PublicationId,
    },
    /// The backend had used the id before in this room: nothing more is published under it.
    Repeated {
        /// The id of the publication.
        id: PublicationId,
        /// The position of the first publication with this id.
        #[serde(flatten)]
        position: Position,
    },
    /// It was refused, and is not published.
    Refused {
        /// Its id, if it had a good one.
        #[serde(skip_serializing_if = "Option::is_none")]
        id: Option<PublicationId>,
        /// The reason of the refusal.
        err: Failure,
    },
}

/// The reply to a request for a room.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct RoomState {
    /// The name of the room.
    pub room: RoomId,
    /// The position of its head.
    #[serde(flatten)]
    pub position: Position,
    /// The number of its members at the last count; absent for rooms that are not counted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub members: Option<u64>,
}

/// The reply to a request to close a user's connections.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Closing {
    /// The user whose connections are closed.
    pub user: UserId,
}

#[derive(Deserialize)]
struct Fields<'a> {
    #[serde(borrow, default, deserialize_with = "present")]
    id: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "present")]
    by: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "present")]
    data: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "present")]
    items: Option<&'a RawValue>,
}

impl Entries {
    /// Parses the body of a request: `{"id", "by", "data"}`, or `{"items": […]}` of these.
    ///
    /// # Errors
    /// `not_json` for another text, `limit_exceeded` for a list that is too long or empty.
    pub fn parse(text: &str) -> Result<Self, Reject> {
        let fields: Fields<'_> = object(text).map_err(|error| {
            let message = format!(
                "the body is a JSON object such as {{\"id\":\"order-7\",\"data\":{{\"text\":\"hi\"}}}}: {error}"
            );
            Reject::new(Code::NotJson, message)
        })?;
        let Some(items) = given(fields.items) else {
            return Ok(Self { entries: vec![entry(&fields, "")], is_batch: false });
        };
        if fields.data.is_some() || fields.id.is_some() || fields.by.is_some() {
            return Err(Reject::field("items", "send either items or id, by and data, not both"));
        }
        let shape = |_| Reject::field("items", "items must be a list of {\"id\":…,\"data\":…}");
        let raws: Vec<&RawValue> = serde_json::from_str(items.get()).map_err(shape)?;
        let most = limits::ITEMS_PER_PUBLISH;
        if !(1..=most).contains(&raws.len()) {
            let message = format!("items holds {} publications; it takes 1 to {most}", raws.len());
            return Err(Reject::new(Code::LimitExceeded, message).of("items"));
        }
        let parse = |(at, raw): (usize, &&RawValue)| {
            let fields = object(raw.get()).map_err(|_| {
                Reject::field(format!("items[{at}]"), format!("items[{at}] must be an object with data"))
            })?;
            entry(&fields, &format!("items[{at}]."))
        };
        Ok(Self { entries: raws.iter().enumerate().map(parse).collect(), is_batch: true })
    }
}

fn entry(fields: &Fields<'_>, path: &str) -> Result<Entry, Reject> {
    let at = |field: &str| format!("{path}{field}");
    let id = optional(&at("id"), fields.id, |field, raw| {
        PublicationId::parse(string(field, Some(raw))?).map_err(|reject| reject.of(field))
    })?;
    let by = optional(&at("by"), fields.by, |field, raw| {
        UserId::parse(string(field, Some(raw))?).map_err(|reject| reject.of(field))
    })?;
    let Some(data) = fields.data else {
        return Err(Reject::field(at("data"), format!("{} is missing: any JSON value", at("data"))));
    };
    let data = Data::parse(data.get()).map_err(|reject| reject.of(at("data")))?;
    Ok(Entry { id, by: by.unwrap_or_else(UserId::backend), data })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(text: &str) -> (Code, Option<String>) {
        let reject = Entries::parse(text).unwrap_err();
        (reject.code, reject.field)
    }

    #[test]
    fn a_body_is_one_publication_or_a_list() {
        let one = Entries::parse(r#"{"id":"order-7","by":"shop","data":{"n":1.10}}"#).unwrap();
        let entry = one.entries[0].clone().unwrap();
        assert_eq!((entry.id.unwrap().as_ref(), entry.by.as_ref()), ("order-7", "shop"));
        assert_eq!((entry.data.as_json(), one.is_batch), (r#"{"n":1.10}"#, false));
        let list = Entries::parse(r#"{"items":[{"data":null},{"data":1}]}"#).unwrap();
        assert!(list.is_batch);
        let entries: Vec<Entry> = list.entries.into_iter().map(Result::unwrap).collect();
        assert_eq!((entries[0].data.as_json(), entries[1].data.as_json()), ("null", "1"));
        assert_eq!((entries[0].id.clone(), entries[0].by.as_ref()), (None, "backend"));
    }

    #[test]
    fn a_bad_entry_of_a_list_does_not_fail_the_others() {
        let list = Entries::parse(r#"{"items":[{"data":1},{"id":"p"},7,{"id":"a b","data":1}]}"#).unwrap();
        let fields: Vec<Option<String>> =
            list.entries.into_iter().map(|entry| entry.err().and_then(|reject| reject.field)).collect();
        let named = |field: &str| Some(field.to_owned());
        assert_eq!(fields, [None, named("items[1].data"), named("items[2]"), named("items[3].id")]);
    }

    #[test]
    fn a_body_of_another_form_is_refused_as_a_whole() {
        assert_eq!(refused("[]"), (Code::NotJson, None));
        assert_eq!(refused(""), (Code::NotJson, None));
        assert_eq!(refused(r#"{"data":1,"data":2}"#), (Code::NotJson, None));
        assert_eq!(refused(r#"{"items":[]}"#), (Code::LimitExceeded, Some("items".to_owned())));
        assert_eq!(refused(r#"{"items":{}}"#), (Code::InvalidField, Some("items".to_owned())));
        assert_eq!(refused(r#"{"items":[{"data":1}],"data":1}"#), (Code::InvalidField, Some("items".to_owned())));
        let eleven = format!(r#"{{"items":[{}]}}"#, [r#"{"data":1}"#; 11].join(","));
        assert_eq!(refused(&eleven), (Code::LimitExceeded, Some("items".to_owned())));
    }
}

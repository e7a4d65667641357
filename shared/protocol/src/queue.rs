//! Messages of queues, from function to function: JSON with a version, so that two deployments can
//! overlap.

use std::borrow::Cow;

use domain::portable_json;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

/// The version this code writes, and the only one it reads.
const VERSION: u32 = 1;

/// A body that cannot be read, now or later: its message belongs in the dead-letter queue.
#[derive(Debug, thiserror::Error)]
pub enum Poison {
    /// The body is not JSON, or has not the form of the message.
    #[error("the body is not a message of version {VERSION}: {0}")]
    Malformed(#[from] serde_json::Error),
    /// Another version of this code wrote the body.
    #[error("the body is of version {0}; this function reads version {VERSION}")]
    Version(u32),
}

#[derive(Serialize)]
struct Envelope<'a, T> {
    v: u32,
    #[serde(flatten)]
    message: &'a T,
}

#[derive(Deserialize)]
struct Stamp {
    v: u32,
}

/// Encodes a message. Queues and topics accept every character of the body.
///
/// # Errors
/// When the message cannot be written as JSON.
pub fn encode<T: Serialize>(message: &T) -> Result<String, serde_json::Error> {
    // The message is not flattened through a map, because payloads are raw JSON and would be parsed
    // again.
    let body = serde_json::to_string(message)?;
    let body = match body.strip_prefix('{') {
        Some("}") | None => serde_json::to_string(&Envelope { v: VERSION, message })?,
        Some(rest) => format!("{{\"v\":{VERSION},{rest}"),
    };
    Ok(match portable_json(&body) {
        Cow::Borrowed(_) => body,
        Cow::Owned(escaped) => escaped,
    })
}

/// Decodes the body of a message.
///
/// # Errors
/// [`Poison`] when the body is malformed, or of another version.
pub fn decode<T: DeserializeOwned>(body: &str) -> Result<T, Poison> {
    let Stamp { v } = serde_json::from_str(body)?;
    if v != VERSION {
        return Err(Poison::Version(v));
    }
    Ok(serde_json::from_str(body)?)
}

#[cfg(test)]
mod tests {
    use domain::{Data, Ephemeral, Item, PublicationId, Publisher, RoomId, Submission, Timestamp, UserId, is_portable};
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;

    fn submission(data: &[Value], request: &str) -> Submission {
        let user = UserId::parse("ada").unwrap();
        let item = |data: &Value| Item {
            id: PublicationId::parse("p").unwrap(),
            data: Data::parse(&data.to_string()).unwrap(),
        };
        Submission {
            room: RoomId::parse("lobby").unwrap(),
            publisher: Publisher::user(&user),
            by: user,
            sender: None,
            echo: true,
            accepted_at: Timestamp::from_ms(1),
            items: data.iter().map(item).collect(),
            ephemeral: Some(Ephemeral { key: None, request: request.to_owned() }),
            held: None,
            reminder: None,
        }
    }

    proptest! {
        #[test]
        fn whatever_a_message_says_a_queue_accepts_it_and_it_is_read_with_the_same_value(
            key in any::<String>(),
            text in any::<String>(),
            hard in "[\u{fffe}\u{ffff}\u{0}\u{1f}\u{7f}\\\\\"a]{0,12}",
        ) {
            let values = [json!({ key.as_str(): [text, hard.as_str()] }), json!(hard)];
            let said = submission(&values, &hard);
            let body = encode(&said).unwrap();
            prop_assert!(body.chars().all(is_portable), "{body:?}");
            let read: Submission = decode(&body).unwrap();
            prop_assert_eq!(&read, &said);
            for (item, value) in read.items.iter().zip(&values) {
                prop_assert_eq!(&serde_json::from_str::<Value>(item.data.as_json()).unwrap(), value);
            }
        }
    }
}

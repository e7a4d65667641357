//! Records of a table's stream: one for each change of an item.
//!
//! Source: <https://docs.aws.amazon.com/lambda/latest/dg/with-ddb.html#events-sample-dynamodb>,
//! <https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_streams_AttributeValue.html>

use std::collections::BTreeMap;

use domain::Timestamp;
use serde::{Deserialize, Deserializer, Serialize};

/// The attributes of an item, or of its key, by name.
pub type Image = BTreeMap<String, Attribute>;

/// A batch of records, as Lambda passes it to a function.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct StreamEvent {
    /// The records in the order of their shard.
    #[serde(rename = "Records")]
    pub records: Vec<Record>,
}

/// One change of one item.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// The id of the change, which is the same each time the record is delivered.
    pub event_id: String,
    /// The place of the record in its shard. A partial failure names it.
    pub sequence_number: String,
    /// The kind of the change.
    pub event: Event,
    /// The time of the change, to the second.
    pub at: Timestamp,
    /// The item's key.
    pub keys: Image,
    /// The item before the change, if it existed and the stream has it.
    pub old: Option<Image>,
    /// The item after the change, if it exists and the stream has it.
    pub new: Option<Image>,
    /// True if DynamoDB removed the item because its time to live had passed.
    pub expired: bool,
}

/// The kind of a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Event {
    /// The item is new.
    Insert,
    /// The item existed before, and still exists.
    Modify,
    /// The item was removed.
    Remove,
}

/// A value. Numbers keep the text in which they are written, and binary is base64.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Attribute {
    /// A string of UTF-8 text.
    S(String),
    /// A number, in decimal.
    N(String),
    /// Bytes, in base64.
    B(String),
    /// True or false.
    #[serde(rename = "BOOL")]
    Bool(bool),
    /// The null value.
    #[serde(rename = "NULL")]
    Null(bool),
    /// A set of strings.
    #[serde(rename = "SS")]
    Strings(Vec<String>),
    /// A set of numbers.
    #[serde(rename = "NS")]
    Numbers(Vec<String>),
    /// A set of bytes, each in base64.
    #[serde(rename = "BS")]
    Binaries(Vec<String>),
    /// A list of attributes.
    L(Vec<Attribute>),
    /// A map of named attributes.
    M(Image),
}

impl Attribute {
    /// Returns the text of a string.
    #[must_use]
    pub fn as_text(&self) -> Option<&str> {
        match self {
            Self::S(text) => Some(text),
            _ => None,
        }
    }
}

/// Writes an item in the JSON of DynamoDB, which people can read and put into a table again.
#[must_use]
pub fn to_text(image: &Image) -> String {
    serde_json::to_string(image).unwrap_or_default()
}

impl<'de> Deserialize<'de> for Record {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Fields {
            #[serde(rename = "eventID", default)]
            event_id: String,
            event_name: Event,
            dynamodb: Change,
            #[serde(default)]
            user_identity: Option<Identity>,
        }
        #[derive(Deserialize)]
        #[serde(rename_all = "PascalCase")]
        struct Change {
            #[serde(default)]
            approximate_creation_date_time: f64,
            sequence_number: String,
            keys: Image,
            #[serde(default)]
            old_image: Option<Image>,
            #[serde(default)]
            new_image: Option<Image>,
        }
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Identity {
            #[serde(default)]
            principal_id: String,
        }
        let Fields { event_id, event_name, dynamodb, user_identity } = Fields::deserialize(deserializer)?;
        Ok(Self {
            event_id,
            sequence_number: dynamodb.sequence_number,
            event: event_name,
            at: Timestamp::from_ms((dynamodb.approximate_creation_date_time * 1_000.0) as u64),
            keys: dynamodb.keys,
            old: dynamodb.old_image,
            new: dynamodb.new_image,
            expired: user_identity.is_some_and(|who| who.principal_id == "dynamodb.amazonaws.com"),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An event as AWS documents it, with a value of every type.
    const EVENT: &str = r#"{"Records":[
        {"eventID":"f07f8ca4b0b26cb9c4e5e77e69f274ee","eventName":"REMOVE","eventVersion":"1.1","eventSource":"aws:dynamodb","awsRegion":"us-east-1",
         "userIdentity":{"type":"Service","principalId":"dynamodb.amazonaws.com"},
         "dynamodb":{"ApproximateCreationDateTime":1480642020,"Keys":{"pk":{"S":"CONN#AAAA1234="}},"OldImage":{"pk":{"S":"CONN#AAAA1234="},"room":{"S":"r1"}},
          "SequenceNumber":"1405400000000002063282832","SizeBytes":54,"StreamViewType":"NEW_AND_OLD_IMAGES"},
         "eventSourceARN":"arn:aws:dynamodb:us-east-1:123456789012:table/Conn/stream/2016-12-02T00:00:00.000"},
        {"eventID":"2","eventName":"INSERT","awsRegion":"us-east-1","dynamodb":{"Keys":{"pk":{"S":"x"}},"SequenceNumber":"2","SizeBytes":1,
          "NewImage":{"n":{"N":"1.10"},"b":{"B":"AP8="},"t":{"BOOL":true},"0":{"NULL":true},"ss":{"SS":["a"]},"ns":{"NS":["1"]},"bs":{"BS":["/w=="]},
           "l":{"L":[{"S":"a"},{"L":[]}]},"m":{"M":{"k":{"S":"v"}}}}}}]}"#;

    #[test]
    fn records_are_read_as_lambda_hands_them_over() {
        let StreamEvent { records } = serde_json::from_str(EVENT).unwrap();
        let removed = &records[0];
        assert_eq!((removed.event, removed.expired, removed.new.is_none()), (Event::Remove, true, true));
        assert_eq!((removed.at.as_s(), removed.sequence_number.as_str()), (1_480_642_020, "1405400000000002063282832"));
        assert_eq!(removed.keys["pk"].as_text(), Some("CONN#AAAA1234="));
        let new = records[1].new.as_ref().unwrap();
        assert_eq!(new["n"], Attribute::N("1.10".to_owned()));
        assert_eq!(new["l"], Attribute::L(vec![Attribute::S("a".to_owned()), Attribute::L(Vec::new())]));
        assert_eq!(new["m"], Attribute::M([("k".to_owned(), Attribute::S("v".to_owned()))].into()));
        assert_eq!((new.len(), records[1].expired), (9, false));
    }
}

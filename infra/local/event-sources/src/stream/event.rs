//! Builds one record of a stream as a function receives it.
//!
//! Source: <https://docs.aws.amazon.com/lambda/latest/dg/with-ddb.html#events-sample-dynamodb>

use std::collections::{BTreeMap, HashMap};

use aws_sdk_dynamodbstreams::types::{AttributeValue, Identity, Record};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};

use super::StreamSource;

/// The identity that DynamoDB writes into the record of an expired item's deletion.
const EXPIRY_PRINCIPAL: &str = "dynamodb.amazonaws.com";
const EXPIRY_TYPE: &str = "Service";

/// Returns the JSON of one record.
pub(super) fn record(record: &Record, source: &StreamSource, region: &str) -> Value {
    let mut event = Map::new();
    event.insert("eventID".to_owned(), json!(record.event_id().unwrap_or_default()));
    event.insert("eventName".to_owned(), json!(record.event_name().map(|name| name.as_str())));
    event.insert("eventVersion".to_owned(), json!(record.event_version().unwrap_or("1.1")));
    event.insert("eventSource".to_owned(), json!(record.event_source().unwrap_or("aws:dynamodb")));
    event.insert("awsRegion".to_owned(), json!(region));
    if let Some(change) = record.dynamodb() {
        event.insert("dynamodb".to_owned(), Value::Object(self::change(change)));
    }
    if let Some(identity) = record.user_identity() {
        event.insert("userIdentity".to_owned(), user_identity(identity));
    }
    event.insert("eventSourceARN".to_owned(), json!(source.event_source_arn));
    Value::Object(event)
}

/// Returns the key of the item that the record changes. All changes of an item have the same key.
pub(super) fn item_key(record: &Record) -> String {
    let keys = record.dynamodb().and_then(|change| change.keys());
    let keys: BTreeMap<&String, Value> = keys.into_iter().flatten().map(|(name, key)| (name, attribute(key))).collect();
    json!(keys).to_string()
}

fn change(change: &aws_sdk_dynamodbstreams::types::StreamRecord) -> Map<String, Value> {
    let mut fields = Map::new();
    if let Some(time) = change.approximate_creation_date_time() {
        fields.insert("ApproximateCreationDateTime".to_owned(), json!(time.secs()));
    }
    for (name, image) in [("Keys", change.keys()), ("NewImage", change.new_image()), ("OldImage", change.old_image())] {
        if let Some(image) = image {
            fields.insert(name.to_owned(), item(image));
        }
    }
    fields.insert("SequenceNumber".to_owned(), json!(change.sequence_number()));
    fields.insert("SizeBytes".to_owned(), json!(change.size_bytes().unwrap_or(0)));
    fields.insert("StreamViewType".to_owned(), json!(change.stream_view_type().map(|view| view.as_str())));
    fields
}

/// Returns the identity of a deletion. Only deletions of expired items have one. Some endpoints
/// write its fields in a form that the SDK cannot read; missing fields get the values that AWS
/// writes.
fn user_identity(identity: &Identity) -> Value {
    let type_ = identity.r#type().unwrap_or(EXPIRY_TYPE);
    json!({ "type": type_, "principalId": identity.principal_id().unwrap_or(EXPIRY_PRINCIPAL) })
}

fn item(item: &HashMap<String, AttributeValue>) -> Value {
    Value::Object(item.iter().map(|(name, value)| (name.clone(), attribute(value))).collect())
}

fn attribute(value: &AttributeValue) -> Value {
    match value {
        AttributeValue::S(text) => json!({ "S": text }),
        AttributeValue::N(number) => json!({ "N": number }),
        AttributeValue::B(binary) => json!({ "B": STANDARD.encode(binary) }),
        AttributeValue::Bool(bool) => json!({ "BOOL": bool }),
        AttributeValue::Ss(set) => json!({ "SS": set }),
        AttributeValue::Ns(set) => json!({ "NS": set }),
        AttributeValue::Bs(set) => {
            json!({ "BS": set.iter().map(|binary| STANDARD.encode(binary)).collect::<Vec<_>>() })
        }
        AttributeValue::L(list) => json!({ "L": list.iter().map(attribute).collect::<Vec<_>>() }),
        AttributeValue::M(map) => json!({ "M": item(map) }),
        // Also covers types that DynamoDB may add later.
        _ => json!({ "NULL": true }),
    }
}

#[cfg(test)]
mod tests {
    use aws_lambda_events::dynamodb::EventRecord;
    use aws_sdk_dynamodbstreams::primitives::{Blob, DateTime};
    use aws_sdk_dynamodbstreams::types::{OperationType, StreamRecord, StreamViewType};

    use super::*;

    const ARN: &str = "arn:aws:dynamodb:us-east-1:123456789012:table/Conn/stream/2016-12-02T00:00:00.000";

    fn string(text: &str) -> AttributeValue {
        AttributeValue::S(text.to_owned())
    }

    fn removed() -> aws_sdk_dynamodbstreams::types::builders::RecordBuilder {
        let change = StreamRecord::builder()
            .approximate_creation_date_time(DateTime::from_secs(1_480_642_020))
            .keys("pk", string("CONN#AAAA1234="))
            .old_image("pk", string("CONN#AAAA1234="))
            .old_image("room", string("r1"))
            .sequence_number("1405400000000002063282832")
            .size_bytes(54)
            .stream_view_type(StreamViewType::NewAndOldImages);
        Record::builder()
            .event_id("f07f8ca4b0b26cb9c4e5e77e69f274ee")
            .event_name(OperationType::Remove)
            .event_version("1.1")
            .event_source("aws:dynamodb")
            .aws_region("elsewhere")
            .dynamodb(change.build())
    }

    fn json_of(record: &Record) -> Value {
        super::record(record, &StreamSource::new(ARN, "f"), "us-east-1")
    }

    #[test]
    fn an_expiry_is_written_as_on_aws_even_if_its_identity_could_not_be_read() {
        let record = removed().user_identity(Identity::builder().build()).build();
        let expected = json!({
            "eventID": "f07f8ca4b0b26cb9c4e5e77e69f274ee", "eventName": "REMOVE", "eventVersion": "1.1",
            "eventSource": "aws:dynamodb", "awsRegion": "us-east-1",
            "userIdentity": {"type": "Service", "principalId": "dynamodb.amazonaws.com"},
            "dynamodb": {
                "ApproximateCreationDateTime": 1_480_642_020, "Keys": {"pk": {"S": "CONN#AAAA1234="}},
                "OldImage": {"pk": {"S": "CONN#AAAA1234="}, "room": {"S": "r1"}},
                "SequenceNumber": "1405400000000002063282832", "SizeBytes": 54,
                "StreamViewType": "NEW_AND_OLD_IMAGES",
            },
            "eventSourceARN": ARN,
        });
        assert_eq!(json_of(&record), expected);
    }

    #[test]
    fn a_deletion_by_a_user_has_no_identity() {
        assert_eq!(json_of(&removed().build()).get("userIdentity"), None);
    }

    #[test]
    fn the_rust_types_of_aws_read_it() {
        let read: EventRecord = serde_json::from_value(json_of(&removed().build())).unwrap();
        assert_eq!((read.event_name.as_str(), read.change.size_bytes), ("REMOVE", 54));
        assert_eq!(read.change.approximate_creation_date_time.timestamp(), 1_480_642_020);
    }

    #[test]
    fn every_type_of_attribute_is_written() {
        let values = [
            (string("x"), json!({"S": "x"})),
            (AttributeValue::N("1.5".into()), json!({"N": "1.5"})),
            (AttributeValue::B(Blob::new(*b"\x00\xff")), json!({"B": "AP8="})),
            (AttributeValue::Bool(true), json!({"BOOL": true})),
            (AttributeValue::Null(true), json!({"NULL": true})),
            (AttributeValue::Ss(vec!["a".into()]), json!({"SS": ["a"]})),
            (AttributeValue::Ns(vec!["1".into()]), json!({"NS": ["1"]})),
            (AttributeValue::Bs(vec![Blob::new(*b"\xff")]), json!({"BS": ["/w=="]})),
            (AttributeValue::L(vec![string("a")]), json!({"L": [{"S": "a"}]})),
            (AttributeValue::M(HashMap::from([("k".into(), string("v"))])), json!({"M": {"k": {"S": "v"}}})),
        ];
        for (value, expected) in values {
            assert_eq!(attribute(&value), expected);
        }
    }

    #[test]
    fn changes_of_one_item_share_a_key() {
        let with = |sk: &str| {
            let keys = StreamRecord::builder().keys("pk", string("p")).keys("sk", string(sk));
            item_key(&Record::builder().dynamodb(keys.build()).build())
        };
        assert_eq!(with("a"), with("a"));
        assert_ne!(with("a"), with("b"));
    }
}

//! The IAM actions of a request: one action for each resource that the request touches.

use std::borrow::Cow;
use std::collections::HashMap;

use dynoxide::actions::get_shard_iterator::decode_shard_iterator;
use serde::Deserialize;
use serde::de::IgnoredAny;

use super::grants::Action;
use super::secrets::secret_of;
use crate::place::{index_arn, queue_arn, secret_arn, stream_arn, table_arn, topic_arn};

/// Returns the actions of a call of DynamoDB. A transaction is authorised by its parts. A batch is
/// authorised by its own name on every table.
///
/// Source:
/// <https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/transaction-apis-iam.html>
pub(crate) fn of_dynamodb(operation: &str, body: &[u8]) -> Vec<Action> {
    let request: Request<'_> = serde_json::from_slice(body).unwrap_or_default();
    let named = |table: &str| Action::new(format!("dynamodb:{operation}"), arn(table));
    match operation {
        "TransactWriteItems" | "TransactGetItems" => request.parts(),
        "BatchGetItem" | "BatchWriteItem" => request.request_items.keys().map(|table| named(table)).collect(),
        _ => match (&request.table_name, &request.index_name, &request.stream_arn) {
            (Some(table), Some(index), _) => {
                vec![Action::new(format!("dynamodb:{operation}"), index_arn(name(table), index))]
            }
            (Some(table), None, _) => vec![named(table)],
            (None, _, Some(stream)) => vec![Action::new(format!("dynamodb:{operation}"), of_stream(stream))],
            (None, _, None) => vec![Action::new(format!("dynamodb:{operation}"), request.iterated_stream())],
        },
    }
}

/// Returns the action of a call of SQS. A batch is authorised as the single call.
///
/// Source:
/// <https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-api-permissions-reference.html>
pub(crate) fn of_sqs(operation: &str, body: &[u8]) -> Vec<Action> {
    let resource =
        local_queues::sqs_resource(operation, body).map_or_else(|| "*".to_owned(), |queue| queue_arn(&queue));
    vec![Action::new(format!("sqs:{}", operation.trim_end_matches("Batch")), resource)]
}

/// Returns the action of a call of SNS. A batch is authorised as the single call.
///
/// Source:
/// <https://docs.aws.amazon.com/sns/latest/dg/sns-access-policy-language-api-permissions-reference.html>
pub(crate) fn of_sns(operation: &str, body: &[u8]) -> Vec<Action> {
    let topic = local_queues::sns_resource(body).and_then(|(_, topic)| topic);
    let resource = topic.map_or_else(|| "*".to_owned(), |topic| topic_arn(&topic));
    vec![Action::new(format!("sns:{}", operation.trim_end_matches("Batch")), resource)]
}

/// Returns the action of a call of Secrets Manager.
///
/// Source:
/// <https://docs.aws.amazon.com/service-authorization/latest/reference/list_awssecretsmanager.html>
pub(crate) fn of_secrets(operation: &str, body: &[u8]) -> Vec<Action> {
    let resource = secret_of(body).map_or_else(|| "*".to_owned(), |secret| secret_arn(&secret));
    vec![Action::new(format!("secretsmanager:{operation}"), resource)]
}

/// Returns the name of a table that is given by name or by ARN.
fn name(table: &str) -> &str {
    table.rsplit_once(":table/").map_or(table, |(_, name)| name)
}

fn arn(table: &str) -> String {
    table_arn(name(table))
}

/// Returns the ARN that grants use for a stream. It contains the table, but not the time at which
/// the stream was enabled.
fn of_stream(stream: &str) -> String {
    name(stream).split_once("/stream/").map_or_else(|| stream.to_owned(), |(table, _)| stream_arn(table))
}

/// The fields of a request that name tables.
#[derive(Deserialize, Default)]
#[serde(rename_all = "PascalCase", default)]
struct Request<'a> {
    #[serde(borrow)]
    table_name: Option<Cow<'a, str>>,
    #[serde(borrow)]
    index_name: Option<Cow<'a, str>>,
    #[serde(borrow)]
    stream_arn: Option<Cow<'a, str>>,
    #[serde(borrow)]
    shard_iterator: Option<Cow<'a, str>>,
    #[serde(borrow)]
    request_items: HashMap<Cow<'a, str>, IgnoredAny>,
    #[serde(borrow)]
    transact_items: Vec<Part<'a>>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "PascalCase", default)]
struct Part<'a> {
    #[serde(borrow)]
    put: Option<OnTable<'a>>,
    #[serde(borrow)]
    update: Option<OnTable<'a>>,
    #[serde(borrow)]
    delete: Option<OnTable<'a>>,
    #[serde(borrow)]
    condition_check: Option<OnTable<'a>>,
    #[serde(borrow)]
    get: Option<OnTable<'a>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct OnTable<'a> {
    #[serde(borrow)]
    table_name: Cow<'a, str>,
}

impl Request<'_> {
    /// Returns the stream of a shard iterator, or `*` for a call that names no resource.
    fn iterated_stream(&self) -> String {
        let iterator = self.shard_iterator.as_deref().and_then(decode_shard_iterator);
        iterator.map_or_else(|| "*".to_owned(), |(table, ..)| stream_arn(&table))
    }

    fn parts(&self) -> Vec<Action> {
        let parts = self.transact_items.iter().flat_map(|part| {
            [
                ("PutItem", &part.put),
                ("UpdateItem", &part.update),
                ("DeleteItem", &part.delete),
                ("ConditionCheckItem", &part.condition_check),
                ("GetItem", &part.get),
            ]
        });
        parts
            .filter_map(|(action, on)| {
                on.as_ref().map(|on| Action::new(format!("dynamodb:{action}"), arn(&on.table_name)))
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn actions(operation: &str, body: serde_json::Value) -> Vec<String> {
        let mut actions: Vec<String> = of_dynamodb(operation, body.to_string().as_bytes())
            .into_iter()
            .map(|action| format!("{} {}", action.name, action.resource.rsplit_once(':').map_or("*", |(_, name)| name)))
            .collect();
        actions.sort();
        actions
    }

    #[test]
    fn an_item_call_is_on_its_table_and_a_query_on_its_index() {
        let item = serde_json::json!({ "TableName": "things", "Item": { "TableName": { "S": "other" } } });
        assert_eq!(actions("PutItem", item), ["dynamodb:PutItem table/things"]);
        let query = serde_json::json!({ "TableName": "things", "IndexName": "by_kind" });
        assert_eq!(actions("Query", query), ["dynamodb:Query table/things/index/by_kind"]);
        let arn = serde_json::json!({ "TableName": "arn:aws:dynamodb:us-east-1:000000000000:table/things" });
        assert_eq!(actions("GetItem", arn), ["dynamodb:GetItem table/things"]);
    }

    #[test]
    fn a_call_on_a_stream_names_the_stream_or_an_iterator_of_it() {
        let stream = "arn:aws:dynamodb:us-east-1:000000000000:table/things/stream/2026-01-01T00:00:00.000";
        let read = serde_json::json!({ "StreamArn": stream, "ShardId": "shard" });
        assert_eq!(actions("GetShardIterator", read), ["dynamodb:GetShardIterator table/things/stream/*"]);
        let iterator = dynoxide::actions::get_shard_iterator::encode_shard_iterator("things", "shard", 7);
        let read = serde_json::json!({ "ShardIterator": iterator });
        assert_eq!(actions("GetRecords", read), ["dynamodb:GetRecords table/things/stream/*"]);
    }

    #[test]
    fn a_batch_is_on_every_table_by_its_own_name() {
        let batch = serde_json::json!({ "RequestItems": { "a": [], "b": [] } });
        assert_eq!(
            actions("BatchWriteItem", batch),
            ["dynamodb:BatchWriteItem table/a", "dynamodb:BatchWriteItem table/b"]
        );
    }

    #[test]
    fn a_transaction_is_authorised_by_its_parts() {
        let transaction = serde_json::json!({ "TransactItems": [
            { "Put": { "TableName": "a", "Item": {} } },
            { "ConditionCheck": { "TableName": "b", "Key": {} } },
            { "Delete": { "TableName": "b", "Key": {} } },
        ] });
        assert_eq!(
            actions("TransactWriteItems", transaction),
            ["dynamodb:ConditionCheckItem table/b", "dynamodb:DeleteItem table/b", "dynamodb:PutItem table/a"]
        );
    }

    #[test]
    fn a_batch_of_messages_is_authorised_as_a_message() {
        let body = br#"{"QueueUrl":"http://127.0.0.1:4566/000000000000/work.fifo","Entries":[]}"#;
        assert_eq!(of_sqs("SendMessageBatch", body), [Action::new("sqs:SendMessage", queue_arn("work.fifo"))]);
        let body = b"Action=PublishBatch&TopicArn=arn%3Aaws%3Asns%3Aus-east-1%3A000000000000%3Anews";
        assert_eq!(of_sns("PublishBatch", body), [Action::new("sns:Publish", topic_arn("news"))]);
    }

    #[test]
    fn a_secret_is_named_by_its_name_or_its_arn() {
        let expected = [Action::new("secretsmanager:GetSecretValue", secret_arn("x/keys"))];
        assert_eq!(of_secrets("GetSecretValue", br#"{"SecretId":"x/keys"}"#), expected);
        let by_arn = serde_json::json!({ "SecretId": secret_arn("x/keys") }).to_string();
        assert_eq!(of_secrets("GetSecretValue", by_arn.as_bytes()), expected);
    }

    #[test]
    fn a_call_on_no_table_is_on_everything() {
        assert_eq!(actions("ListTables", serde_json::json!({})), ["dynamodb:ListTables *"]);
    }
}

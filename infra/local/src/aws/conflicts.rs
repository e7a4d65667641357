//! Conflicts with transactions: a transaction holds its items while it runs, and other calls on
//! these items are refused.
//!
//! Here a write transaction would end at once, so it is delayed for a fixed time. Meanwhile another
//! transaction on one of its items is cancelled, a single write is rejected, and a write of a batch
//! stays unprocessed. Reads are not affected. Source:
//! <https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/transaction-apis.html#transaction-conflict-handling>

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use dynoxide::DynoxideError;
use dynoxide::actions::describe_table::DescribeTableRequest;
use dynoxide::errors::CancellationReason;
use http::StatusCode;
use http_body_util::BodyExt;
use serde_json::{Map, Value, json};

use super::answer::{self, Answer};
use super::database::Database;

/// DynamoDB's message for an item that a transaction holds.
const ONGOING: &str = "Transaction is ongoing for the item";

/// An item: its table, and its key as JSON text.
type Key = (String, String);

/// The items that transactions hold.
pub(super) struct Conflicts {
    hold: Duration,
    held: Arc<Mutex<HashSet<Key>>>,
    /// The key attributes of the tables that were described so far.
    schemas: Mutex<HashMap<String, Arc<[String]>>>,
}

/// Items of one transaction, held until this is dropped.
pub(super) struct Held {
    keys: Vec<Key>,
    all: Arc<Mutex<HashSet<Key>>>,
}

/// The decision about a call.
pub(super) enum Admission {
    /// Run the whole call. If it is a transaction, it holds its items meanwhile.
    Whole(Option<Held>),
    /// Run the batch without the writes that conflict. The answer must list them as unprocessed.
    Partly { body: Bytes, unprocessed: Value },
    /// Answer without running the call.
    Refused(Answer),
}

impl Conflicts {
    /// Each transaction holds its items for `hold`. With zero, calls never conflict.
    pub(super) fn new(hold: Duration) -> Self {
        Self { hold, held: Arc::default(), schemas: Mutex::default() }
    }

    /// Admits or refuses a call. A write transaction waits here while it holds its items.
    pub(super) async fn admit(&self, database: &Database, operation: &str, body: &Bytes) -> Admission {
        if self.hold.is_zero() {
            return Admission::Whole(None);
        }
        match operation {
            "TransactWriteItems" => self.transaction(database, body).await,
            "TransactGetItems" if self.any_held() => self.transactional_read(database, body).await,
            "PutItem" | "UpdateItem" | "DeleteItem" if self.any_held() => self.write(database, body).await,
            "BatchWriteItem" if self.any_held() => self.batch(database, body).await,
            "CreateTable" | "DeleteTable" => {
                locked(&self.schemas).clear();
                Admission::Whole(None)
            }
            _ => Admission::Whole(None),
        }
    }

    async fn transaction(&self, database: &Database, body: &Bytes) -> Admission {
        let Some(keys) = self.keys_of_transaction(database, body).await else { return Admission::Whole(None) };
        let held = {
            let mut all = locked(&self.held);
            if let Some(answer) = cancellation(&keys, &all) {
                return Admission::Refused(answer);
            }
            all.extend(keys.iter().cloned());
            Held { keys, all: Arc::clone(&self.held) }
        };
        tokio::time::sleep(self.hold).await;
        Admission::Whole(Some(held))
    }

    async fn transactional_read(&self, database: &Database, body: &Bytes) -> Admission {
        let Some(keys) = self.keys_of_transaction(database, body).await else { return Admission::Whole(None) };
        cancellation(&keys, &locked(&self.held)).map_or(Admission::Whole(None), Admission::Refused)
    }

    async fn write(&self, database: &Database, body: &Bytes) -> Admission {
        let call: Value = serde_json::from_slice(body).unwrap_or_default();
        match self.key_of(database, call["TableName"].as_str(), &call).await {
            Some(key) if self.holds(&key) => Admission::Refused(conflict()),
            _ => Admission::Whole(None),
        }
    }

    async fn batch(&self, database: &Database, body: &Bytes) -> Admission {
        let mut call: Value = serde_json::from_slice(body).unwrap_or_default();
        let mut unprocessed = Map::new();
        let Some(tables) = call.get_mut("RequestItems").and_then(Value::as_object_mut) else {
            return Admission::Whole(None);
        };
        for (table, requests) in tables.iter_mut() {
            // DynamoDB refuses a request that cannot be parsed.
            let Some(list) = requests.as_array_mut() else { return Admission::Whole(None) };
            let (mut free, mut conflicting) = (Vec::new(), Vec::new());
            for request in std::mem::take(list) {
                let write = request.get("PutRequest").or_else(|| request.get("DeleteRequest")).unwrap_or(&Value::Null);
                let key = self.key_of(database, Some(table), write).await;
                let is_held = key.is_some_and(|key| self.holds(&key));
                if is_held { conflicting.push(request) } else { free.push(request) }
            }
            *list = free;
            if !conflicting.is_empty() {
                unprocessed.insert(table.clone(), conflicting.into());
            }
        }
        if unprocessed.is_empty() {
            return Admission::Whole(None);
        }
        tables.retain(|_, requests| requests.as_array().is_some_and(|list| !list.is_empty()));
        if tables.is_empty() {
            let body = json!({ "UnprocessedItems": unprocessed }).to_string();
            return Admission::Refused(answer::json(StatusCode::OK, body));
        }
        Admission::Partly { body: call.to_string().into(), unprocessed: unprocessed.into() }
    }

    /// Returns the items of a transaction in its order. Returns `None` if it cannot be parsed;
    /// DynamoDB then refuses it.
    async fn keys_of_transaction(&self, database: &Database, body: &Bytes) -> Option<Vec<Key>> {
        let call: Value = serde_json::from_slice(body).ok()?;
        let mut keys = Vec::new();
        for part in call["TransactItems"].as_array()? {
            let action = part.as_object()?.values().next()?;
            keys.push(self.key_of(database, action["TableName"].as_str(), action).await?);
        }
        Some(keys)
    }

    /// Returns the item of one write or read: its `Key`, or the key attributes of its `Item`.
    async fn key_of(&self, database: &Database, table: Option<&str>, action: &Value) -> Option<Key> {
        let table = table?;
        let table = table.rsplit_once(":table/").map_or(table, |(_, name)| name);
        let key: BTreeMap<&str, &Value> = match action["Key"].as_object() {
            Some(key) => key.iter().map(|(name, value)| (name.as_str(), value)).collect(),
            None => {
                let (schema, item) = (self.schema(database, table).await?, action["Item"].as_object()?);
                let attributes = schema.iter().map(|name| item.get_key_value(name.as_str()));
                let attributes = attributes.map(|found| found.map(|(name, value)| (name.as_str(), value)));
                return Some((table.to_owned(), key_text(&attributes.collect::<Option<_>>()?)));
            }
        };
        Some((table.to_owned(), key_text(&key)))
    }

    /// Returns the key attributes of a table.
    async fn schema(&self, database: &Database, table: &str) -> Option<Arc<[String]>> {
        if let Some(known) = locked(&self.schemas).get(table) {
            return Some(Arc::clone(known));
        }
        let request = DescribeTableRequest { table_name: table.to_owned() };
        let described = database.run(move |dynamo| dynamo.describe_table(request)).await.ok()?.ok()?;
        let schema: Arc<[String]> =
            described.table.key_schema.into_iter().map(|element| element.attribute_name).collect();
        locked(&self.schemas).insert(table.to_owned(), Arc::clone(&schema));
        Some(schema)
    }

    fn any_held(&self) -> bool {
        !locked(&self.held).is_empty()
    }

    fn holds(&self, key: &Key) -> bool {
        locked(&self.held).contains(key)
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        let mut all = locked(&self.all);
        all.retain(|key| !self.keys.contains(key));
    }
}

/// Adds the excluded writes of a batch to the unprocessed items of its answer.
pub(super) async fn with_unprocessed(answer: Answer, unprocessed: &Value) -> Answer {
    let (mut parts, body) = answer.into_parts();
    // Collecting a body in memory cannot fail.
    let body = body.collect().await.map(|body| body.to_bytes()).unwrap_or_default();
    let mut outcome: Value = serde_json::from_slice(&body).unwrap_or_default();
    if !parts.status.is_success() || !outcome.is_object() {
        return Answer::from_parts(parts, body.into());
    }
    for (table, requests) in unprocessed.as_object().into_iter().flatten() {
        let rest = &mut outcome["UnprocessedItems"][table];
        match rest.as_array_mut() {
            Some(rest) => rest.extend(requests.as_array().into_iter().flatten().cloned()),
            None => *rest = requests.clone(),
        }
    }
    parts.headers.remove(http::header::CONTENT_LENGTH);
    Answer::from_parts(parts, Bytes::from(outcome.to_string()).into())
}

/// Returns the answer to a transaction with items that another one holds, or `None` if it may
/// proceed.
fn cancellation(keys: &[Key], held: &HashSet<Key>) -> Option<Answer> {
    let is_held: Vec<bool> = keys.iter().map(|key| held.contains(key)).collect();
    if !is_held.contains(&true) {
        return None;
    }
    let reason = |held: &bool| match held {
        true => CancellationReason {
            code: "TransactionConflict".to_owned(),
            message: Some(ONGOING.to_owned()),
            ..CancellationReason::default()
        },
        false => CancellationReason { code: "None".to_owned(), ..CancellationReason::default() },
    };
    let reasons: Vec<CancellationReason> = is_held.iter().map(reason).collect();
    let codes: Vec<&str> = reasons.iter().map(|reason| reason.code.as_str()).collect();
    let codes = codes.join(", ");
    let message = format!("Transaction cancelled, please refer cancellation reasons for specific reasons [{codes}]");
    let error = DynoxideError::TransactionCanceledException(message, reasons);
    Some(answer::json(StatusCode::BAD_REQUEST, error.to_json()))
}

/// Builds the answer to a single write on a held item.
fn conflict() -> Answer {
    let kind = "com.amazonaws.dynamodb.v20120810#TransactionConflictException";
    answer::json(StatusCode::BAD_REQUEST, json!({ "__type": kind, "message": ONGOING }).to_string())
}

fn key_text(attributes: &BTreeMap<&str, &Value>) -> String {
    json!(attributes).to_string()
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

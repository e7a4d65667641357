//! Faults on demand between a function and its tables and queues.

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::StatusCode;
use http_body_util::BodyExt;
use local_faults::{Fault, Faults};
use serde_json::{Value, json};

use super::answer::{self, Answer};
use super::protocol::Call;

/// Calls that DynamoDB throttles by the capacity of a table.
const ON_ITEMS: [&str; 10] = [
    "BatchGetItem",
    "BatchWriteItem",
    "DeleteItem",
    "GetItem",
    "PutItem",
    "Query",
    "Scan",
    "TransactGetItems",
    "TransactWriteItems",
    "UpdateItem",
];
/// Calls that write.
const WRITES: [&str; 5] = ["BatchWriteItem", "DeleteItem", "PutItem", "TransactWriteItems", "UpdateItem"];

/// Number of stored queries above which old ones are removed.
const REMEMBERED: usize = 1_024;

/// Applies faults to calls before or after they are performed.
pub(crate) struct Trouble {
    faults: Faults,
    index: Index,
}

impl Trouble {
    pub(crate) fn new(faults: Faults) -> Self {
        Self { faults, index: Index::default() }
    }

    pub(super) fn faults(&self) -> &Faults {
        &self.faults
    }

    /// Performs a call, unless a fault prevents it.
    pub(super) async fn around<F>(&self, call: &Call<'_>, body: Bytes, perform: impl Fn(Bytes) -> F) -> Answer
    where
        F: Future<Output = Answer>,
    {
        match call {
            Call::Dynamo(operation) if ON_ITEMS.contains(operation) => {
                if self.faults.fires(Fault::TableThrottled) {
                    return throttled();
                }
                if *operation == "Query" {
                    return self.query(body, perform).await;
                }
                let answer = perform(body).await;
                let is_lost = WRITES.contains(operation)
                    && answer.status().is_success()
                    && self.faults.fires(Fault::WriteUnanswered);
                if is_lost { unavailable() } else { answer }
            }
            Call::Sqs("SendMessageBatch") => self.send_batch(body, perform).await,
            Call::Dynamo(_) | Call::Sqs(_) | Call::Sns(_) | Call::Secrets(_) => perform(body).await,
        }
    }

    /// Answers a query of an index as the index would have answered some time ago.
    async fn query<F>(&self, body: Bytes, perform: impl Fn(Bytes) -> F) -> Answer
    where
        F: Future<Output = Answer>,
    {
        let asked_at = Instant::now();
        let lag = question(&body).and_then(|question| Some((question, self.faults.delay(Fault::IndexLag)?)));
        let Some((question, lag)) = lag else { return perform(body).await };
        let answer = perform(body).await;
        if !answer.status().is_success() {
            return answer;
        }
        let (status, fresh) = (answer.status(), body_of(answer).await);
        let kept = self.faults.longest_delay(Fault::IndexLag);
        let shown = self.index.as_it_was(question, fresh.clone(), asked_at, lag, kept);
        if shown != fresh && parsed(&shown) != parsed(&fresh) {
            self.faults.happened(Fault::IndexLag);
        }
        answer::json(status, shown)
    }

    /// Fails some entries of a batch and sends the others.
    async fn send_batch<F>(&self, body: Bytes, perform: impl Fn(Bytes) -> F) -> Answer
    where
        F: Future<Output = Answer>,
    {
        let Some(mut call) = parsed(&body) else { return perform(body).await };
        let Some(entries) = call["Entries"].as_array_mut() else { return perform(body).await };
        let mut failed = Vec::new();
        entries.retain(|entry| {
            let fails = self.faults.fires(Fault::EntryFailed);
            if fails {
                failed.push(json!({
                    "Id": entry["Id"], "SenderFault": false, "Code": "InternalError", "Message": "Please try again.",
                }));
            }
            !fails
        });
        if failed.is_empty() {
            return perform(body).await;
        }
        if entries.is_empty() {
            return answer::json(StatusCode::OK, json!({ "Successful": [], "Failed": failed }).to_string());
        }
        let answer = perform(call.to_string().into()).await;
        let status = answer.status();
        let body = body_of(answer).await;
        let Some(mut outcome) = parsed(&body).filter(|_| status.is_success()) else {
            return answer::json(status, body);
        };
        match outcome["Failed"].as_array_mut() {
            Some(others) => others.extend(failed),
            None => outcome["Failed"] = failed.into(),
        }
        answer::json(status, outcome.to_string())
    }
}

/// Recent answers to queries of indexes. An index that lags returns such an answer again.
///
/// A query without an answer within the lag returns the current state.
#[derive(Default)]
struct Index {
    answers: Mutex<HashMap<String, VecDeque<(Instant, Bytes)>>>,
}

impl Index {
    /// Stores the fresh answer for `kept`. Returns the oldest stored answer that is no older than
    /// `lag`.
    fn as_it_was(&self, question: String, fresh: Bytes, now: Instant, lag: Duration, kept: Duration) -> Bytes {
        let is_within = |at: &Instant, age: Duration| now.saturating_duration_since(*at) <= age;
        let mut answers = self.answers.lock().unwrap_or_else(PoisonError::into_inner);
        if answers.len() > REMEMBERED {
            answers.retain(|_, given| given.back().is_some_and(|(at, _)| is_within(at, kept)));
        }
        let given = answers.entry(question).or_default();
        given.push_back((now, fresh.clone()));
        given.retain(|(at, _)| is_within(at, kept));
        given.iter().find(|(at, _)| is_within(at, lag)).map_or(fresh, |(_, answer)| answer.clone())
    }
}

/// Returns a key for a query of an index. The order of the query's members does not change the key.
/// Returns `None` for a query of a table.
fn question(body: &[u8]) -> Option<String> {
    let query: Value = serde_json::from_slice(body).ok()?;
    query.get("IndexName").and_then(Value::as_str)?;
    // `Value` sorts the members of objects.
    Some(query.to_string())
}

fn parsed(body: &[u8]) -> Option<Value> {
    serde_json::from_slice(body).ok()
}

async fn body_of(answer: Answer) -> Bytes {
    // Collecting a body in memory cannot fail.
    answer.into_body().collect().await.map(|body| body.to_bytes()).unwrap_or_default()
}

/// Builds the answer to a throttled call. Source:
/// <https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Programming.Errors.html>
fn throttled() -> Answer {
    let message = "The level of configured provisioned throughput for the table was exceeded. Consider increasing your \
                   provisioning level with the UpdateTable API.";
    let kind = "com.amazonaws.dynamodb.v20120810#ProvisionedThroughputExceededException";
    answer::json(StatusCode::BAD_REQUEST, json!({ "__type": kind, "message": message }).to_string())
}

fn unavailable() -> Answer {
    let body = answer::error_body("InternalServerError", "Internal server error");
    answer::json(StatusCode::INTERNAL_SERVER_ERROR, body)
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use super::*;

    fn trouble(spec: &str) -> Trouble {
        Trouble::new(Faults::new(&spec.parse().unwrap(), 7))
    }

    async fn outcome(answer: Answer) -> (u16, Value) {
        (answer.status().as_u16(), parsed(&body_of(answer).await).unwrap())
    }

    /// Performs a call with a fixed answer. Returns the answer, and the bodies with which the call
    /// was performed.
    async fn call(trouble: &Trouble, call: Call<'_>, body: Value, says: Value) -> ((u16, Value), Vec<Value>) {
        let performed = RefCell::new(Vec::new());
        let answer = trouble
            .around(&call, body.to_string().into(), |body| {
                performed.borrow_mut().push(parsed(&body).unwrap());
                std::future::ready(answer::json(StatusCode::OK, says.to_string()))
            })
            .await;
        (outcome(answer).await, performed.into_inner())
    }

    #[tokio::test]
    async fn a_table_throttles_a_call_before_anything_is_done() {
        let ((status, error), performed) =
            call(&trouble("F17=1"), Call::Dynamo("PutItem"), json!({ "TableName": "t" }), json!({})).await;
        assert_eq!((status, performed.len()), (400, 0));
        let kind = "com.amazonaws.dynamodb.v20120810#ProvisionedThroughputExceededException";
        assert_eq!(error["__type"], kind);
    }

    #[tokio::test]
    async fn a_write_is_done_and_answered_by_500_and_a_read_is_not() {
        let trouble = trouble("F22=1");
        let body = json!({ "TableName": "t" });
        let ((status, _), performed) = call(&trouble, Call::Dynamo("PutItem"), body.clone(), json!({})).await;
        assert_eq!((status, performed.len()), (500, 1));
        let ((status, _), performed) = call(&trouble, Call::Dynamo("GetItem"), body, json!({})).await;
        assert_eq!((status, performed.len()), (200, 1));
        assert_eq!(trouble.faults().count(Fault::WriteUnanswered).fired, 1);
    }

    #[tokio::test]
    async fn entries_of_a_batch_fail_by_themselves_and_are_named() {
        let ids: Vec<Value> = (0..10).map(|id| json!({ "Id": id.to_string(), "MessageBody": "x" })).collect();
        let trouble = trouble("F16=0.5");
        let says = json!({ "Successful": ["as it was"] });
        let ((status, answer), performed) =
            call(&trouble, Call::Sqs("SendMessageBatch"), json!({ "QueueUrl": "q", "Entries": ids }), says).await;
        let sent: Vec<&str> =
            performed[0]["Entries"].as_array().unwrap().iter().filter_map(|entry| entry["Id"].as_str()).collect();
        let failed: Vec<&str> =
            answer["Failed"].as_array().unwrap().iter().filter_map(|entry| entry["Id"].as_str()).collect();
        assert_eq!((status, &answer["Successful"]), (200, &json!(["as it was"])));
        assert!(!sent.is_empty() && !failed.is_empty());
        assert_eq!(sent.len() + failed.len(), 10);
        assert!(failed.iter().all(|id| !sent.contains(id)));
        assert_eq!(trouble.faults().count(Fault::EntryFailed).fired, failed.len() as u64);
    }

    #[tokio::test]
    async fn an_index_answers_as_it_was_and_a_table_as_it_is() {
        let trouble = trouble("F19=60..60s");
        let on_index = json!({ "TableName": "t", "IndexName": "i" });
        let items = |names: &[&str]| json!({ "Items": names });
        let ((_, first), _) = call(&trouble, Call::Dynamo("Query"), on_index.clone(), items(&["ada"])).await;
        let ((_, second), performed) = call(&trouble, Call::Dynamo("Query"), on_index, items(&["ada", "bob"])).await;
        assert_eq!((first, second, performed.len()), (items(&["ada"]), items(&["ada"]), 1));
        let ((_, other), _) =
            call(&trouble, Call::Dynamo("Query"), json!({ "TableName": "t" }), items(&["ada", "bob"])).await;
        assert_eq!(other, items(&["ada", "bob"]));
        assert_eq!(trouble.faults().count(Fault::IndexLag).fired, 1);
    }

    #[test]
    fn an_index_never_lags_by_more_than_it_may() {
        let (index, begun) = (Index::default(), Instant::now());
        let second = Duration::from_secs(1);
        let ask = |at: u32, fresh: &'static str, lag: u32| {
            index.as_it_was("q".to_owned(), fresh.into(), begun + second * at, second * lag, second * 3)
        };
        assert_eq!(ask(0, "a", 3), "a");
        assert_eq!(ask(2, "b", 3), "a");
        assert_eq!(ask(3, "c", 1), "b");
        assert_eq!(ask(4, "d", 3), "b");
        assert_eq!(ask(9, "e", 3), "e");
    }
}

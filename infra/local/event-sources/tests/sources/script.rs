//! A function that answers as the test specifies and stores the events that it received.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use local_event_sources::{Error, Invoke};
use serde_json::Value;
use tokio::sync::{Semaphore, watch};

/// Timeout of every wait. It is far more than any test needs, so a test that reaches it hangs.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

type Answer = Pin<Box<dyn Future<Output = Result<Bytes, Error>> + Send>>;

type Behaviour = dyn Fn(usize, &Value) -> Answer + Send + Sync;

pub(crate) struct Script {
    calls: watch::Sender<Vec<Value>>,
    answer: Box<Behaviour>,
}

impl Script {
    /// Answers call number n (from 0) with the result of `answer`.
    pub(crate) fn new<F>(answer: impl Fn(usize, &Value) -> F + Send + Sync + 'static) -> Arc<Self>
    where
        F: Future<Output = Result<Bytes, Error>> + Send + 'static,
    {
        let answer = move |call, event: &Value| -> Answer { Box::pin(answer(call, event)) };
        Arc::new(Self { calls: watch::channel(Vec::new()).0, answer: Box::new(answer) })
    }

    /// Answers at once with the result of `answer`.
    pub(crate) fn says(answer: impl Fn(usize, &Value) -> Result<Bytes, Error> + Send + Sync + 'static) -> Arc<Self> {
        Self::new(move |call, event| std::future::ready(answer(call, event)))
    }

    /// Answers every call with success.
    pub(crate) fn content() -> Arc<Self> {
        Self::says(|_, _| nothing())
    }

    /// Answers calls with success while `gate` has permits. Each call takes one permit; the other
    /// calls wait.
    pub(crate) fn behind(gate: &Arc<Semaphore>) -> Arc<Self> {
        let gate = Arc::clone(gate);
        Self::new(move |_, _| {
            let gate = Arc::clone(&gate);
            async move {
                gate.acquire().await.unwrap().forget();
                nothing()
            }
        })
    }

    pub(crate) fn calls(&self) -> Vec<Value> {
        self.calls.borrow().clone()
    }

    /// Returns every record that the function received, in order and with repeats.
    pub(crate) fn records(&self) -> Vec<Value> {
        self.calls().iter().flat_map(|event| event["Records"].as_array().cloned().unwrap_or_default()).collect()
    }

    /// Waits until `what` holds for the calls, and returns them.
    pub(crate) async fn until(&self, what: impl Fn(&[Value]) -> bool) -> Vec<Value> {
        let mut calls = self.calls.subscribe();
        let found = tokio::time::timeout(PATIENCE, calls.wait_for(|calls| what(calls))).await;
        match found {
            Ok(calls) => calls.unwrap().clone(),
            Err(_) => panic!("it never came; there was {:?}", self.calls()),
        }
    }

    /// Waits for `count` calls.
    pub(crate) async fn until_called(&self, count: usize) -> Vec<Value> {
        self.until(|calls| calls.len() >= count).await
    }

    /// Waits for `count` records, in any number of calls.
    pub(crate) async fn until_given(&self, count: usize) -> Vec<Value> {
        let given = |calls: &[Value]| calls.iter().filter_map(|call| call["Records"].as_array()).map(Vec::len).sum();
        self.until(|calls| -> bool {
            let given: usize = given(calls);
            given >= count
        })
        .await;
        self.records()
    }
}

impl Invoke for Script {
    async fn invoke(&self, _function: &str, payload: Bytes) -> Result<Bytes, Error> {
        let event: Value = serde_json::from_slice(&payload).expect("an event is JSON");
        let mut call = 0;
        self.calls.send_modify(|calls| {
            call = calls.len();
            calls.push(event.clone());
        });
        (self.answer)(call, &event).await
    }
}

pub(crate) fn nothing() -> Result<Bytes, Error> {
    Ok(Bytes::from_static(b"null"))
}

pub(crate) fn failed() -> Result<Bytes, Error> {
    Err(Error::Failed { function: "f".into(), error_type: "Boom".into(), message: "boom".into() })
}

pub(crate) fn throttled() -> Result<Bytes, Error> {
    Err(Error::Throttled("f".to_owned()))
}

/// Returns `{"batchItemFailures":[…]}` with these identifiers.
pub(crate) fn reports(identifiers: &[&str]) -> Result<Bytes, Error> {
    let failures: Vec<Value> = identifiers.iter().map(|id| serde_json::json!({ "itemIdentifier": id })).collect();
    Ok(serde_json::json!({ "batchItemFailures": failures }).to_string().into())
}

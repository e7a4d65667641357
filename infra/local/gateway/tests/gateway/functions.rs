//! Functions with handlers from the test.

use std::collections::{HashMap, VecDeque};
use std::future::Future;
use std::pin::pin;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use futures::future::BoxFuture;
use local_invoke::{Error, Invoke};
use serde_json::{Value, json};
use tokio::sync::{Notify, Semaphore};

use crate::support::soon;

type Handler = Box<dyn Fn(Value) -> BoxFuture<'static, Result<Bytes, Error>> + Send + Sync>;

/// Functions with handlers from the test. They store the events that they receive.
#[derive(Default)]
pub(crate) struct Functions {
    handlers: HashMap<&'static str, Handler>,
    events: Mutex<HashMap<String, VecDeque<Bytes>>>,
    invoked: Notify,
}

impl Functions {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    /// Adds a function with its own handler.
    pub(crate) fn on<F>(mut self, name: &'static str, handler: impl Fn(Value) -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = Result<Bytes, Error>> + Send + 'static,
    {
        self.handlers.insert(name, Box::new(move |event| Box::pin(handler(event))));
        self
    }

    /// Adds a function that always gives the same answer.
    pub(crate) fn answering(self, name: &'static str, answer: Value) -> Self {
        self.on(name, move |_| std::future::ready(Ok(answer.to_string().into())))
    }

    /// Adds a function that answers when the gate is open.
    pub(crate) fn gated(self, name: &'static str, gate: &Gate, answer: Value) -> Self {
        let gate = gate.clone();
        self.on(name, move |_| {
            let (gate, answer) = (gate.clone(), answer.to_string());
            async move {
                gate.pass().await;
                Ok(answer.into())
            }
        })
    }

    /// Adds a function that always fails with `message`.
    pub(crate) fn failing(self, name: &'static str, message: &'static str) -> Self {
        self.on(name, move |_| std::future::ready(Err(failed(name, message))))
    }

    /// Waits for the next event of a function and returns its exact bytes.
    pub(crate) async fn event(&self, name: &str) -> String {
        soon(async {
            loop {
                let mut invoked = pin!(self.invoked.notified());
                invoked.as_mut().enable();
                if let Some(event) = self.pop(name) {
                    return String::from_utf8(event.to_vec()).unwrap();
                }
                invoked.await;
            }
        })
        .await
    }

    /// Like [`Self::event`], parsed.
    pub(crate) async fn json_event(&self, name: &str) -> Value {
        serde_json::from_str(&self.event(name).await).unwrap()
    }

    /// Returns the number of events of a function that no test has taken.
    pub(crate) fn pending(&self, name: &str) -> usize {
        self.events.lock().unwrap().get(name).map_or(0, VecDeque::len)
    }

    fn pop(&self, name: &str) -> Option<Bytes> {
        self.events.lock().unwrap().get_mut(name)?.pop_front()
    }
}

impl Invoke for Functions {
    async fn invoke(&self, function: &str, payload: Bytes) -> Result<Bytes, Error> {
        let event = serde_json::from_slice(&payload).unwrap();
        self.events.lock().unwrap().entry(function.to_owned()).or_default().push_back(payload);
        self.invoked.notify_waiters();
        match self.handlers.get(function) {
            Some(handler) => handler(event).await,
            None => Err(Error::NotFound(function.to_owned())),
        }
    }
}

pub(crate) fn failed(function: &str, message: &str) -> Error {
    Error::Failed { function: function.to_owned(), error_type: "Error".to_owned(), message: message.to_owned() }
}

/// Returns `{"statusCode": 200}`.
pub(crate) fn ok() -> Value {
    json!({ "statusCode": 200 })
}

/// Answers a message with its own body.
pub(crate) async fn echo(event: Value) -> Result<Bytes, Error> {
    let answer = json!({ "statusCode": 200, "body": event["body"], "isBase64Encoded": event["isBase64Encoded"] });
    Ok(answer.to_string().into())
}

/// A function that never answers.
pub(crate) async fn never(_event: Value) -> Result<Bytes, Error> {
    std::future::pending().await
}

/// Returns `$connect`, `$disconnect` and `echo` as most tests need them.
pub(crate) fn usual_functions() -> Functions {
    Functions::new().answering("connect", ok()).answering("disconnect", ok()).on("echo", echo)
}

/// A gate that holds a function's handler until the test opens it.
#[derive(Clone)]
pub(crate) struct Gate(Arc<Semaphore>);

impl Gate {
    pub(crate) fn closed() -> Self {
        Self(Arc::new(Semaphore::new(0)))
    }

    pub(crate) fn open(&self) {
        self.0.add_permits(1_000);
    }

    pub(crate) async fn pass(&self) {
        self.0.acquire().await.unwrap().forget();
    }
}

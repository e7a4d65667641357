//! A Lambda with the test function, and a sink that stores its records.
#![allow(dead_code, reason = "each test file uses what it needs")]
#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use local_lambda::{Config, Credentials, Error, Function, Lambda, Output, Record, Report, Sink, Supervisor};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::watch;

/// Timeout of every wait. It is far more than any test needs, so a test that reaches it hangs.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

pub(crate) fn program() -> PathBuf {
    let here = std::env::current_exe().unwrap();
    let target = here.parent().and_then(|deps| deps.parent()).unwrap();
    target.join("examples").join(format!("lambda_test_function{}", std::env::consts::EXE_SUFFIX))
}

pub(crate) fn function(name: &str) -> Function {
    Function {
        name: name.to_owned(),
        program: program(),
        args: vec![],
        environment: vec![],
        credentials: Credentials {
            access_key_id: "AKID".to_owned(),
            secret_access_key: "SECRET".to_owned(),
            session_token: "TOKEN".to_owned(),
        },
        memory_mb: 256,
        timeout: Duration::from_secs(20),
        concurrency: 1,
    }
}

pub(crate) fn with(name: &str, change: impl FnOnce(&mut Function)) -> Function {
    let mut function = function(name);
    change(&mut function);
    function
}

pub(crate) fn at_start(how: &str) -> Function {
    with("f", |f| f.environment.push(("AT_START".to_owned(), how.to_owned())))
}

/// A running Lambda and the records of its functions.
pub(crate) struct Fixture {
    pub(crate) lambda: Lambda,
    pub(crate) heard: watch::Receiver<Vec<Heard>>,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Heard {
    Born(u64, u32),
    Start(String),
    Line(Output, String),
    Report(Report),
    Ended(u64, String),
}

struct Ear(watch::Sender<Vec<Heard>>);

impl Sink for Ear {
    fn record(&self, _function: &str, process: u64, record: Record<'_>) {
        let heard = match record {
            Record::ProcessStarted { pid } => Heard::Born(process, pid),
            Record::Start { request_id, .. } => Heard::Start(request_id.to_owned()),
            Record::Line { output, text } => Heard::Line(output, text.to_owned()),
            Record::Report(report) => Heard::Report(report.clone()),
            Record::ProcessEnded { reason } => Heard::Ended(process, reason.to_owned()),
        };
        self.0.send_modify(|all| all.push(heard));
    }
}

impl Fixture {
    pub(crate) fn of(function: Function) -> Self {
        Self::new(vec![function], |_| {})
    }

    pub(crate) fn new(functions: Vec<Function>, change: impl FnOnce(&mut Config)) -> Self {
        let (ear, heard) = watch::channel(Vec::new());
        let mut config = Config::new(functions, Arc::new(Ear(ear)));
        config.region = "eu-west-1".to_owned();
        config.account = "123456789012".to_owned();
        config.supervisor = Some(Supervisor { program: program(), args: vec!["supervise".to_owned()] });
        change(&mut config);
        Self { lambda: Lambda::start(config).unwrap(), heard }
    }

    /// Invokes function `f`.
    pub(crate) async fn invoke(&self, payload: Value) -> Result<Value, Error> {
        let payload = Bytes::from(payload.to_string());
        let answer = tokio::time::timeout(PATIENCE, self.lambda.invoke("f", payload)).await.expect("no answer");
        answer.map(|body| serde_json::from_slice(&body).unwrap())
    }

    pub(crate) async fn pid(&self) -> u32 {
        let pid = self.invoke(json!({"do": "pid"})).await.unwrap();
        pid.as_u64().unwrap().try_into().unwrap()
    }

    /// Waits for a record for which `what` returns a value.
    pub(crate) async fn until<T>(&self, what: impl Fn(&Heard) -> Option<T>) -> T {
        let mut heard = self.heard.clone();
        let found = heard.wait_for(|all| all.iter().any(|one| what(one).is_some()));
        let found = tokio::time::timeout(PATIENCE, found).await.expect("the record never came").unwrap();
        found.iter().find_map(what).unwrap()
    }

    /// Waits until `count` processes have ended.
    pub(crate) async fn until_ended(&self, count: usize) {
        let mut heard = self.heard.clone();
        let ended = |all: &Vec<Heard>| all.iter().filter(|one| matches!(one, Heard::Ended(..))).count() >= count;
        tokio::time::timeout(PATIENCE, heard.wait_for(ended)).await.expect("still there").unwrap();
    }

    pub(crate) fn lines(&self) -> Vec<String> {
        let text = |one: &Heard| match one {
            Heard::Line(_, text) => Some(text.clone()),
            _ => None,
        };
        self.heard.borrow().iter().filter_map(text).collect()
    }

    pub(crate) fn reports(&self) -> Vec<Report> {
        let report = |one: &Heard| match one {
            Heard::Report(report) => Some(report.clone()),
            _ => None,
        };
        self.heard.borrow().iter().filter_map(report).collect()
    }
}

/// Returns the error type and the message of a failed invocation.
pub(crate) fn failed(result: Result<Value, Error>) -> (String, String) {
    match result {
        Err(Error::Failed { error_type, message, .. }) => (error_type, message),
        other => panic!("expected a failure, got {other:?}"),
    }
}

/// An answer of the Runtime API.
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: String,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let lines = self.head.lines().filter_map(|line| line.split_once(": "));
        lines.into_iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap()
    }
}

/// Sends one raw call on its own connection.
pub(crate) async fn call(api: &str, method: &str, path: &str, headers: &str, body: &[u8]) -> Answer {
    let mut stream = TcpStream::connect(api).await.unwrap();
    let length = body.len();
    let head = format!(
        "{method} /2018-06-01{path} HTTP/1.1\r\nhost: {api}\r\nconnection: close\r\n\
         content-length: {length}\r\n{headers}\r\n"
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    stream.write_all(body).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    Answer { status, head: head.to_owned(), body: body.to_owned() }
}

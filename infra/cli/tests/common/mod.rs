//! Runs `roomcast` beside a local stack.
#![allow(dead_code, clippy::unwrap_used, clippy::panic, reason = "it is for tests, and not every file uses all of it")]

use std::process::Stdio;
use std::time::{Duration, Instant};

use local::Stack;
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::process::Command;

/// No step takes as long unless something is broken.
const PATIENCE: Duration = Duration::from_secs(60);

/// The program, for one stack.
pub(crate) struct Roomcast {
    endpoint: String,
}

/// The result of a command.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) status: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Outcome {
    /// Returns the objects on standard output. Every line must be one.
    pub(crate) fn objects(&self) -> Vec<Value> {
        self.out.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|_| panic!("{self:?}"))).collect()
    }
}

impl Roomcast {
    pub(crate) fn beside(stack: &Stack) -> Self {
        Self { endpoint: stack.addresses().aws_endpoint.clone() }
    }

    pub(crate) fn at(endpoint: &str) -> Self {
        Self { endpoint: endpoint.to_owned() }
    }

    /// Returns the command without input and without the variables of this process.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_roomcast"));
        command.args(["--endpoint", &self.endpoint]).args(arguments).stdin(Stdio::null()).kill_on_drop(true);
        for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("AWS_") || name.starts_with("ROOMCAST_"))
        {
            command.env_remove(name);
        }
        command
    }

    pub(crate) async fn run(&self, arguments: &[&str]) -> Outcome {
        let output = self.command(arguments).output().await.unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        Outcome { status: output.status.code().unwrap(), out: text(output.stdout), err: text(output.stderr) }
    }

    /// Runs a command that must succeed, and returns its objects.
    pub(crate) async fn json(&self, arguments: &[&str]) -> Vec<Value> {
        let outcome = self.run(&[&["--json"], arguments].concat()).await;
        assert_eq!(outcome.status, 0, "{arguments:?}: {outcome:?}");
        outcome.objects()
    }

    /// Repeats a command until its objects are as wanted.
    pub(crate) async fn until(&self, arguments: &[&str], wanted: impl Fn(&[Value]) -> bool) -> Vec<Value> {
        let begun = Instant::now();
        loop {
            let objects = self.json(arguments).await;
            if wanted(&objects) {
                return objects;
            }
            assert!(begun.elapsed() < PATIENCE, "{arguments:?} still prints {objects:?}");
        }
    }

    /// Waits until a dead-letter queue has so many letters.
    pub(crate) async fn until_dead(&self, queue: &str, letters: u64) {
        let is_it = |row: &Value| row["queue"] == queue && row["letters"] == letters;
        self.until(&["dead-letters", "list"], |rows| rows.iter().any(is_it)).await;
    }
}

/// Reads an address of the local stack.
pub(crate) async fn get(stack: &Stack, path: &str) -> String {
    let address = stack.addresses().aws_endpoint.trim_start_matches("http://");
    let mut stream = TcpStream::connect(address).await.unwrap();
    let head = format!("GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer.split_once("\r\n\r\n").unwrap().1.to_owned()
}

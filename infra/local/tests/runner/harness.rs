//! Starts the runner as a separate process, reads its output, and ensures that it ends.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::OnceLock;
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use futures::{SinkExt, StreamExt};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;
use tempfile::TempDir;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

/// Timeout of every wait. No step takes as long unless something is broken.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// Returns the path of the recipe's topology.
pub(crate) fn recipe() -> PathBuf {
    repository().join("loadtest/baseline/topology.yaml")
}

pub(crate) fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap()
}

/// If this variable has any value, every binary is already built
/// (`cargo build --workspace --bins`), so the tests do not call cargo.
const BUILT: &str = "ROOMCAST_BINARIES_BUILT";

/// Returns the folder with the recipe's binary, which is built once for all tests of a process.
pub(crate) fn binaries() -> &'static Path {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    FOLDER.get_or_init(|| {
        if std::env::var_os(BUILT).is_none() {
            let mut build = local::compile::cargo();
            build.args(["build", "--quiet", "--workspace", "--bin", "baseline"]).current_dir(repository());
            assert!(build.status().unwrap().success(), "the recipe does not build");
        }
        Path::new(env!("CARGO_BIN_EXE_roomcast-local")).parent().unwrap().to_owned()
    })
}

/// A running runner. It is killed when this value is dropped.
pub(crate) struct Runner {
    process: Child,
    lines: Receiver<String>,
    heard: Vec<String>,
    ready_file: PathBuf,
    /// The folder of the ready file, which is deleted at the end.
    _folder: TempDir,
}

impl Runner {
    /// Starts the runner on free ports with the recipe's topology and binaries.
    pub(crate) fn start(arguments: &[&str]) -> Self {
        let (topology, binaries) = (recipe(), binaries());
        let mut all = vec!["--topology", topology.to_str().unwrap(), "--bin-dir", binaries.to_str().unwrap()];
        all.extend(arguments);
        Self::start_bare(&all)
    }

    /// Starts the runner on free ports with only these additional arguments.
    pub(crate) fn start_bare(arguments: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let ready_file = folder.path().join("ready.json");
        let mut process = Command::new(env!("CARGO_BIN_EXE_roomcast-local"))
            .args(["--ws-port", "0", "--aws-port", "0", "--no-color", "--ready-file", ready_file.to_str().unwrap()])
            .args(arguments)
            .current_dir(repository())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let stderr = process.stderr.take().unwrap();
        let (sender, lines) = channel();
        std::thread::spawn(move || {
            for line in BufReader::new(stderr).lines().map_while(Result::ok) {
                eprintln!("| {line}");
                if sender.send(line).is_err() {
                    return;
                }
            }
        });
        Self { process, lines, heard: Vec::new(), ready_file, _folder: folder }
    }

    /// Waits for the banner. Returns the content of the ready file.
    pub(crate) fn ready(&mut self) -> Value {
        self.hear("Ctrl-C stops it");
        serde_json::from_slice(&std::fs::read(&self.ready_file).unwrap()).unwrap()
    }

    /// Returns the lines of standard error so far.
    pub(crate) fn heard(&self) -> &[String] {
        &self.heard
    }

    /// Waits for a line on standard error that contains `text`.
    pub(crate) fn hear(&mut self, text: &str) -> String {
        let deadline = Instant::now() + PATIENCE;
        loop {
            match self.lines.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
                Ok(line) => {
                    self.heard.push(line.clone());
                    if line.contains(text) {
                        return line;
                    }
                }
                Err(RecvTimeoutError::Timeout) => panic!("{text:?} was not printed within {PATIENCE:?}"),
                Err(RecvTimeoutError::Disconnected) => {
                    panic!("{text:?} was not printed before the end: {:?}", self.heard)
                }
            }
        }
    }

    /// Waits for the end. Returns status, standard output, and standard error.
    pub(crate) fn end(mut self) -> (ExitStatus, String, String) {
        let mut stdout = String::new();
        self.process.stdout.take().unwrap().read_to_string(&mut stdout).unwrap();
        let status = self.process.wait().unwrap();
        while let Ok(line) = self.lines.recv_timeout(PATIENCE) {
            self.heard.push(line);
        }
        (status, stdout, self.heard.join("\n"))
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill(self.pid(), signal).unwrap();
    }

    pub(crate) fn pid(&self) -> Pid {
        Pid::from_raw(self.process.id().try_into().unwrap())
    }

    /// Returns the running processes that the runner has started.
    pub(crate) fn children(&self) -> Vec<i32> {
        let own = self.pid().as_raw();
        let processes =
            std::fs::read_dir("/proc").unwrap().filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
        processes.filter(|pid| parent_of(*pid) == Some(own)).collect()
    }
}

impl Drop for Runner {
    fn drop(&mut self) {
        drop(self.process.kill());
        drop(self.process.wait());
    }
}

/// Returns the parent of a process that exists and is not a zombie.
fn parent_of(pid: i32) -> Option<i32> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name in parentheses may contain any character, so parsing starts behind its last
    // parenthesis.
    let mut fields = stat[stat.rfind(')')? + 1..].split_whitespace();
    let state = fields.next()?;
    let parent = fields.next()?.parse().ok()?;
    (state != "Z").then_some(parent)
}

/// Waits until none of the processes exists.
pub(crate) fn wait_until_gone(pids: &[i32]) {
    let deadline = Instant::now() + PATIENCE;
    while let Some(pid) = pids.iter().find(|pid| parent_of(**pid).is_some()) {
        assert!(Instant::now() < deadline, "process {pid} is still there");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Returns the answer to a GET of the AWS endpoint, parsed as JSON.
pub(crate) fn get(ready: &Value, path: &str) -> Value {
    serde_json::from_str(&get_text(ready, path)).unwrap()
}

/// Returns the body of the answer to a GET of the AWS endpoint.
pub(crate) fn get_text(ready: &Value, path: &str) -> String {
    let address = ready["aws_endpoint"].as_str().unwrap().trim_start_matches("http://").to_owned();
    let mut stream = TcpStream::connect(&address).unwrap();
    write!(stream, "GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (_, body) = answer.split_once("\r\n\r\n").unwrap();
    body.to_owned()
}

/// A WebSocket client.
pub(crate) struct Client(WebSocketStream<MaybeTlsStream<tokio::net::TcpStream>>);

impl Client {
    pub(crate) async fn connect(ready: &Value) -> Self {
        let (socket, _) = connect_async(ready["ws_url"].as_str().unwrap()).await.unwrap();
        Self(socket)
    }

    pub(crate) async fn say(&mut self, message: &str) {
        let frame = serde_json::json!({ "action": "sendMessage", "message": message }).to_string();
        self.0.send(Message::text(frame)).await.unwrap();
    }

    /// Waits until the gateway closes the connection. Returns the close code.
    pub(crate) async fn closed(&mut self) -> u16 {
        loop {
            match tokio::time::timeout(PATIENCE, self.0.next()).await.expect("a close frame in time") {
                Some(Ok(Message::Close(Some(frame)))) => return frame.code.into(),
                Some(Ok(_)) => {}
                other => panic!("closed without a code: {other:?}"),
            }
        }
    }

    /// Returns the next frame, parsed as JSON.
    pub(crate) async fn hear(&mut self) -> Value {
        let frame = tokio::time::timeout(PATIENCE, self.0.next()).await.expect("a frame in time");
        serde_json::from_str(frame.expect("an open socket").unwrap().to_text().unwrap()).unwrap()
    }
}

//! The program itself: its exit codes and its output.

use std::path::Path;
use std::process::{Output, Stdio};
use std::time::Duration;

use nix::sys::signal::Signal;
use nix::unistd::Pid;
use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::process::{Child, ChildStderr, Command};

use crate::{Fault, Server};

pub(crate) async fn load(arguments: &[&str]) -> Output {
    command(arguments).output().await.unwrap()
}

/// The program, without variables of this environment that would change its behaviour.
fn command(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_roomcast-load"));
    for variable in ["ROOMCAST_WS_URL", "ROOMCAST_TOKEN", "AWS_ENDPOINT_URL"] {
        command.env_remove(variable);
    }
    command.args(arguments);
    command
}

async fn small(url: &str, more: &[&str]) -> Output {
    let few = ["--members", "5", "--publications", "10", "--rate", "20", "--connect-rate", "400", "--drain", "2"];
    load(&[&["--url", url], few.as_slice(), more].concat()).await
}

pub(crate) fn told(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clean_run_passes_and_writes_what_was_asked_for() {
    let server = Server::start(Fault::None).await;
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name).display().to_string();
    let (json, html, junit) = (at("result.json"), at("report.html"), at("junit.xml"));
    let output = small(&server.url, &["--json-out", &json, "--html", &html, "--junit", &junit]).await;
    // Other tests on a busy machine may starve it. Then it reports an invalid run.
    assert!(matches!(output.status.code(), Some(0 | 5)), "{}", told(&output));
    assert!(told(&output).contains("5 x 10, 50 pairs expected"), "{}", told(&output));
    assert!([&json, &html, &junit].iter().all(|path| Path::new(path).metadata().unwrap().len() > 500));
    let compared = load(&["compare", &json, &json]).await;
    assert_eq!(compared.status.code(), Some(0), "{}", told(&compared));
    let merged = load(&["merge", &json, &json, "--json-out", &at("sum.json")]).await;
    assert!(told(&merged).contains("10 x 20, 100 pairs expected"), "{}", told(&merged));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_lost_something_exits_with_4() {
    let server = Server::start(Fault::Loses(12)).await;
    let output = small(&server.url, &[]).await;
    assert_eq!(output.status.code(), Some(4), "{}", told(&output));
    assert!(told(&output).starts_with("NOT CORRECT"), "{}", told(&output));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_run_exits_with_2_and_a_sentence() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("wrong.toml");
    std::fs::write(&path, "name = \"x\"\nabout = \"x\"\nphases = []\nrooms = []\nspeed = 9\n").unwrap();
    let unknown = load(&[path.to_str().unwrap()]).await;
    assert_eq!(unknown.status.code(), Some(2));
    assert!(told(&unknown).contains("line 5: unknown field `speed`"), "{}", told(&unknown));
    let elsewhere = load(&["--url", "wss://abc.execute-api.eu-west-1.amazonaws.com/prod"]).await;
    assert_eq!(elsewhere.status.code(), Some(2));
    assert!(told(&elsewhere).contains("set a budget with --max-usd"), "{}", told(&elsewhere));
    let door = load(&["--doors", "window"]).await;
    assert_eq!(door.status.code(), Some(2));
}

/// A run that would take minutes. The test waits for lines on its stderr.
struct Running {
    child: Child,
    told: Lines<BufReader<ChildStderr>>,
}

impl Running {
    async fn start(url: &str, more: &[&str]) -> Self {
        let long = ["--url", url, "--members", "5", "--publications", "4000", "--rate", "20", "--drain", "60"];
        let mut child = command(&[long.as_slice(), more].concat())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let told = BufReader::new(child.stderr.take().unwrap()).lines();
        let mut running = Self { child, told };
        running.hear("publishing").await;
        running
    }

    async fn hear(&mut self, word: &str) {
        let heard = async { while !self.told.next_line().await.unwrap().expect("it has ended").contains(word) {} };
        soon(heard).await;
    }

    fn signal(&self, signal: Signal) {
        let pid = i32::try_from(self.child.id().unwrap()).unwrap();
        nix::sys::signal::kill(Pid::from_raw(pid), signal).unwrap();
    }

    async fn end(self) -> Output {
        soon(self.child.wait_with_output()).await.unwrap()
    }
}

async fn soon<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(60), future).await.expect("it did not happen")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_is_interrupted_drains_and_still_reports() {
    let server = Server::start(Fault::None).await;
    for signal in [Signal::SIGINT, Signal::SIGTERM] {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name).display().to_string();
        let (json, html) = (at("result.json"), at("report.html"));
        let mut running = Running::start(&server.url, &["--json-out", &json, "--html", &html]).await;
        running.signal(signal);
        running.hear("stopping").await;
        let output = running.end().await;
        assert!(matches!(output.status.code(), Some(0 | 5)), "{signal}: {}", told(&output));
        assert!(told(&output).contains("stopped before its end: it was interrupted"), "{}", told(&output));
        let report = loadtest::report::read(Path::new(&json)).unwrap();
        let account = &report.account;
        assert!((1..4_000).contains(&account.publications), "{}", told(&output));
        assert_eq!((account.missing, account.unknown, account.excused.all()), (0, 0, 0), "{}", told(&output));
        assert_eq!(account.tally.delivered, 5 * account.publications);
        assert!(std::fs::read_to_string(html).unwrap().contains("it was interrupted"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_interrupt_ends_it_at_once() {
    // Publications without a reply would be waited for for a minute.
    let server = Server::start(Fault::DoesNotAnswer).await;
    for signal in [Signal::SIGINT, Signal::SIGTERM] {
        let mut running = Running::start(&server.url, &[]).await;
        running.signal(signal);
        running.hear("stopping").await;
        running.signal(signal);
        let output = running.end().await;
        assert_eq!(output.status.code(), Some(128 + signal as i32), "{}", told(&output));
        assert!(output.stdout.is_empty(), "{}", told(&output));
    }
}

//! The program itself: its exit codes, and what it writes.

use std::path::Path;
use std::process::Output;

use tokio::process::Command;

use crate::{Fault, Server};

/// Runs the program with nothing of this environment that it would listen to.
pub(crate) async fn load(arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_roomcast-load"));
    for variable in ["ROOMCAST_WS_URL", "ROOMCAST_TOKEN", "AWS_ENDPOINT_URL"] {
        command.env_remove(variable);
    }
    command.args(arguments).output().await.unwrap()
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
    // A machine that is busy with other tests may starve it, and then it says so.
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
    assert!(told(&elsewhere).contains("say what it may cost with --max-usd"), "{}", told(&elsewhere));
    let door = load(&["--doors", "window"]).await;
    assert_eq!(door.status.code(), Some(2));
}

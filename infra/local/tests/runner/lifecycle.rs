//! Tests starting and stopping.

use std::net::TcpListener;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;

use crate::harness::{Client, Runner, recipe, wait_until_gone};

/// The longest time that a stop may take for the user.
const STOPS_WITHIN: Duration = Duration::from_secs(5);

async fn stops(signal: Signal) {
    let mut runner = Runner::start(&[]);
    let ready = runner.ready();
    let mut client = Client::connect(&ready).await;
    client.say("hello").await;
    client.hear().await;
    let children = runner.children();
    assert!(!children.is_empty(), "a function is running");
    let asked = Instant::now();
    runner.signal(signal);
    let (status, _, _) = runner.end();
    let took = asked.elapsed();
    assert!(status.success(), "{status}");
    assert!(took < STOPS_WITHIN, "it took {took:?}");
    wait_until_gone(&children);
}

#[tokio::test]
async fn sigterm_drains_and_stops_in_time_and_leaves_no_process() {
    stops(Signal::SIGTERM).await;
}

#[tokio::test]
async fn ctrl_c_drains_and_stops_in_time_and_leaves_no_process() {
    stops(Signal::SIGINT).await;
}

#[tokio::test]
async fn a_terminal_that_is_closed_drains_and_stops_in_time_and_leaves_no_process() {
    stops(Signal::SIGHUP).await;
}

#[tokio::test]
async fn a_second_ctrl_c_stops_at_once_and_leaves_no_process() {
    let mut runner = Runner::start(&[]);
    let ready = runner.ready();
    // The client never answers the close frame, so draining takes longer.
    let _client = Client::connect(&ready).await;
    let children = runner.children();
    runner.signal(Signal::SIGINT);
    runner.hear("stopping");
    runner.signal(Signal::SIGINT);
    let (status, _, _) = runner.end();
    assert_eq!(status.code(), Some(130));
    wait_until_gone(&children);
}

#[tokio::test]
async fn sigkill_leaves_no_process() {
    let mut runner = Runner::start(&[]);
    let ready = runner.ready();
    let _client = Client::connect(&ready).await;
    let children = runner.children();
    assert!(!children.is_empty(), "a function is running");
    runner.signal(Signal::SIGKILL);
    wait_until_gone(&children);
}

#[test]
fn a_port_in_use_is_named_with_the_option_that_changes_it() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    for (option, what) in [("--ws-port", "WebSocket API"), ("--aws-port", "AWS endpoint")] {
        let (status, _, stderr) = Runner::start(&[option, &port]).end();
        assert_eq!(status.code(), Some(1));
        let expected =
            format!("port {port} for the {what} is in use: stop what uses it, or choose another one with {option}");
        assert!(stderr.contains(&expected), "{stderr}");
    }
}

#[test]
fn a_function_that_dies_at_start_is_named_with_its_last_words() {
    let folder = tempfile::tempdir().unwrap();
    let program = folder.path().join("baseline");
    std::fs::write(&program, "#!/bin/sh\necho 'no such table' >&2\nexit 3\n").unwrap();
    std::fs::set_permissions(&program, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let topology = recipe();
    let arguments = ["--topology", topology.to_str().unwrap(), "--bin-dir", folder.path().to_str().unwrap()];
    let (status, _, stderr) = Runner::start_bare(&arguments).end();
    assert_eq!(status.code(), Some(1));
    assert!(stderr.contains("chat died at start: exit status 3"), "{stderr}");
    assert!(stderr.contains("no such table"), "{stderr}");
}

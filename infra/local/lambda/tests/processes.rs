//! Tests the start and the end of processes.
#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::path::Path;
use std::time::Duration;

use common::{Fixture, Heard, PATIENCE, at_start, failed, function, program, with};
use local_lambda::{CutShort, Error, StartFailure};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::json;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader};
use tokio::net::{TcpListener, TcpStream};

#[tokio::test]
async fn warming_up_starts_one_process_and_waits_until_it_asks_for_work() {
    let fixture = Fixture::of(function("f"));
    let took = fixture.lambda.warm_up("f").await.unwrap();
    assert!(took > Duration::ZERO);
    assert_eq!(fixture.lambda.pids("f"), [fixture.pid().await]);
    assert_eq!(fixture.lambda.stats()[0].cold_starts, 1);
}

#[tokio::test]
async fn a_function_that_dies_at_start_is_explained_with_its_last_words() {
    let fixture = Fixture::of(at_start("exit"));
    let failure = fixture.lambda.warm_up("f").await.unwrap_err();
    let sentence = "function f died at start: exit status 3 (its last words: no TABLE in the environment)";
    assert_eq!(failure.to_string(), sentence);
    assert_eq!(fixture.lambda.stats()[0].start_failures, 1);
}

#[tokio::test]
async fn a_function_that_panics_at_start_is_explained_too() {
    let fixture = Fixture::of(at_start("panic"));
    let failure = fixture.lambda.warm_up("f").await.unwrap_err().to_string();
    assert!(failure.starts_with("function f died at start: exit status 101 (its last words: "), "{failure}");
    assert!(failure.contains("cannot go on"), "{failure}");
}

#[tokio::test]
async fn an_invocation_of_a_function_that_dies_at_start_fails_with_its_exit() {
    let fixture = Fixture::of(at_start("exit"));
    let (error_type, message) = failed(fixture.invoke(json!({})).await);
    assert_eq!(error_type, "Runtime.ExitError");
    assert!(message.ends_with("Error: Runtime exited with error: exit status 3"), "{message}");
    let (error_type, _) = failed(Fixture::of(at_start("leave")).invoke(json!({})).await);
    assert_eq!(error_type, "Runtime.ExitError");
}

#[tokio::test]
async fn an_invocation_of_a_function_that_reports_an_init_error_fails_with_it() {
    let fixture = Fixture::of(at_start("init_error"));
    let error = failed(fixture.invoke(json!({})).await);
    assert_eq!(error, ("Runtime.InitError".to_owned(), "no TABLE".to_owned()));
    fixture.until_ended(1).await;
}

#[tokio::test]
async fn a_function_that_does_not_ask_for_work_in_time_is_killed() {
    let fixture = Fixture::new(vec![at_start("hang")], |config| config.start_timeout = Duration::from_millis(200));
    let (error_type, message) = failed(fixture.invoke(json!({})).await);
    assert_eq!(error_type, "Runtime.InitError");
    assert!(message.ends_with("Error: no request for work within 0.20 seconds"), "{message}");
    fixture.until_ended(1).await;
    let failure = fixture.lambda.warm_up("f").await.unwrap_err();
    assert!(matches!(failure, StartFailure::Died { reason, .. } if reason.starts_with("no request for work")));
}

#[tokio::test]
async fn a_program_that_cannot_be_run_is_an_invalid_entrypoint() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("bootstrap");
    std::fs::write(&file, "no program").unwrap();
    let fixture = Fixture::new(vec![with("f", |f| f.program = file)], |config| config.supervisor = None);
    let (error_type, message) = failed(fixture.invoke(json!({})).await);
    assert_eq!(error_type, "Runtime.InvalidEntrypoint");
    assert!(message.contains("cannot run"), "{message}");
}

#[tokio::test]
async fn with_fresh_processes_none_sees_two_invocations() {
    let fixture = Fixture::new(vec![function("f")], |config| config.fresh_process_per_invocation = true);
    let pids = [fixture.pid().await, fixture.pid().await, fixture.pid().await];
    assert_eq!(std::collections::HashSet::from(pids).len(), 3);
    fixture.until_ended(3).await;
    assert_eq!(fixture.lambda.stats()[0].errors, 0);
}

#[tokio::test]
async fn an_idle_process_is_stopped_after_a_while() {
    let fixture = Fixture::new(vec![function("f")], |config| config.keep_idle = Duration::from_millis(1));
    let before = fixture.pid().await;
    fixture.until_ended(1).await;
    assert!(!exists(before));
    assert_ne!(fixture.pid().await, before);
}

#[tokio::test]
async fn a_process_that_does_not_stop_when_asked_is_killed() {
    let fixture = Fixture::new(vec![at_start("deaf")], |config| config.keep_idle = Duration::from_millis(1));
    let ended = |heard: &Heard| match heard {
        Heard::Ended(_, reason) => Some(reason.clone()),
        _ => None,
    };
    fixture.pid().await;
    assert_eq!(fixture.until(ended).await, "signal: killed");
    let obedient = Fixture::new(vec![function("f")], |config| config.keep_idle = Duration::from_millis(1));
    obedient.pid().await;
    assert_eq!(obedient.until(ended).await, "signal: terminated");
}

#[tokio::test]
async fn a_killed_process_fails_its_invocation_and_is_replaced() {
    let fixture = Fixture::of(function("f"));
    let before = fixture.pid().await;
    let (result, killed) = tokio::join!(fixture.invoke(json!({"do": "hang"})), async {
        while fixture.lambda.stats()[0].processes_busy == 0 {
            tokio::task::yield_now().await;
        }
        fixture.lambda.kill("f")
    });
    assert_eq!(killed, Some(before));
    let (error_type, message) = failed(result);
    assert_eq!(error_type, "Runtime.ExitError");
    assert!(message.ends_with("Error: Runtime exited with error: signal: killed"), "{message}");
    assert_ne!(fixture.pid().await, before);
}

#[tokio::test]
async fn an_invocation_can_be_cut_short_as_by_a_crash_or_at_its_deadline() {
    let fixture = Fixture::of(function("f"));
    fixture.lambda.warm_up("f").await.unwrap();
    for (cut, expected) in [(CutShort::Killed, "Runtime.ExitError"), (CutShort::TimedOut, "Sandbox.Timedout")] {
        let before = fixture.pid().await;
        let hang = r#"{"do":"hang"}"#.into();
        let (result, is_cut) = fixture.lambda.invoke_cut_short("f", hang, Duration::from_millis(200), cut).await;
        let Err(Error::Failed { error_type, .. }) = result else { panic!("{result:?}") };
        assert_eq!((error_type.as_str(), is_cut), (expected, true));
        assert_ne!(fixture.pid().await, before);
    }
    let echo = r#"{"do":"echo"}"#.into();
    let (result, is_cut) = fixture.lambda.invoke_cut_short("f", echo, PATIENCE, CutShort::Killed).await;
    assert!(result.is_ok() && !is_cut, "what has ended before is not cut short: {result:?}");
}

#[tokio::test]
async fn an_answer_that_is_faster_than_the_kill_is_an_answer_and_not_a_cut() {
    let fixture = Fixture::of(function("f"));
    let mut cuts = 0;
    for n in 0..100 {
        fixture.pid().await;
        let (echo, after) = (r#"{"do":"echo"}"#.into(), Duration::from_micros(n * 20));
        let (result, is_cut) = fixture.lambda.invoke_cut_short("f", echo, after, CutShort::Killed).await;
        assert_eq!(result.is_err(), is_cut, "{result:?}");
        cuts += u64::from(is_cut);
    }
    assert_eq!(fixture.lambda.stats()[0].errors, cuts);
}

#[tokio::test]
async fn killing_an_idle_process_fails_no_invocation() {
    let fixture = Fixture::of(function("f"));
    for _ in 0..5 {
        let before = fixture.pid().await;
        assert_eq!(fixture.lambda.kill("f"), Some(before));
        assert_ne!(fixture.pid().await, before);
    }
    assert_eq!(fixture.lambda.stats()[0].errors, 0);
}

#[tokio::test]
async fn what_a_process_started_dies_with_it() {
    let tether = Tether::listen().await;
    let fixture = Fixture::of(with("f", |f| f.environment.push(tether.variable())));
    let child = fixture.invoke(json!({"do": "child"})).await.unwrap();
    let mut ends = [tether.accept().await, tether.accept().await];
    assert!(ends.iter().any(|end| end.pid == u32::try_from(child.as_u64().unwrap()).unwrap()));
    fixture.lambda.shutdown(PATIENCE).await;
    for end in &mut ends {
        end.broken().await;
    }
}

#[tokio::test]
async fn shutting_down_lets_running_invocations_end_and_leaves_no_process() {
    let fixture = Fixture::of(with("f", |f| f.concurrency = 2));
    fixture.lambda.warm_up("f").await.unwrap();
    fixture.lambda.warm_up("f").await.unwrap();
    let pids = fixture.lambda.pids("f");
    let (running, shutdown, refused) =
        tokio::join!(fixture.invoke(json!({"do": "sleep", "ms": 200})), fixture.lambda.shutdown(PATIENCE), async {
            tokio::task::yield_now().await;
            fixture.invoke(json!({"do": "pid"})).await
        },);
    assert!(running.is_ok(), "{running:?}");
    assert_eq!(shutdown.killed, 0);
    assert_eq!(refused, Err(Error::Stopping));
    assert!(fixture.lambda.pids("f").is_empty());
    assert!(!pids.into_iter().any(exists), "all are reaped");
}

#[tokio::test]
async fn shutting_down_kills_what_does_not_end_in_time() {
    let fixture = Fixture::of(function("f"));
    let pid = fixture.pid().await;
    let (running, shutdown) =
        tokio::join!(fixture.invoke(json!({"do": "hang"})), fixture.lambda.shutdown(Duration::from_millis(100)),);
    assert_eq!((running, shutdown.killed), (Err(Error::Stopping), 1));
    assert!(!exists(pid));
}

#[tokio::test]
async fn no_process_outlives_a_runner_that_is_killed() {
    let tether = Tether::listen().await;
    let (name, address) = tether.variable();
    let mut runner = tokio::process::Command::new(program()).arg("runner").env(name, address).spawn().unwrap();
    let mut ends = [tether.accept().await, tether.accept().await];
    let runner_pid = Pid::from_raw(runner.id().unwrap().try_into().unwrap());
    kill(runner_pid, Signal::SIGKILL).unwrap();
    runner.wait().await.unwrap();
    for end in &mut ends {
        end.broken().await;
    }
}

#[tokio::test]
async fn supervising_for_a_runner_that_is_gone_runs_nothing() {
    let supervise = |runner: u32| {
        let mut command = std::process::Command::new(program());
        command.args(["supervise", &runner.to_string(), "/bin/echo", "ran"]);
        command.output().unwrap()
    };
    let output = supervise(1);
    assert_eq!((output.status.code(), output.stdout.as_slice()), (Some(127), b"".as_slice()));
    assert_eq!(String::from_utf8_lossy(&output.stderr), "the runner 1 is gone\n");
    assert_eq!(supervise(std::process::id()).stdout, b"ran\n");
}

fn exists(pid: u32) -> bool {
    Path::new(&format!("/proc/{pid}")).exists()
}

/// A listener for connections from processes. A broken connection shows that its process died.
struct Tether(TcpListener);

struct TetherEnd {
    stream: BufReader<TcpStream>,
    pid: u32,
}

impl Tether {
    async fn listen() -> Self {
        Self(TcpListener::bind("127.0.0.1:0").await.unwrap())
    }

    fn variable(&self) -> (String, String) {
        ("TETHER".to_owned(), self.0.local_addr().unwrap().to_string())
    }

    async fn accept(&self) -> TetherEnd {
        let (stream, _) = tokio::time::timeout(PATIENCE, self.0.accept()).await.expect("no process connected").unwrap();
        let mut stream = BufReader::new(stream);
        let mut pid = String::new();
        stream.read_line(&mut pid).await.unwrap();
        TetherEnd { stream, pid: pid.trim().parse().unwrap() }
    }
}

impl TetherEnd {
    /// Waits until the process has ended.
    async fn broken(&mut self) {
        let mut rest = Vec::new();
        let end = tokio::time::timeout(PATIENCE, self.stream.read_to_end(&mut rest)).await;
        assert!(end.is_ok(), "process {} is still there", self.pid);
    }
}

//! `--run`: a command beside the stack.

use nix::sys::signal::Signal;

use crate::harness::{Runner, wait_until_gone};

#[test]
fn the_exit_status_is_that_of_the_command_and_its_output_stays_alone() {
    let (status, stdout, _) = Runner::start(&["--run", "echo only this; exit 7"]).end();
    assert_eq!(status.code(), Some(7));
    assert_eq!(stdout, "only this\n");
}

#[test]
fn a_leading_separator_is_skipped_as_people_type_it_after_the_alias() {
    let mut arguments = vec!["--", "--run", "exit 3"];
    let topology = crate::harness::recipe();
    let binaries = crate::harness::binaries();
    arguments.extend(["--topology", topology.to_str().unwrap(), "--bin-dir", binaries.to_str().unwrap()]);
    arguments.extend(["--ws-port", "0", "--aws-port", "0"]);
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_roomcast-local")).args(arguments).output().unwrap();
    assert_eq!(output.status.code(), Some(3), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn the_environment_of_the_command_has_every_address() {
    let script = "env | grep -E '^(ROOMCAST|AWS)_' | sort";
    let (status, stdout, _) = Runner::start(&["--run", script]).end();
    assert!(status.success());
    let value = |name: &str| {
        let line = stdout.lines().find_map(|line| line.strip_prefix(&format!("{name}=")));
        line.unwrap_or_else(|| panic!("{name} is missing in:\n{stdout}")).to_owned()
    };
    assert!(value("ROOMCAST_WS_URL").starts_with("ws://127.0.0.1:"));
    assert!(value("ROOMCAST_WS_URL").ends_with("/local"));
    assert_eq!(value("ROOMCAST_MANAGEMENT_URL"), value("ROOMCAST_WS_URL").replace("ws://", "http://"));
    assert!(value("AWS_ENDPOINT_URL").starts_with("http://127.0.0.1:"));
    assert_eq!(value("AWS_REGION"), "us-east-1");
    assert_eq!(value("ROOMCAST_CONNECTIONS_TABLE"), "connections");
    assert!(!value("AWS_ACCESS_KEY_ID").is_empty() && !value("AWS_SECRET_ACCESS_KEY").is_empty());
}

#[test]
fn the_banner_names_every_address_what_to_try_and_how_to_stop() {
    let mut runner = Runner::start(&[]);
    let ready = runner.ready();
    runner.signal(Signal::SIGINT);
    let (_, _, stderr) = runner.end();
    let ws_url = ready["ws_url"].as_str().unwrap();
    for said in [
        ws_url,
        ready["management_url"].as_str().unwrap(),
        ready["aws_endpoint"].as_str().unwrap(),
        &format!("npx wscat -c {ws_url}"),
        "Ctrl-C stops it",
    ] {
        assert!(stderr.contains(said), "{said:?} is missing in:\n{stderr}");
    }
}

#[test]
fn a_command_that_does_not_end_is_ended_with_the_stack() {
    let mut runner = Runner::start(&["--run", "echo $$; exec sleep 1000"]);
    runner.ready();
    let children = runner.children();
    runner.signal(Signal::SIGTERM);
    let (status, _, _) = runner.end();
    assert_eq!(status.code(), Some(128 + Signal::SIGTERM as i32));
    wait_until_gone(&children);
}

#[test]
fn a_command_does_not_outlive_a_runner_that_is_killed() {
    let mut runner = Runner::start(&["--run", "echo started >&2; exec sleep 1000"]);
    runner.hear("started");
    let children = runner.children();
    assert!(children.len() >= 2, "the function and the command: {children:?}");
    runner.signal(Signal::SIGKILL);
    wait_until_gone(&children);
}

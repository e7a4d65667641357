//! Tests `--run`: a command beside the stack.

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
fn every_line_of_the_banner_works_as_printed() {
    let folder = tempfile::tempdir().unwrap();
    let settings = folder.path().join("local.yaml");
    std::fs::write(&settings, "banner: [\"say hello to {ws_url} and {aws_endpoint}\"]\n").unwrap();
    let mut runner = Runner::start(&["--local", settings.to_str().unwrap()]);
    let ready = runner.ready();
    let (ws_url, aws_endpoint) = (ready["ws_url"].as_str().unwrap(), ready["aws_endpoint"].as_str().unwrap());
    let banner = runner.heard().join("\n");
    assert!(banner.contains(&format!("say hello to {ws_url} and {aws_endpoint}")), "{banner}");
    let first = banner.lines().find(|line| line.contains("://")).unwrap();
    assert!(first.ends_with(&format!(" {aws_endpoint}/_local/")), "the inspector is first: {banner}");
    assert!(crate::harness::get_text(&ready, "/_local/").starts_with("<!doctype html>"));
    // The line for the AWS CLI and SDKs, as a user pastes it into a shell.
    let eval = banner.lines().find_map(|line| line.find("eval ").map(|at| &line[at..])).unwrap();
    let script = format!("{eval} && echo $AWS_ENDPOINT_URL $AWS_DEFAULT_REGION $ROOMCAST_WS_URL $AWS_ACCESS_KEY_ID");
    let output = std::process::Command::new("sh").args(["-c", &script]).output().unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    assert_eq!(said.trim_end(), format!("{aws_endpoint} us-east-1 {ws_url} local"));
}

#[test]
fn nothing_has_escape_codes_unless_it_is_for_a_terminal() {
    let topology = crate::harness::recipe();
    let binaries = crate::harness::binaries();
    for (name, arguments) in [("NO_COLOR", &[][..]), ("UNUSED", &["--no-color"][..]), ("UNUSED", &[][..])] {
        let output = std::process::Command::new(env!("CARGO_BIN_EXE_roomcast-local"))
            .args(["--topology", topology.to_str().unwrap(), "--bin-dir", binaries.to_str().unwrap()])
            .args(["--ws-port", "0", "--aws-port", "0", "--log", "all", "--run", "true"])
            .args(arguments)
            .env(name, "1")
            // `RUST_LOG` also shows the runner's own lines.
            .env("RUST_LOG", "info")
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success() && said.contains("Ctrl-C"), "{said}");
        assert!(!said.contains('\u{1b}'), "{said:?}");
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

/// Returns a command that reports a request to stop and then continues until a test writes to the
/// pipe.
fn busy(pipe: &std::path::Path) -> String {
    nix::unistd::mkfifo(pipe, nix::sys::stat::Mode::S_IRWXU).unwrap();
    let last = format!("echo asked >&2; read -r word < {}; echo $word; exit 5", pipe.display());
    format!("trap '{last}' INT TERM; echo started >&2; while :; do sleep 0.05; done")
}

#[test]
fn a_command_that_is_asked_to_stop_finishes_what_it_does_beside_a_stack_that_still_runs() {
    for signal in [Signal::SIGINT, Signal::SIGTERM] {
        let folder = tempfile::tempdir().unwrap();
        let pipe = folder.path().join("pipe");
        let mut runner = Runner::start(&["--run", &busy(&pipe)]);
        runner.hear("started");
        let functions = runner.children();
        runner.signal(signal);
        runner.hear("asked");
        assert_eq!(runner.children(), functions, "the stack serves it to its end");
        std::fs::write(&pipe, "reported\n").unwrap();
        let (status, stdout, _) = runner.end();
        assert_eq!((status.code(), stdout.as_str()), (Some(5), "reported\n"), "{signal}");
    }
}

#[test]
fn whoever_asks_twice_does_not_wait_for_the_command() {
    let folder = tempfile::tempdir().unwrap();
    let mut runner = Runner::start(&["--run", &busy(&folder.path().join("pipe"))]);
    runner.hear("started");
    let children = runner.children();
    runner.signal(Signal::SIGINT);
    runner.hear("asked");
    runner.signal(Signal::SIGINT);
    let (status, _, _) = runner.end();
    assert_eq!(status.code(), Some(130));
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

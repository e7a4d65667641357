//! A command that runs beside the stack (`--run`).

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;

use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use tokio::process::{Child, Command};

use crate::SUPERVISE;
use crate::compile::variables_of_the_package;
use crate::signals::Stop;

/// The exit status of a shell for a command that a signal ended, before the signal's number is
/// added.
const SIGNALLED: u8 = 128;

/// Runs `sh -c COMMAND` with additional variables. Returns the exit status: the command's own, or
/// 128 plus the number of the signal that ended it.
///
/// The command runs through the supervisor, so that it does not outlive a runner that is killed.
/// Call this on the main thread, because the kernel's parent-death signal is sent when the thread
/// ends that started the command.
///
/// When `stop` is requested, this asks the command to stop and waits for its end, so that a load
/// test can drain and report. A second request ends everything at once.
///
/// # Errors
/// The command could not be started.
pub async fn run(command: &str, variables: &BTreeMap<String, String>, stop: &Stop) -> std::io::Result<u8> {
    let arguments: [OsString; 5] =
        [SUPERVISE.into(), std::process::id().to_string().into(), "sh".into(), "-c".into(), command.into()];
    let mut supervised = Command::new(std::env::current_exe()?);
    for name in variables_of_the_package() {
        supervised.env_remove(name);
    }
    let mut child = supervised.args(arguments).envs(variables).process_group(own_group()).kill_on_drop(true).spawn()?;
    let status = tokio::select! {
        status = child.wait() => status?,
        asked = stop.asked() => end(&mut child, asked).await?,
    };
    Ok(exit_code(status))
}

/// Returns the process group of the command. On a terminal it is the runner's group, so that the
/// command can read keys and receives Ctrl-C itself.
fn own_group() -> i32 {
    if on_terminal() { nix::unistd::getpgrp().as_raw() } else { 0 }
}

fn on_terminal() -> bool {
    std::io::IsTerminal::is_terminal(&std::io::stdin())
}

async fn end(child: &mut Child, asked: Signal) -> std::io::Result<ExitStatus> {
    // The terminal has already sent this signal to the command. A second one would mean that the
    // user does not want to wait.
    let heard_it = on_terminal() && asked != Signal::SIGTERM;
    if !heard_it {
        signal(child, asked);
    }
    child.wait().await
}

/// Sends a signal to the command, if it has not ended.
fn signal(child: &Child, signal: Signal) {
    let Some(pid) = child.id().and_then(|id| i32::try_from(id).ok()).map(Pid::from_raw) else { return };
    let sent = if on_terminal() { nix::sys::signal::kill(pid, signal) } else { killpg(pid, signal) };
    if let Err(error) = sent {
        tracing::debug!(%error, "cannot signal the command: it has already ended");
    }
}

fn exit_code(status: ExitStatus) -> u8 {
    let by_signal = || status.signal().and_then(|signal| u8::try_from(signal).ok()).map(|signal| SIGNALLED + signal);
    status.code().and_then(|code| u8::try_from(code).ok()).or_else(by_signal).unwrap_or(1)
}

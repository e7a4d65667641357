//! Ends every function when the runner dies, whatever the cause of its death.
//!
//! A parent cannot request from outside that a child dies with it, and this crate does not allow
//! `unsafe` code between fork and exec. So the runner starts itself in a hidden mode. This mode
//! requests a SIGKILL from the kernel at the death of its parent, and then *becomes* the function
//! (`exec`). No extra process remains, and the request survives the `exec`.
//!
//! Source: `prctl(2)`, `PR_SET_PDEATHSIG`. The signal is sent at the death of the parent *thread*,
//! hence [`crate::spawner`]. It reaches only the function's own process. The runner kills a process
//! that a function starts with the function's group, as long as the runner lives. Systems other
//! than Linux have no such call: there, a runner that is killed by SIGKILL leaves its functions
//! running.

use std::convert::Infallible;
use std::ffi::OsString;
use std::os::unix::process::CommandExt;
use std::process::{Command, ExitCode};

use nix::unistd::{Pid, getppid};

/// Exit status of shells when they cannot run a program.
const CANNOT_RUN: u8 = 127;

/// Becomes the function in `args` (`RUNNER_PID PROGRAM ARGS…`). Returns only if that fails.
///
/// The runner's `main` calls this before anything else if its first argument is the hidden
/// subcommand:
/// ```no_run
/// # use std::process::ExitCode;
/// fn main() -> ExitCode {
///     let mut args = std::env::args_os().skip(1).peekable();
///     if args.next_if(|first| first == "supervise").is_some() {
///         return local_lambda::supervise_main(args);
///     }
///     ExitCode::SUCCESS
/// }
/// ```
pub fn supervise_main(args: impl IntoIterator<Item = OsString>) -> ExitCode {
    match become_function(args.into_iter()) {
        Ok(never) => match never {},
        Err(sentence) => {
            eprintln!("{sentence}");
            ExitCode::from(CANNOT_RUN)
        }
    }
}

fn become_function(mut args: impl Iterator<Item = OsString>) -> Result<Infallible, String> {
    let usage = "a supervised function needs the runner's process id and a program";
    let runner: i32 = args.next().and_then(|id| id.to_str()?.parse().ok()).ok_or(usage)?;
    let program = args.next().ok_or(usage)?;
    die_with_parent().map_err(|error| format!("cannot ask to die with the runner: {error}"))?;
    // If the runner died before the request, the kernel will send no signal.
    if getppid() != Pid::from_raw(runner) {
        return Err(format!("the runner {runner} is gone"));
    }
    let error = Command::new(&program).args(args).exec();
    Err(format!("cannot run {}: {error}", program.to_string_lossy()))
}

#[cfg(target_os = "linux")]
fn die_with_parent() -> nix::Result<()> {
    nix::sys::prctl::set_pdeathsig(nix::sys::signal::Signal::SIGKILL)
}

#[cfg(not(target_os = "linux"))]
fn die_with_parent() -> nix::Result<()> {
    Ok(())
}

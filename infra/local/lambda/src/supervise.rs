//! No function outlives the runner, however the runner dies.
//!
//! A process cannot be asked to die with its parent from outside, and `unsafe` code between fork and exec is not
//! allowed here. So the runner starts itself in a hidden mode, which asks the kernel for a SIGKILL at the death of
//! its parent and then *becomes* the function (`exec`): no extra process stays, and the wish survives the `exec`.
//!
//! Source: `prctl(2)`, `PR_SET_PDEATHSIG`. It counts the death of the parent *thread*, hence [`crate::spawner`].
//! It covers the function's own process; a process that a function starts is killed with its group as long as the
//! runner lives. Other systems than Linux have no such call: there, a runner killed by SIGKILL leaves its functions.

use std::convert::Infallible;
use std::ffi::OsString;
use std::os::unix::process::CommandExt;
use std::process::{Command, ExitCode};

use nix::unistd::{Pid, getppid};

/// What a shell answers when it cannot run a program.
const CANNOT_RUN: u8 = 127;

/// Becomes the function named by `args` (`RUNNER_PID PROGRAM ARGS…`); returns only if that fails.
///
/// The runner's `main` calls this, before anything else, when its first argument is its hidden subcommand:
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
    // The runner may have died before we asked: then nobody is left to die with.
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

//! Completions of shells, and the man page. Both are made from the command line's definition.

use std::io;
use std::process::ExitCode;

use clap::Command;
use clap_complete::Shell;

use crate::error::Error;

/// The shell that completions are for.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  roomcast completions bash > ~/.local/share/bash-completion/completions/roomcast\n  \
    roomcast completions fish > ~/.config/fish/completions/roomcast.fish"
)]
pub(crate) struct Arguments {
    /// The shell that reads the completions
    #[arg(value_name = "SHELL")]
    shell: Shell,
}

/// Prints the completions of a shell.
pub(crate) fn print_completions(asked: &Arguments, mut program: Command) -> Result<ExitCode, Error> {
    // The generator panics if it cannot write, so it writes to memory.
    let mut script = Vec::new();
    let name = program.get_name().to_owned();
    clap_complete::generate(asked.shell, &mut program, name, &mut script);
    io::Write::write_all(&mut io::stdout().lock(), &script)?;
    Ok(ExitCode::SUCCESS)
}

/// Prints the man page: `roomcast man | man -l -`.
pub(crate) fn print_man_page(program: Command) -> Result<ExitCode, Error> {
    clap_mangen::Man::new(program).render(&mut io::stdout().lock())?;
    Ok(ExitCode::SUCCESS)
}

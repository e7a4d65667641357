//! Chores of the workspace: `cargo xtask COMMAND`.

mod chaos;
mod token;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

#[derive(Debug, Parser)]
#[command(name = "xtask", bin_name = "cargo xtask", about = "Chores of the workspace", disable_help_subcommand = true)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Prints a token that the local stack takes, signed with the development key of infra/local.yaml.
    Token(token::Arguments),
    /// Lets everything go wrong, heals it, and accounts for every pair of a publication and a member that was owed it.
    Chaos(chaos::Arguments),
}

fn main() -> ExitCode {
    let result = match Arguments::parse().command {
        Command::Token(arguments) => {
            token::print(&arguments).map(|()| ExitCode::SUCCESS).map_err(|error| error.to_string())
        }
        Command::Chaos(arguments) => chaos::run(&arguments).map(status).map_err(|error| error.to_string()),
    };
    result.unwrap_or_else(|error| {
        eprintln!("{error}");
        ExitCode::FAILURE
    })
}

/// As it was; whoever was ended by a signal has failed.
fn status(status: std::process::ExitStatus) -> ExitCode {
    status.code().and_then(|code| u8::try_from(code).ok()).map_or(ExitCode::FAILURE, ExitCode::from)
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_sound() {
        Arguments::command().debug_assert();
    }
}

//! Chores of the workspace: `cargo xtask COMMAND`.

mod chaos;
mod cold_start;
mod env;
mod grants;
mod package;
mod topology;

use std::process::ExitCode;
use std::time::{SystemTime, UNIX_EPOCH};

use clap::{ColorChoice, CommandFactory, FromArgMatches, Parser, Subcommand};
use roomcast_client::development::TokenArguments;

#[derive(Debug, Parser)]
#[command(name = "xtask", bin_name = "cargo xtask", about = "Chores of the workspace", disable_help_subcommand = true)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
    /// Prints without colours (so does the environment variable NO_COLOR).
    #[arg(long, global = true)]
    no_color: bool,
}

impl Arguments {
    /// Parses the arguments of the process, or ends it with a message.
    fn from_process() -> Self {
        let is_plain = std::env::args_os().any(|argument| argument == "--no-color");
        let command = Self::command().color(if is_plain { ColorChoice::Never } else { ColorChoice::Auto });
        Self::from_arg_matches(&command.get_matches()).unwrap_or_else(|error| error.exit())
    }
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Prints a token that the local stack accepts, signed with the development key of
    /// infra/local.yaml.
    Token(TokenArguments),
    /// Prints variables that point aws and every AWS SDK at the local stack: eval "$(cargo xtask
    /// env)".
    Env(env::Arguments),
    /// Checks the topology, and prints it as the runner understands it.
    Topology(topology::Arguments),
    /// Compares what functions may do with what they did while the tests ran.
    Grants(grants::Arguments),
    /// Counts what each operation uses of AWS on the local stack, and prices it.
    Costs(chaos::Arguments),
    /// Builds one zip for each function, as Lambda takes it.
    Package(package::Arguments),
    /// Measures how long packaged functions take from their start to their first poll.
    ColdStart(cold_start::Arguments),
    /// Runs the stack under faults, stops the faults, and checks every pair of a publication and a
    /// member that was owed it.
    Chaos(chaos::Arguments),
    /// Restores the rooms table while members are connected, and checks what each member received.
    RestoreDrill(chaos::Arguments),
    /// Asks a deployment, or the local stack, what FIDELITY.md assumes about API Gateway, and
    /// prints the differences.
    Conformance(chaos::Arguments),
}

fn main() -> ExitCode {
    let Arguments { command, no_color } = Arguments::from_process();
    let result = match command {
        Command::Token(arguments) => {
            print_token(&arguments).map(|()| ExitCode::SUCCESS).map_err(|error| error.to_string())
        }
        Command::Env(arguments) => {
            env::print(&arguments).map(|()| ExitCode::SUCCESS).map_err(|error| error.to_string())
        }
        Command::Topology(arguments) => {
            topology::print(&arguments).map(|()| ExitCode::SUCCESS).map_err(|error| error.to_string())
        }
        Command::Grants(arguments) => {
            grants::run(&arguments).map(|()| ExitCode::SUCCESS).map_err(|error| error.to_string())
        }
        Command::Costs(arguments) => {
            chaos::run("roomcast-costs", &arguments, no_color).map(status).map_err(|error| error.to_string())
        }
        Command::Package(arguments) => {
            package::run(&arguments).map(|()| ExitCode::SUCCESS).map_err(|error| error.to_string())
        }
        Command::ColdStart(arguments) => {
            cold_start::run(&arguments).map(|()| ExitCode::SUCCESS).map_err(|error| error.to_string())
        }
        Command::Chaos(arguments) => {
            chaos::run("roomcast-chaos", &arguments, no_color).map(status).map_err(|error| error.to_string())
        }
        Command::RestoreDrill(arguments) => {
            chaos::run("roomcast-restore-drill", &arguments, no_color).map(status).map_err(|error| error.to_string())
        }
        Command::Conformance(arguments) => {
            chaos::run("roomcast-conformance", &arguments, no_color).map(status).map_err(|error| error.to_string())
        }
    };
    result.unwrap_or_else(|error| {
        eprintln!("{error}");
        ExitCode::FAILURE
    })
}

fn print_token(arguments: &TokenArguments) -> Result<(), Box<dyn std::error::Error>> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH)?;
    println!("{}", arguments.mint(now)?);
    Ok(())
}

/// The exit code of the program. A program that a signal ended counts as failed.
fn status(status: std::process::ExitStatus) -> ExitCode {
    status.code().and_then(|code| u8::try_from(code).ok()).map_or(ExitCode::FAILURE, ExitCode::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_sound() {
        Arguments::command().debug_assert();
    }
}

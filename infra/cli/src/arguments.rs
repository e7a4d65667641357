//! The command line.

use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};

use crate::global::Global;
use crate::{codes, doctor, drain, explain, letters, logs, plan, rooms, shell, steer, token, top};

const HELP: &str = "\
Without options the commands are for the local stack: start `cargo dev` in another terminal.
For a deployment on AWS: terraform output -json > live.json, then roomcast --outputs live.json room lobby.
Keys come from the environment, or from a profile of the AWS CLI.

Examples:
  roomcast doctor                                  is all well?
  roomcast room lobby                              where does a room stand?
  roomcast explain lobby order-7 --member @bob     did bob get it?
  roomcast dead-letters list                       what could not be done?
  roomcast logs --publication order-7              which invocations touched it?
  roomcast tail lobby --since 1h                   what is published?
  roomcast plan --rooms 20 --members 5000 --rate 2 what would it need and cost?

With --json each line of standard output is a JSON object. Remarks go to standard error.";

/// The command line of `roomcast`.
#[derive(Debug, Parser)]
#[command(name = "roomcast", version, about = "Shows, explains and steers a deployment of Roomcast", after_help = HELP)]
#[command(disable_help_subcommand = true)]
pub struct Arguments {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Checks the deployment: exit status 0 if all is well, 1 for warnings, 2 for failures
    Doctor(doctor::Arguments),
    /// Explains the way of one publication, and what to do next
    Explain(explain::Arguments),
    /// Shows where a room stands: position, jobs queued, members, progress of each shard
    Room(rooms::room::Arguments),
    /// Prints a page of a room's log
    History(rooms::history::Arguments),
    /// Prints publications of a room as they are sequenced
    Tail(rooms::tail::Arguments),
    /// Lists the members of a room, or the connections of a user
    Who(rooms::who::Arguments),
    /// Prints log lines of a publication, a room or a function, in the order of time
    Logs(logs::Arguments),
    /// Lists the rooms that cost most, or the shards that are slowest
    Top(top::Arguments),
    /// Lists, shows and redrives dead letters
    DeadLetters(letters::Arguments),
    /// Publishes to a room, as a backend does
    Publish(steer::PublishArguments),
    /// Closes the connections of a user, or one connection
    Kick(steer::KickArguments),
    /// Keeps a user, a device or a token out, and closes the connections
    Ban(steer::BanArguments),
    /// Revokes the tokens of a user that were issued before a time, and closes their connections
    Revoke(steer::RevokeArguments),
    /// Lifts a ban or a revocation
    Unban(steer::UnbanArguments),
    /// Closes connections at a rate, so that their clients connect again
    Drain(drain::Arguments),
    /// Plans capacity and cost: limits, times, dollars, and requests for quotas
    Plan(plan::Arguments),
    /// Explains the code of a refusal or of a `bye`, or lists all codes
    Code(codes::Arguments),
    /// Prints a development token, or checks one
    Token(token::Arguments),
    /// Prints the completions of a shell
    Completions(shell::Arguments),
    /// Prints the man page
    Man,
}

impl Arguments {
    /// Parses the arguments of the process, or ends it with a message.
    #[must_use]
    pub fn from_process() -> Self {
        Self::from_arg_matches(&Self::command().get_matches()).unwrap_or_else(|error| error.exit())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_sound() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn every_command_that_takes_arguments_has_examples() {
        for command in Arguments::command().get_subcommands() {
            let help = command.clone().render_help().to_string();
            let nested: Vec<_> =
                command.get_subcommands().map(|command| command.clone().render_help().to_string()).collect();
            let is_shown = |help: &String| help.contains("roomcast ");
            assert!(
                command.get_name() == "man" || is_shown(&help) || (!nested.is_empty() && nested.iter().all(is_shown)),
                "{help}"
            );
        }
    }

    /// The commands in the code blocks of the page, without their pipes.
    fn commands_of_the_page() -> Vec<String> {
        let page = include_str!("../../../docs/operations/cli.md");
        let blocks = page.split("```").skip(1).step_by(2);
        let lines = blocks.flat_map(|block| block.lines().skip(1));
        let commands = lines.filter_map(|line| {
            let line = line.strip_prefix("$ ").unwrap_or(line);
            let command = line.strip_prefix("cargo ").unwrap_or(line);
            command.starts_with("roomcast ").then(|| command.split(" | ").next().unwrap().to_owned())
        });
        commands.collect()
    }

    /// The words of a line, as a shell reads single quotes.
    fn words(line: &str) -> Vec<String> {
        let mut words = vec![String::new()];
        for (at, part) in line.split('\'').enumerate() {
            let is_quoted = at % 2 == 1;
            for (number, word) in part.split(' ').enumerate() {
                if number > 0 && !is_quoted {
                    words.push(String::new());
                } else if number > 0 {
                    words.last_mut().unwrap().push(' ');
                }
                words.last_mut().unwrap().push_str(word);
            }
        }
        words.retain(|word| !word.is_empty());
        words
    }

    #[test]
    fn every_command_on_the_page_is_one_that_the_program_takes() {
        let commands = commands_of_the_page();
        assert!(commands.len() > 20, "{commands:?}");
        for command in commands.iter().filter(|command| !command.contains("--help")) {
            let parsed = Arguments::command().try_get_matches_from(words(command));
            assert!(parsed.is_ok(), "{command}: {}", parsed.unwrap_err());
        }
    }

    #[test]
    fn the_page_has_every_command_and_a_sample_of_what_it_prints() {
        let page = include_str!("../../../docs/operations/cli.md");
        for command in Arguments::command().get_subcommands() {
            let name = command.get_name();
            // Completions and the man page are for other programs.
            if ["completions", "man"].contains(&name) {
                assert!(page.contains(&format!("`roomcast {name}")), "{name}");
            } else {
                assert!(page.contains(&format!("\n$ roomcast {name}")), "there is no sample of {name}");
            }
            for nested in command.get_subcommands() {
                let shown = format!("\n$ roomcast {name} {}", nested.get_name());
                assert!(page.contains(&shown), "there is no sample of {name} {}", nested.get_name());
            }
        }
    }
}

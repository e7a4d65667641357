//! The command line of `roomcast-load`, alias `cargo load`.

mod budget;
mod drive;
mod fault_watch;
mod interrupts;
mod names;
mod outputs;

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, ColorChoice, CommandFactory, FromArgMatches, Parser, Subcommand};

use crate::counters::cloudwatch::Deployment;
use crate::report;
use crate::scenario::{Door, Overrides};

/// Joins members to rooms, publishes to the rooms, and accounts for every publication and every
/// member. It uses only the public protocol (and SNS and DynamoDB, if asked to publish through
/// them), so the same command works against a laptop and against AWS.
///
/// Exit status: 0 if every publication arrived once and in order, and every threshold held; 1 after
/// an internal error; 2 after a usage error; 3 if a threshold failed; 4 if a publication was lost,
/// delivered twice to an application, out of order, or in a wrong room; 5 if the run is invalid,
/// because the load test or its machine was at fault. 4 takes precedence over 5, and 5 over 3.
#[derive(Debug, Parser)]
#[command(name = "cargo load", bin_name = "cargo load", args_conflicts_with_subcommands = true)]
pub struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    load: Load,
}

/// Switches escape codes off, whatever the terminal supports.
const NO_COLOR: &str = "--no-color";

#[derive(Debug, Subcommand)]
enum Command {
    /// Compares two results: the changes from A to B, and whether they are more than noise
    Compare {
        /// result.json of one run
        a: PathBuf,
        /// result.json of another
        b: PathBuf,
        /// Writes a page with both runs drawn over each other
        #[arg(long, value_name = "FILE")]
        html: Option<PathBuf>,
    },
    /// Adds the results of several generators to one
    Merge {
        /// result.json of each generator
        #[arg(required = true)]
        results: Vec<PathBuf>,
        /// The file for the sum
        #[arg(long, value_name = "FILE")]
        json_out: PathBuf,
        #[command(flatten)]
        outputs: Outputs,
    },
    /// Runs Roomcast beside the common recipe, on this machine, from the repository
    #[command(disable_help_flag = true)]
    CompareBaseline {
        /// Options of the comparison; --help lists them
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        options: Vec<OsString>,
    },
}

/// A load test.
#[derive(Debug, Args)]
struct Load {
    /// The name of a scenario of loadtest/scenarios, or a file of your own [default: broadcast]
    scenario: Option<PathBuf>,
    /// The WebSocket URL to connect to
    #[arg(long, env = "ROOMCAST_WS_URL", default_value = "ws://127.0.0.1:3001/local")]
    url: String,
    /// A token for all members [default: they are guests]
    #[arg(long, env = "ROOMCAST_TOKEN", hide_env_values = true)]
    token: Option<String>,
    /// The prefix of the rooms' names
    #[arg(long, default_value = "load")]
    room: String,
    /// Members of all rooms together, instead of the scenario's
    #[arg(long)]
    members: Option<usize>,
    /// Members of each room that are the npm client in Node; needs clients/web built
    #[arg(long, value_name = "MEMBERS")]
    npm_members: Option<usize>,
    /// Publications a second into each room, instead of the scenario's; 0 publishes nothing
    #[arg(long)]
    rate: Option<f64>,
    /// Publications into each room, in one phase of the necessary length
    #[arg(long)]
    publications: Option<usize>,
    /// Seconds of all phases together, more than 0: each phase keeps its share, and as many members
    /// leave and return
    #[arg(long)]
    seconds: Option<f64>,
    /// The doors to publish through, in turn: client, events (SNS), outbox (DynamoDB)
    #[arg(long, value_delimiter = ',', value_parser = door, value_name = "DOORS")]
    doors: Vec<Door>,
    /// New connections a second, instead of the scenario's; 0 is no limit
    #[arg(long)]
    connect_rate: Option<f64>,
    /// Seconds to wait for the last delivery, instead of the scenario's; 0 is no limit, which is an
    /// hour
    #[arg(long)]
    drain: Option<f64>,
    /// The endpoint with the counters of the local stack, or of your own: http://127.0.0.1:4566
    #[arg(long, env = "AWS_ENDPOINT_URL", value_name = "URL")]
    counters: Option<String>,
    /// Reads CloudWatch for the API with this id and the stack with this name: API_ID,STACK
    #[arg(long, value_name = "API_ID,STACK")]
    cloudwatch: Option<Deployment>,
    /// The budget of the run; required except on this machine
    #[arg(long, value_name = "DOLLARS")]
    max_usd: Option<f64>,
    /// A price file [default: loadtest/prices.toml at build time]
    #[arg(long, value_name = "FILE")]
    prices: Option<PathBuf>,
    /// Only prints the plan and its cost
    #[arg(long)]
    dry_run: bool,
    /// Writes the whole result, histograms included
    #[arg(long, value_name = "FILE")]
    json_out: Option<PathBuf>,
    #[command(flatten)]
    outputs: Outputs,
    /// Prints without escape codes, as with the environment variable NO_COLOR
    #[arg(long)]
    no_color: bool,
}

/// Files for readers of the result.
#[derive(Debug, Args)]
struct Outputs {
    /// Writes a page with charts, which is readable without other context
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
    /// Writes JUnit XML
    #[arg(long, value_name = "FILE")]
    junit: Option<PathBuf>,
}

/// The reason why the command failed, as one sentence.
#[derive(Debug, thiserror::Error)]
enum Error {
    /// The request cannot be carried out.
    #[error("{0}")]
    Usage(String),
    /// An unexpected failure.
    #[error("{0}")]
    Internal(String),
}

/// Runs the command line. Returns the exit code.
pub async fn run(arguments: impl Iterator<Item = OsString>) -> ExitCode {
    let arguments: Vec<OsString> = arguments.collect();
    let known = Cli::command();
    let commands = known.get_subcommands().map(clap::Command::get_name);
    if let Some(sentence) = names::mistake(arguments.get(1), commands) {
        eprintln!("cargo load: {sentence}");
        return ExitCode::from(2);
    }
    let is_plain = arguments.iter().any(|argument| argument == NO_COLOR);
    let command = Cli::command().color(if is_plain { ColorChoice::Never } else { ColorChoice::Auto });
    let cli = Cli::from_arg_matches(&command.get_matches_from(arguments)).unwrap_or_else(|error| error.exit());
    let ended = match cli.command {
        Some(Command::Compare { a, b, html }) => compare(&a, &b, html),
        Some(Command::Merge { results, json_out, outputs }) => merge(&results, &json_out, &outputs),
        Some(Command::CompareBaseline { options }) => compare_baseline(&options),
        None => drive::drive(cli.load).await,
    };
    match ended {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            eprintln!("cargo load: {error}");
            ExitCode::from(if matches!(error, Error::Usage(_)) { 2 } else { 1 })
        }
    }
}

fn compare(a: &std::path::Path, b: &std::path::Path, html: Option<PathBuf>) -> Result<u8, Error> {
    let outputs = Outputs { html, junit: None };
    outputs::check(None, &outputs)?;
    let (a, b) = (report::read(a)?, report::read(b)?);
    print!("{}", report::compare::text(&a, &b));
    if let Some(path) = &outputs.html {
        report::write(path, &report::compare::page(&a, &b))?;
    }
    Ok(0)
}

fn merge(results: &[PathBuf], json_out: &std::path::Path, outputs: &Outputs) -> Result<u8, Error> {
    outputs::check(Some(json_out), outputs)?;
    let reports: Vec<_> = results.iter().map(|path| report::read(path)).collect::<Result<_, _>>()?;
    let merged = report::merge::merge(reports).map_err(|error| Error::Usage(error.to_string()))?;
    outputs::write(&merged, Some(json_out), outputs)?;
    Ok(merged.judgement.verdict.exit_code())
}

/// The comparison runs two whole stacks, which this crate does not know. So it is a program of its
/// own.
fn compare_baseline(options: &[OsString]) -> Result<u8, Error> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let workspace = concat!(env!("CARGO_MANIFEST_DIR"), "/../Cargo.toml");
    let mut run = std::process::Command::new(cargo);
    run.args(["run", "--quiet", "--manifest-path", workspace, "--bin", "roomcast-compare", "--"]);
    let (plain, options): (Vec<_>, Vec<_>) = options.iter().partition(|option| *option == NO_COLOR);
    if !plain.is_empty() {
        run.env("NO_COLOR", "1");
    }
    let status = run.args(options).status();
    let status = status.map_err(|error| Error::Internal(format!("cannot start cargo: {error}")))?;
    Ok(status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(1))
}

impl From<report::Error> for Error {
    fn from(error: report::Error) -> Self {
        Self::Usage(error.to_string())
    }
}

impl Load {
    /// Returns true if a progress line may overwrite the one before.
    fn may_redraw(&self) -> bool {
        !self.no_color && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
    }

    fn overrides(&self) -> Overrides {
        Overrides {
            members: self.members,
            npm_members: self.npm_members,
            rate: self.rate,
            publications: self.publications,
            seconds: self.seconds,
            doors: self.doors.clone(),
            connect_rate: self.connect_rate,
            drain_s: self.drain,
        }
    }
}

fn door(name: &str) -> Result<Door, String> {
    match name {
        "client" => Ok(Door::Client),
        "events" => Ok(Door::Events),
        "outbox" => Ok(Door::Outbox),
        other => Err(format!("unknown door {other:?}; the doors are client, events and outbox")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_well_formed() {
        Cli::command().debug_assert();
    }

    #[test]
    fn a_scenario_flags_alone_and_subcommands_are_told_apart() {
        let parse = |text: &str| Cli::try_parse_from(text.split(' '));
        assert!(parse("x a.toml --members 5").unwrap().command.is_none());
        assert_eq!(parse("x --members 20 --doors client,outbox").unwrap().load.doors, [Door::Client, Door::Outbox]);
        assert!(matches!(parse("x compare a b").unwrap().command, Some(Command::Compare { .. })));
        assert!(matches!(parse("x merge a b --json-out c").unwrap().command, Some(Command::Merge { .. })));
        let compared = parse("x compare-baseline --members 100").unwrap().command;
        assert!(matches!(compared, Some(Command::CompareBaseline { options }) if options.len() == 2));
        assert!(parse("x --doors window").is_err());
    }
}

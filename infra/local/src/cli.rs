//! The command line of `cargo dev`.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use clap::builder::styling::{AnsiColor, Styles};
use clap::{Args, ColorChoice, CommandFactory, FromArgMatches, Parser, ValueEnum};
use local_faults::Spec;
use local_gateway::{Limits, Rate};

use crate::options::{AWS_PORT, Logs, Options, PROCESSES, Speed, WEBSOCKET_PORT};

/// Runs a topology of Lambda functions on this machine: WebSocket gateway, functions, queues,
/// topics, tables, streams and schedules, as AWS would. Builds the functions first. Needs no AWS
/// account and no network.
#[derive(Debug, Parser)]
#[command(
    name = "cargo dev",
    args_override_self = true,
    bin_name = "cargo dev",
    styles = Styles::styled().header(AnsiColor::Yellow.on_default()).literal(AnsiColor::Green.on_default()),
    after_help = "Examples:\n  \
        cargo dev                               start, and stop by Ctrl-C\n  \
        cargo dev -- --data .roomcast           keep rooms and history over restarts\n  \
        cargo dev -- --run 'npx wscat -c $ROOMCAST_WS_URL'   start, run one command, stop, exit with its status\n  \
        cargo dev -- --topology loadtest/baseline/topology.yaml   run another topology\n\n\
        If an option sets a limit, 0 is no limit.\n\n\
        While it runs, /_local/ on the AWS port is a page that shows the stack; GET /_local/stats returns its counters \
        as JSON; GET /_local/faults returns the faults on demand, and PUT changes them: curl -X PUT -d F33=0.02 localhost:4566/_local/faults"
)]
pub struct Cli {
    /// The topology to run [default: infra/topology.yaml, here or in a folder above]
    #[arg(long, value_name = "FILE")]
    topology: Option<PathBuf>,

    /// Values of the topology's parameters on this machine [default: local.yaml beside the
    /// topology, if it exists]
    #[arg(long, value_name = "FILE")]
    local: Option<PathBuf>,

    /// Runs a shell command when everything is ready, then stops and exits with its status
    #[arg(long, value_name = "COMMAND")]
    pub run: Option<String>,

    #[command(flatten)]
    build: Build,

    #[command(flatten)]
    addresses: Addresses,

    /// Keeps tables, queues and stream positions in a folder over restarts [default: memory]
    #[arg(long, value_name = "DIR", help_heading = "Behaviour")]
    data: Option<PathBuf>,

    /// Polls streams every 10 ms and runs schedules 60 times as often, instead of at the rates of
    /// AWS
    #[arg(long, help_heading = "Behaviour")]
    fast: bool,

    /// Starts a new process for every invocation, to prove that functions keep no state in memory
    #[arg(long, help_heading = "Behaviour")]
    fresh_process_per_invocation: bool,

    /// Processes of a function without reserved concurrency; further invocations wait
    #[arg(long, value_name = "NUMBER", default_value_t = PROCESSES, value_parser = clap::value_parser!(u32).range(1..=1_000), help_heading = "Behaviour")]
    processes: u32,

    /// How long a DynamoDB transaction holds its items; other calls on them are refused meanwhile;
    /// with 0ms no call is refused
    #[arg(long, value_name = "TIME", default_value = "10ms", value_parser = parse_time, help_heading = "Behaviour")]
    transaction_hold: Duration,

    #[command(flatten)]
    faults: FaultArguments,

    #[command(flatten)]
    limits: LimitArguments,

    /// The part of the functions' output that is shown [default: summary; beside a command: quiet]
    #[arg(long, value_name = "HOW MUCH", help_heading = "Output")]
    log: Option<LogArgument>,

    /// Prints without colours (so does the environment variable NO_COLOR)
    #[arg(long, help_heading = "Output")]
    no_color: bool,

    /// Writes a JSON object with every URL to a file when everything is ready
    #[arg(long, value_name = "FILE", alias = "address-file", help_heading = "Output")]
    pub ready_file: Option<PathBuf>,
}

/// The source of the functions' binaries.
#[derive(Debug, Args)]
#[command(next_help_heading = "Building the functions")]
struct Build {
    /// The cargo profile to build with
    #[arg(long, value_name = "PROFILE", default_value = "dev")]
    profile: String,

    /// Uses the existing binaries in the profile's folder and builds nothing
    #[arg(long)]
    no_build: bool,

    /// Uses the binaries in a folder and builds nothing
    #[arg(long, value_name = "DIR")]
    bin_dir: Option<PathBuf>,
}

/// The ports. They are always on the loopback addresses.
#[derive(Debug, Args)]
#[command(next_help_heading = "Addresses (on 127.0.0.1 and ::1)")]
struct Addresses {
    /// Port of the WebSocket API; 0 takes a free one
    #[arg(long, value_name = "PORT", default_value_t = WEBSOCKET_PORT)]
    ws_port: u16,

    /// Port of the AWS endpoint; 0 takes a free one
    #[arg(long, value_name = "PORT", default_value_t = AWS_PORT)]
    aws_port: u16,

    /// Also answers to this host name, such as host.docker.internal; other names are refused with
    /// 403
    #[arg(long, value_name = "NAME")]
    allow_host: Vec<String>,

    /// Uses another endpoint for DynamoDB, SQS and SNS; the topology's resources are created there
    #[arg(long, value_name = "URL")]
    aws_endpoint: Option<String>,
}

/// Faults on demand.
#[derive(Debug, Args)]
#[command(next_help_heading = "Faults")]
struct FaultArguments {
    /// Enables faults by number and rate, such as F33=0.02,F8=0.05,F19=0..2000ms; FIDELITY.md lists
    /// them
    #[arg(long = "fault", value_name = "FAULTS", default_value = "", hide_default_value = true)]
    spec: Spec,

    /// Seed of the random decisions about faults; the same seed makes the same decisions
    #[arg(long = "fault-seed", value_name = "NUMBER", default_value_t = 0)]
    seed: u64,
}

/// The limits that the gateway enforces. The defaults are those of API Gateway.
#[derive(Debug, Args)]
#[command(next_help_heading = "Limits of the gateway (0 is no limit)")]
struct LimitArguments {
    /// Closes a connection without traffic after this time; 0 is no limit
    #[arg(long, value_name = "TIME", default_value = "10m", value_parser = parse_time)]
    idle_timeout: Duration,

    /// Closes a connection at this age; 0 is no limit
    #[arg(long, value_name = "TIME", default_value = "2h", value_parser = parse_time)]
    max_duration: Duration,

    /// Waits at most this time for a function behind a route; 0 is no limit
    #[arg(long, value_name = "TIME", default_value = "29s", value_parser = parse_time)]
    integration_timeout: Duration,

    /// Requests of the account per second, posts included; 0 is no limit
    #[arg(long, value_name = "NUMBER", default_value_t = 10_000)]
    account_rate: u32,

    /// Burst of the account's requests; 0 is no limit
    #[arg(long, value_name = "NUMBER", default_value_t = 5_000)]
    account_burst: u32,

    /// New connections per second; 0 is no limit
    #[arg(long, value_name = "NUMBER", default_value_t = 500)]
    connect_rate: u32,

    /// Burst of new connections; 0 is no limit
    #[arg(long, value_name = "NUMBER", default_value_t = 500)]
    connect_burst: u32,

    /// Delay of each call of the management API, for which AWS needs 20ms to 100ms; 0 is no delay
    #[arg(long, value_name = "TIME", default_value = "0ms", value_parser = parse_time)]
    call_latency: Duration,

    /// Bytes buffered for a client that does not read; 0 is no limit
    #[arg(long, value_name = "BYTES", default_value_t = local_gateway::limits::OUTBOUND_BUFFER_BYTES)]
    client_buffer: usize,
}

/// The default topology.
const TOPOLOGY: &str = "infra/topology.yaml";

#[derive(Debug, Clone, Copy, ValueEnum)]
enum LogArgument {
    /// Warnings, errors, and the last output of a function that died
    Quiet,
    /// Also one line per invocation: the line with its metrics
    Summary,
    /// Every line as it was written
    All,
}

/// The source of the functions' binaries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Binaries {
    /// Cargo builds the binaries with this profile.
    Built {
        /// Name of the profile, such as `dev` or `release`.
        profile: String,
    },
    /// The binaries are already in the folder of a profile.
    OfProfile {
        /// Name of the profile, such as `dev` or `release`.
        profile: String,
    },
    /// The binaries are already in this folder.
    In(PathBuf),
}

impl Cli {
    /// Parses the arguments of the process, or ends the process with a message. The alias
    /// `cargo dev` ends in `--`, but users also type `cargo dev -- --run …`, so a leading `--` is
    /// skipped.
    #[must_use]
    pub fn from_process() -> Self {
        let arguments: Vec<OsString> = without_leading_separator(std::env::args_os()).collect();
        let is_plain = arguments.iter().any(|argument| argument == "--no-color");
        let command = Self::command().color(if is_plain { ColorChoice::Never } else { ColorChoice::Auto });
        let matches = command.get_matches_from(arguments);
        Self::from_arg_matches(&matches).unwrap_or_else(|error| error.exit())
    }

    /// Returns whether standard error may have colours: on a terminal, without `--no-color` and
    /// without `NO_COLOR`.
    #[must_use]
    pub fn has_colours(&self) -> bool {
        let no_colours = self.no_color || std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        !no_colours && std::io::IsTerminal::is_terminal(&std::io::stderr())
    }

    /// Returns the source of the binaries.
    #[must_use]
    pub fn binaries(&self) -> Binaries {
        let Build { profile, no_build, bin_dir } = &self.build;
        match (bin_dir, no_build) {
            (Some(folder), _) => Binaries::In(folder.clone()),
            (None, true) => Binaries::OfProfile { profile: profile.clone() },
            (None, false) => Binaries::Built { profile: profile.clone() },
        }
    }

    /// Returns the stack's options, with the binaries in `folder`.
    #[must_use]
    pub fn options(&self, folder: PathBuf) -> Options {
        Options {
            local: self.local.clone(),
            websocket_port: self.addresses.ws_port,
            aws_port: self.addresses.aws_port,
            hosts: self.addresses.allow_host.clone(),
            data: self.data.clone(),
            aws_endpoint: self.addresses.aws_endpoint.clone(),
            speed: if self.fast { Speed::Fast } else { Speed::Aws },
            fresh_process_per_invocation: self.fresh_process_per_invocation,
            processes: self.processes,
            transaction_hold: self.transaction_hold,
            limits: self.limits.limits(),
            faults: self.faults.spec.clone(),
            fault_seed: self.faults.seed,
            logs: self.logs(),
            colours: self.has_colours(),
            supervisor: std::env::current_exe().ok(),
            ..Options::new(self.topology(), folder)
        }
    }

    /// Returns how much output is shown. Beside a command it is less, so that the command's own
    /// output stays readable.
    fn logs(&self) -> Logs {
        match self.log {
            Some(LogArgument::Quiet) => Logs::Quiet,
            Some(LogArgument::Summary) => Logs::Summary,
            Some(LogArgument::All) => Logs::All,
            None if self.run.is_some() => Logs::Quiet,
            None => Logs::Summary,
        }
    }

    /// Returns the path of the topology: the one that the arguments name, or the workspace's, which
    /// is found from every folder of the workspace.
    #[must_use]
    pub fn topology(&self) -> PathBuf {
        self.topology.clone().unwrap_or_else(|| {
            let here = std::env::current_dir().unwrap_or_default();
            let found = here.ancestors().map(|folder| folder.join(TOPOLOGY)).find(|file| file.is_file());
            match found {
                // The relative path is shorter in messages.
                Some(file) if file == here.join(TOPOLOGY) => PathBuf::from(TOPOLOGY),
                Some(file) => file,
                None => PathBuf::from(TOPOLOGY),
            }
        })
    }
}

impl LimitArguments {
    fn limits(&self) -> Limits {
        let rate = |per_second, burst| (per_second > 0 && burst > 0).then_some(Rate { per_second, burst });
        let limit = |time: Duration| if time.is_zero() { Duration::MAX } else { time };
        Limits {
            idle_timeout: limit(self.idle_timeout),
            connection_duration: limit(self.max_duration),
            integration_timeout: limit(self.integration_timeout),
            account_rate: rate(self.account_rate, self.account_burst),
            connect_rate: rate(self.connect_rate, self.connect_burst),
            call_latency: self.call_latency,
            outbound_buffer_bytes: if self.client_buffer == 0 { usize::MAX } else { self.client_buffer },
            ..Limits::default()
        }
    }
}

fn without_leading_separator(arguments: impl Iterator<Item = OsString>) -> impl Iterator<Item = OsString> {
    arguments.enumerate().filter(|(index, argument)| *index != 1 || argument != "--").map(|(_, argument)| argument)
}

/// Parses `500ms`, `90s`, `10m`, `2h` or `0`.
fn parse_time(text: &str) -> Result<Duration, String> {
    if text == "0" {
        return Ok(Duration::ZERO);
    }
    let digits = text.trim_end_matches(|letter: char| letter.is_ascii_alphabetic());
    let value: u64 = digits.parse().map_err(|_| format!("{text} is no time: write 500ms, 90s, 10m or 2h"))?;
    match &text[digits.len()..] {
        "ms" => Ok(Duration::from_millis(value)),
        "s" => Ok(Duration::from_secs(value)),
        "m" => Ok(Duration::from_secs(60 * value)),
        "h" => Ok(Duration::from_secs(3_600 * value)),
        _ => Err(format!("{text} is no time: write 500ms, 90s, 10m or 2h")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(arguments: &[&str]) -> Cli {
        let all = std::iter::once("cargo dev").chain(arguments.iter().copied()).map(OsString::from);
        Cli::try_parse_from(without_leading_separator(all)).unwrap()
    }

    #[test]
    fn the_command_line_is_well_formed() {
        Cli::command().debug_assert();
    }

    #[test]
    fn a_leading_separator_is_skipped_and_no_other() {
        assert_eq!(parse(&["--", "--run", "echo -- hi"]).run.as_deref(), Some("echo -- hi"));
        assert_eq!(parse(&["--run", "true"]).run.as_deref(), Some("true"));
        let trailing = ["cargo dev", "--fast", "--", "x"].map(OsString::from);
        assert!(Cli::try_parse_from(without_leading_separator(trailing.into_iter())).is_err());
    }

    #[test]
    fn times_are_written_with_their_unit() {
        assert_eq!(parse_time("500ms"), Ok(Duration::from_millis(500)));
        assert_eq!(parse_time("90s"), Ok(Duration::from_secs(90)));
        assert_eq!(parse_time("10m"), Ok(Duration::from_secs(600)));
        assert_eq!(parse_time("2h"), Ok(Duration::from_secs(7_200)));
        assert_eq!((parse_time("0"), parse_time("0s")), (Ok(Duration::ZERO), Ok(Duration::ZERO)));
        for wrong in ["", "5", "s", "5d", "-1s", "1.5h"] {
            assert!(parse_time(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn the_topology_of_the_workspace_is_found_from_every_folder_of_it() {
        // Tests run in the folder of their package.
        let found = parse(&[]).topology();
        assert!(found.is_file() && found.ends_with(TOPOLOGY), "{}", found.display());
        assert_eq!(parse(&["--topology", "x.yaml"]).topology(), PathBuf::from("x.yaml"));
    }

    #[test]
    fn the_defaults_are_those_of_api_gateway() {
        let options = parse(&[]).options(PathBuf::from("bin"));
        let (chosen, documented) = (options.limits, Limits::default());
        assert_eq!(format!("{chosen:?}"), format!("{documented:?}"));
        assert_eq!((options.websocket_port, options.aws_port, options.speed), (3001, 4566, Speed::Aws));
    }

    #[test]
    fn zero_is_no_limit_wherever_there_is_one_and_the_help_says_so() {
        let zeros: [&str; 14] = [
            "--idle-timeout",
            "0",
            "--max-duration",
            "0s",
            "--integration-timeout",
            "0ms",
            "--account-burst",
            "0",
            "--connect-burst",
            "0",
            "--call-latency",
            "0",
            "--client-buffer",
            "0",
        ];
        let limits = parse(&zeros).options(PathBuf::new()).limits;
        assert_eq!((limits.idle_timeout, limits.connection_duration), (Duration::MAX, Duration::MAX));
        assert_eq!((limits.integration_timeout, limits.call_latency), (Duration::MAX, Duration::ZERO));
        assert_eq!((limits.account_rate, limits.connect_rate), (None, None));
        assert_eq!(limits.outbound_buffer_bytes, usize::MAX);
        let command = Cli::command();
        let of_gateway =
            |argument: &&clap::Arg| argument.get_help_heading().is_some_and(|heading| heading.contains("Limits"));
        for argument in command.get_arguments().filter(of_gateway) {
            let help = argument.get_help().unwrap().to_string();
            assert!(help.contains("; 0 is no "), "{help}");
        }
    }

    #[test]
    fn a_rate_of_zero_is_unlimited() {
        let limits = parse(&["--account-rate", "0", "--connect-rate", "7"]).options(PathBuf::new()).limits;
        assert_eq!(limits.account_rate, None);
        assert_eq!(limits.connect_rate, Some(Rate { per_second: 7, burst: 500 }));
    }

    #[test]
    fn faults_are_none_unless_they_are_named_and_a_mistake_ends_the_program() {
        let options = parse(&[]).options(PathBuf::new());
        assert!(options.faults.is_empty());
        let named =
            ["--fault", "F33=0.02,F38=0.001,F43=0.3,F8=0.05,F25=0.05,F19=0..2000ms,F1=0.01", "--fault-seed", "7"];
        let options = parse(&named).options(PathBuf::new());
        assert_eq!(options.faults.to_string(), "F1=0.01,F8=0.05,F19=0..2000ms,F25=0.05,F33=0.02,F38=0.001,F43=0.3");
        assert_eq!(options.fault_seed, 7);
        let mistake = Cli::try_parse_from(["cargo dev", "--fault", "F33=2"]).unwrap_err().to_string();
        assert!(mistake.contains("the rate of F33 is \"2\" and must be a number from 0 to 1"), "{mistake}");
    }

    #[test]
    fn binaries_are_built_unless_a_folder_or_nothing_is_asked_for() {
        let dev = || "dev".to_owned();
        assert_eq!(parse(&[]).binaries(), Binaries::Built { profile: dev() });
        assert_eq!(parse(&["--no-build"]).binaries(), Binaries::OfProfile { profile: dev() });
        assert_eq!(parse(&["--bin-dir", "x"]).binaries(), Binaries::In("x".into()));
    }
}

//! The options of a stack.

use std::path::PathBuf;
use std::time::Duration;

use local_faults::Spec;
use local_gateway::Limits;
use tokio::sync::mpsc::UnboundedSender;

/// All options. [`Options::new`] has the defaults of `cargo dev`.
#[derive(Debug, Clone)]
pub struct Options {
    /// Path of the topology.
    pub topology: PathBuf,
    /// File with the values of the topology's parameters on this machine. By default `local.yaml`
    /// beside the topology, if it exists.
    pub local: Option<PathBuf>,
    /// The folder with the functions' binaries.
    pub binaries: PathBuf,
    /// Port of the WebSocket API on the loopback addresses; 0 takes a free one.
    pub websocket_port: u16,
    /// Port of the AWS endpoint on the loopback addresses; 0 takes a free one.
    pub aws_port: u16,
    /// Names of this machine that its ports answer to, besides the names of the loopback addresses.
    pub hosts: Vec<String>,
    /// Folder in which data survives restarts. `None` keeps data in memory.
    pub data: Option<PathBuf>,
    /// How long requests to the AWS endpoint may take to arrive.
    pub time_limits: TimeLimits,
    /// An external endpoint for DynamoDB, SQS and SNS instead of the embedded one. Grants are not
    /// enforced there.
    pub aws_endpoint: Option<String>,
    /// Intervals of polling and schedules.
    pub speed: Speed,
    /// True if a process serves only one invocation.
    pub fresh_process_per_invocation: bool,
    /// Most processes of a function without reserved concurrency. Further invocations wait.
    pub processes: u32,
    /// How long a transaction holds its items. Other calls on them are refused meanwhile, as on
    /// AWS. With zero, transactions hold nothing.
    pub transaction_hold: Duration,
    /// The limits that the gateway enforces.
    pub limits: Limits,
    /// The part of the functions' output that is shown.
    pub logs: Logs,
    /// True if output has colours.
    pub colours: bool,
    /// The runner's executable, which starts the functions, so that none outlives a runner that is
    /// killed. Without it, only an orderly end or a dropped stack ends them.
    pub supervisor: Option<PathBuf>,
    /// The faults on demand. None by default.
    pub faults: Spec,
    /// Seed of the random decisions about faults.
    pub fault_seed: u64,
    /// File to which each permission of a function is appended at its first use. None by default.
    pub used_permissions: Option<PathBuf>,
    /// Receives every line of every function as it was written, independent of `logs`.
    pub listener: Option<UnboundedSender<Line>>,
}

/// How long requests to the AWS endpoint may take to arrive. A client that stops in the middle must
/// not hold a connection and memory for ever.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TimeLimits {
    /// For the head. A kept-alive connection may be idle as long.
    pub head_within: Duration,
    /// For the body. Loopback is fast.
    pub body_within: Duration,
}

impl Default for TimeLimits {
    fn default() -> Self {
        Self { head_within: Duration::from_secs(60), body_within: Duration::from_secs(30) }
    }
}

/// A line that a function wrote.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// Name of the function.
    pub function: String,
    /// The line without its line feed.
    pub text: String,
}

/// Speed of polling, schedules and the expiry of items.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Speed {
    /// The documented intervals of AWS: streams are read four times a second, schedules run at
    /// their rate.
    #[default]
    Aws,
    /// Streams are read every 10 ms, schedules run sixty times as often, and expired items are
    /// deleted within seconds.
    Fast,
}

/// The part of the functions' output that is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Logs {
    /// Nothing. A program can receive the lines with a [listener](Options::listener).
    Silent,
    /// Warnings, errors, and the last output of a function that died.
    Quiet,
    /// Also one line per invocation: the line that carries metrics.
    #[default]
    Summary,
    /// Every line as it was written.
    All,
}

/// Default port of the WebSocket API.
pub const WEBSOCKET_PORT: u16 = 3001;
/// Default port of the AWS endpoint.
pub const AWS_PORT: u16 = 4566;

/// Default time for which a transaction holds its items. Transactions on AWS take 10 to 20 ms.
pub const TRANSACTION_HOLD: Duration = Duration::from_millis(10);

/// Default number of processes of a function without reserved concurrency: enough to keep a laptop
/// busy.
pub const PROCESSES: u32 = 16;

impl Options {
    /// Returns the defaults of `cargo dev` for a topology and a folder of binaries.
    pub fn new(topology: impl Into<PathBuf>, binaries: impl Into<PathBuf>) -> Self {
        Self {
            topology: topology.into(),
            local: None,
            binaries: binaries.into(),
            websocket_port: WEBSOCKET_PORT,
            aws_port: AWS_PORT,
            hosts: Vec::new(),
            data: None,
            time_limits: TimeLimits::default(),
            aws_endpoint: None,
            speed: Speed::default(),
            fresh_process_per_invocation: false,
            processes: PROCESSES,
            transaction_hold: TRANSACTION_HOLD,
            limits: Limits::default(),
            logs: Logs::default(),
            colours: false,
            supervisor: None,
            faults: Spec::default(),
            fault_seed: 0,
            used_permissions: None,
            listener: None,
        }
    }

    /// Returns options for tests: free ports, fast polling and little output, so that other stacks
    /// can run at the same time.
    pub fn for_tests(topology: impl Into<PathBuf>, binaries: impl Into<PathBuf>) -> Self {
        Self { websocket_port: 0, aws_port: 0, speed: Speed::Fast, logs: Logs::Quiet, ..Self::new(topology, binaries) }
    }
}

impl Speed {
    /// Interval of deleting expired items and trimming old stream records. AWS documents "within a
    /// few days".
    ///
    /// Source:
    /// <https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/howitworks-ttl.html>
    pub(crate) const fn tending_period(self) -> Duration {
        match self {
            Self::Aws => Duration::from_secs(60),
            Self::Fast => Duration::from_secs(2),
        }
    }
}

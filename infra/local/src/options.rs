//! What a stack is told before it starts.

use std::path::PathBuf;
use std::time::Duration;

use local_faults::Spec;
use local_gateway::Limits;
use tokio::sync::mpsc::UnboundedSender;

/// Everything that can be chosen. [`Options::new`] has the defaults of `cargo dev`.
#[derive(Debug, Clone)]
pub struct Options {
    /// The topology to run.
    pub topology: PathBuf,
    /// Values of the topology's parameters on this machine. By default `local.yaml` beside the topology, if it exists.
    pub local: Option<PathBuf>,
    /// The folder with the functions' binaries.
    pub binaries: PathBuf,
    /// Port of the WebSocket API on the loopback addresses; 0 takes a free one.
    pub websocket_port: u16,
    /// Port of the AWS endpoint on the loopback addresses; 0 takes a free one.
    pub aws_port: u16,
    /// Names of this machine, beside those of the loopback addresses, that its ports answer to.
    pub hosts: Vec<String>,
    /// Where data is kept over restarts; memory without it.
    pub data: Option<PathBuf>,
    /// Somebody else's endpoint for DynamoDB, SQS and SNS instead of the embedded one. Grants are not enforced there.
    pub aws_endpoint: Option<String>,
    /// How fast things are polled.
    pub speed: Speed,
    /// Whether a process serves one invocation only.
    pub fresh_process_per_invocation: bool,
    /// Processes of a function without reserved concurrency; what comes beyond waits.
    pub processes: u32,
    /// How long a transaction holds its items: other calls on them are refused meanwhile, as on AWS. Zero: not at all.
    pub transaction_hold: Duration,
    /// What the gateway enforces.
    pub limits: Limits,
    /// What of the functions' output is shown.
    pub logs: Logs,
    /// Whether output has colours.
    pub colours: bool,
    /// The runner's executable: functions are started through it, so that none outlives a runner that is killed.
    /// Without it, only an orderly end or a dropped stack ends them.
    pub supervisor: Option<PathBuf>,
    /// What goes wrong on demand; nothing unless set.
    pub faults: Spec,
    /// By what chance it does.
    pub fault_seed: u64,
    /// Hears every line of every function as it was written, whatever is shown.
    pub listener: Option<UnboundedSender<Line>>,
}

/// A line that a function wrote.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// Which function.
    pub function: String,
    /// What it wrote.
    pub text: String,
}

/// How fast queues and streams are polled, schedules fire and items expire.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Speed {
    /// As AWS documents it: streams four times a second, schedules at their rate.
    #[default]
    Aws,
    /// Streams every 10 ms, schedules sixty times as often, expired items gone within seconds.
    Fast,
}

/// What of the functions' output is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Logs {
    /// Nothing at all: whoever wants to hear it has a [listener](Options::listener).
    Silent,
    /// Warnings, errors, and how a function died.
    Quiet,
    /// Also one line per invocation: those that carry metrics.
    #[default]
    Summary,
    /// Every line as it was written.
    All,
}

/// Port of the WebSocket API unless another one is chosen.
pub const WEBSOCKET_PORT: u16 = 3001;
/// Port of the AWS endpoint unless another one is chosen.
pub const AWS_PORT: u16 = 4566;

/// How long a transaction holds its items unless another time is chosen: transactions on AWS take 10 to 20 ms.
pub const TRANSACTION_HOLD: Duration = Duration::from_millis(10);

/// Processes of a function without reserved concurrency unless another number is chosen: enough to keep a laptop busy.
pub const PROCESSES: u32 = 16;

impl Options {
    /// The defaults of `cargo dev` for a topology and a folder of binaries.
    pub fn new(topology: impl Into<PathBuf>, binaries: impl Into<PathBuf>) -> Self {
        Self {
            topology: topology.into(),
            local: None,
            binaries: binaries.into(),
            websocket_port: WEBSOCKET_PORT,
            aws_port: AWS_PORT,
            hosts: Vec::new(),
            data: None,
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
            listener: None,
        }
    }

    /// For tests: free ports, fast polling, quiet, beside anything else that runs.
    pub fn for_tests(topology: impl Into<PathBuf>, binaries: impl Into<PathBuf>) -> Self {
        Self { websocket_port: 0, aws_port: 0, speed: Speed::Fast, logs: Logs::Quiet, ..Self::new(topology, binaries) }
    }
}

impl Speed {
    /// How often expired items are deleted and old stream records trimmed. AWS says "within a few days".
    ///
    /// Source: <https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/howitworks-ttl.html>
    pub(crate) const fn tending_period(self) -> Duration {
        match self {
            Self::Aws => Duration::from_secs(60),
            Self::Fast => Duration::from_secs(2),
        }
    }
}

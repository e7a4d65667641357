//! What the runner states about its functions.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use crate::logs::Sink;

/// One function: a program that speaks the Runtime API, and what AWS would know about it.
#[derive(Debug, Clone)]
pub struct Function {
    /// As it is invoked by and as it appears in its ARN: 1 to 64 letters, digits, `-` and `_`.
    pub name: String,
    /// The executable; its folder is the working directory and `LAMBDA_TASK_ROOT`.
    pub program: PathBuf,
    /// Arguments of the program. AWS gives none.
    pub args: Vec<String>,
    /// The function's own variables. None of them may be one that AWS sets and reserves.
    pub environment: Vec<(String, String)>,
    /// Who the function is when it calls AWS.
    pub credentials: Credentials,
    /// Announced to the function and reported, not enforced.
    pub memory_mb: u32,
    /// How long one invocation may take before its process is killed.
    pub timeout: Duration,
    /// How many processes there may be at once (reserved concurrency). 0 refuses everything.
    pub concurrency: u32,
}

/// The three variables of an execution role.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Credentials {
    /// `AWS_ACCESS_KEY_ID`
    pub access_key_id: String,
    /// `AWS_SECRET_ACCESS_KEY`
    pub secret_access_key: String,
    /// `AWS_SESSION_TOKEN`
    pub session_token: String,
}

/// The program that every function is started through, so that none outlives the runner.
///
/// It is called as `program args… RUNNER_PID FUNCTION_PROGRAM FUNCTION_ARGS…` and must end in
/// [`supervise_main`](crate::supervise_main). Normally it is the runner's own executable with a hidden subcommand.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Supervisor {
    /// The executable, normally `std::env::current_exe()`.
    pub program: PathBuf,
    /// What comes before the process id, normally the hidden subcommand.
    pub args: Vec<String>,
}

/// All functions, and how they are run.
#[derive(Clone)]
pub struct Config {
    /// What can be invoked.
    pub functions: Vec<Function>,
    /// `AWS_REGION` of every function and part of its ARN.
    pub region: String,
    /// Account in the ARNs, 12 digits.
    pub account: String,
    /// Kill each process when its answer is in, so that nothing survives in memory.
    pub fresh_process_per_invocation: bool,
    /// How long an idle process is kept.
    pub keep_idle: Duration,
    /// How long a process may take until it asks for work.
    pub start_timeout: Duration,
    /// `AWS_LAMBDA_LOG_FORMAT` (`JSON` or `Text`), not set if `None`.
    pub log_format: Option<String>,
    /// `AWS_LAMBDA_LOG_LEVEL`, not set if `None`.
    pub log_level: Option<String>,
    /// Without one, processes outlive a runner that is killed by SIGKILL.
    pub supervisor: Option<Supervisor>,
    /// Who hears what the functions say.
    pub sink: Arc<dyn Sink>,
}

/// AWS stops idle environments after some minutes; nobody needs them longer on one machine.
const KEEP_IDLE: Duration = Duration::from_secs(300);

/// The init phase of on-demand functions.
///
/// Source: <https://docs.aws.amazon.com/lambda/latest/dg/lambda-runtime-environment.html>
const START_TIMEOUT: Duration = Duration::from_secs(10);

impl Config {
    /// The defaults of AWS for these functions, without a supervisor.
    #[must_use]
    pub fn new(functions: Vec<Function>, sink: Arc<dyn Sink>) -> Self {
        Self {
            functions,
            region: "us-east-1".to_owned(),
            account: "000000000000".to_owned(),
            fresh_process_per_invocation: false,
            keep_idle: KEEP_IDLE,
            start_timeout: START_TIMEOUT,
            log_format: None,
            log_level: None,
            supervisor: None,
            sink,
        }
    }

    /// `arn:aws:lambda:REGION:ACCOUNT:function:NAME`
    #[must_use]
    pub fn function_arn(&self, function: &str) -> String {
        format!("arn:aws:lambda:{}:{}:function:{function}", self.region, self.account)
    }
}

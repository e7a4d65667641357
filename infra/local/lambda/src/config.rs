//! The configuration of the functions, which the runner supplies.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use crate::logs::Sink;

/// One function: a program that uses the Runtime API, and its Lambda configuration.
#[derive(Debug, Clone)]
pub struct Function {
    /// Name of the function for invocations and in its ARN: 1 to 64 letters, digits, `-` and `_`.
    pub name: String,
    /// Path of the executable. Its folder is the working directory and `LAMBDA_TASK_ROOT`.
    pub program: PathBuf,
    /// Arguments of the program. AWS passes none.
    pub args: Vec<String>,
    /// The function's own variables. Variables that AWS reserves are not allowed.
    pub environment: Vec<(String, String)>,
    /// The credentials with which the function calls AWS.
    pub credentials: Credentials,
    /// Memory in MB. It is passed to the function and reported, but not enforced.
    pub memory_mb: u32,
    /// How long one invocation may take. Its process is killed after this time.
    pub timeout: Duration,
    /// Most concurrent processes (reserved concurrency). With 0 every invocation is throttled.
    pub concurrency: u32,
}

/// The three variables of an execution role.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Credentials {
    /// Value of `AWS_ACCESS_KEY_ID`.
    pub access_key_id: String,
    /// Value of `AWS_SECRET_ACCESS_KEY`.
    pub secret_access_key: String,
    /// Value of `AWS_SESSION_TOKEN`.
    pub session_token: String,
}

/// The program that starts every function, so that no function outlives the runner.
///
/// It is called as `program args… RUNNER_PID FUNCTION_PROGRAM FUNCTION_ARGS…` and must end in
/// [`supervise_main`](crate::supervise_main). Normally it is the runner's own executable with a
/// hidden subcommand.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Supervisor {
    /// The executable, normally `std::env::current_exe()`.
    pub program: PathBuf,
    /// Arguments before the process id, normally the hidden subcommand.
    pub args: Vec<String>,
}

/// All functions, and the settings of their processes.
#[derive(Clone)]
pub struct Config {
    /// The functions that can be invoked.
    pub functions: Vec<Function>,
    /// `AWS_REGION` of every function. It is also part of the function's ARN.
    pub region: String,
    /// The account in the ARNs, 12 digits.
    pub account: String,
    /// True if each process is killed after its answer, so that no state survives in memory.
    pub fresh_process_per_invocation: bool,
    /// How long an idle process is kept before it is stopped.
    pub keep_idle: Duration,
    /// How long a process may take until its first request for work.
    pub start_timeout: Duration,
    /// `AWS_LAMBDA_LOG_FORMAT` (`JSON` or `Text`). Not set if `None`.
    pub log_format: Option<String>,
    /// `AWS_LAMBDA_LOG_LEVEL`. Not set if `None`.
    pub log_level: Option<String>,
    /// The supervisor of all processes. Without one, processes outlive a runner that is killed by
    /// SIGKILL.
    pub supervisor: Option<Supervisor>,
    /// True if every process of the machine may use the Runtime API of a process. Only for tests
    /// that make the calls of a function themselves.
    pub any_caller: bool,
    /// Receives the lines and the reports of the functions.
    pub sink: Arc<dyn Sink>,
}

/// AWS stops idle environments after some minutes. A longer time has no use on one machine.
const KEEP_IDLE: Duration = Duration::from_secs(300);

/// Timeout of the init phase of on-demand functions.
///
/// Source: <https://docs.aws.amazon.com/lambda/latest/dg/lambda-runtime-environment.html>
const START_TIMEOUT: Duration = Duration::from_secs(10);

impl Config {
    /// Creates a configuration with AWS's defaults for these functions, without a supervisor.
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
            any_caller: false,
            sink,
        }
    }

    /// Returns `arn:aws:lambda:REGION:ACCOUNT:function:NAME`.
    #[must_use]
    pub fn function_arn(&self, function: &str) -> String {
        format!("arn:aws:lambda:{}:{}:function:{function}", self.region, self.account)
    }
}

//! The errors that an invoker receives instead of an answer.
//!
//! The types and texts are those of AWS: `Runtime.ExitError`, `Sandbox.Timedout`,
//! `Function.ResponseSizeTooLarge`. Source:
//! <https://docs.aws.amazon.com/lambda/latest/dg/troubleshooting-invocation.html>

use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;
use std::time::Duration;

use nix::sys::signal::Signal;
use serde::Deserialize;

/// An error as the body of a failed invocation contains it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct FunctionError {
    pub(crate) error_type: String,
    pub(crate) message: String,
}

/// The end of a process, or the reason to end it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum End {
    /// The process exited. `None` is a clean exit; otherwise the text is AWS's description.
    Exit(Option<String>),
    /// The process reported that it cannot start.
    InitError(FunctionError),
    /// The process did not request work within this time.
    StartTimeout(Duration),
    /// The program does not exist or cannot be run.
    CannotRun(String),
}

/// The reason why a process could not be started in advance.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StartFailure {
    /// The function does not exist.
    #[error("there is no function {0}")]
    NotFound(String),
    /// Every allowed process exists and is busy, or no process is allowed.
    #[error("function {0} is at its concurrency limit")]
    Throttled(String),
    /// The process ended or was killed before it requested work.
    #[error("function {function} died at start: {reason}{}", quoted(last_lines))]
    Died {
        /// Name of the function.
        function: String,
        /// The cause, such as `exit status 101` or `no request for work within 10 s`.
        reason: String,
        /// The last lines that the process wrote, oldest first.
        last_lines: Vec<String>,
    },
    /// The runner is stopping.
    #[error("the runner is stopping")]
    Stopping,
}

/// The body that runtimes post. AWS reads only these fields.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Posted {
    error_type: Option<String>,
    error_message: Option<String>,
}

impl FunctionError {
    /// Parses the error that the function posted. Accepts any body.
    pub(crate) fn posted(body: &[u8], header: Option<&str>) -> Self {
        let posted: Posted = serde_json::from_slice(body).unwrap_or_default();
        let error_type = posted.error_type.or(header.map(str::to_owned)).unwrap_or_else(|| "Unhandled".to_owned());
        let message = posted.error_message.unwrap_or_else(|| String::from_utf8_lossy(body).into_owned());
        Self { error_type, message }
    }

    /// Parses the error that a process posted before its first request for work. The header, if
    /// present, names the type.
    pub(crate) fn posted_at_start(body: &[u8], header: Option<&str>) -> Self {
        let posted = Self::posted(body, header);
        Self { error_type: header.unwrap_or("Runtime.InitError").to_owned(), ..posted }
    }

    /// Builds the error for a process that ended with the invocation `request_id` or before it
    /// received it.
    pub(crate) fn ended(request_id: &str, end: &End) -> Self {
        match end {
            End::InitError(error) => error.clone(),
            End::Exit(None) => Self::exit(request_id, "Runtime exited without providing a reason"),
            End::Exit(Some(how)) => Self::exit(request_id, &format!("Runtime exited with error: {how}")),
            End::StartTimeout(limit) => Self::new("Runtime.InitError", request_id, &start_timed_out(*limit)),
            End::CannotRun(why) => Self::new("Runtime.InvalidEntrypoint", request_id, why),
        }
    }

    /// Builds the error for a process that was killed after `timeout`.
    pub(crate) fn timed_out(request_id: &str, timeout: Duration) -> Self {
        let message = format!("Task timed out after {:.2} seconds", timeout.as_secs_f64());
        Self::new("Sandbox.Timedout", request_id, &message)
    }

    /// Builds the error for an answer that exceeds `limit` bytes.
    pub(crate) fn response_too_large(limit: usize) -> Self {
        let message = format!("Response payload size exceeded maximum allowed payload size ({limit} bytes).");
        Self { error_type: "Function.ResponseSizeTooLarge".to_owned(), message }
    }

    fn exit(request_id: &str, message: &str) -> Self {
        Self::new("Runtime.ExitError", request_id, message)
    }

    fn new(error_type: &str, request_id: &str, message: &str) -> Self {
        Self { error_type: error_type.to_owned(), message: format!("RequestId: {request_id} Error: {message}") }
    }
}

impl End {
    /// Converts the exit status of the operating system.
    pub(crate) fn of(status: ExitStatus) -> Self {
        match (status.code(), status.signal()) {
            (Some(0), _) => Self::Exit(None),
            (Some(code), _) => Self::Exit(Some(format!("exit status {code}"))),
            (None, signal) => Self::Exit(Some(describe(signal, status.core_dumped()))),
        }
    }

    /// Returns a text for the user, such as `exit status 1`.
    pub(crate) fn reason(&self) -> String {
        match self {
            Self::Exit(None) => "it exited without asking for work".to_owned(),
            Self::Exit(Some(how)) => how.clone(),
            Self::InitError(error) => format!("{}: {}", error.error_type, error.message),
            Self::StartTimeout(limit) => start_timed_out(*limit),
            Self::CannotRun(why) => why.clone(),
        }
    }
}

fn start_timed_out(limit: Duration) -> String {
    format!("no request for work within {:.2} seconds", limit.as_secs_f64())
}

/// Describes a signal as Go prints it, because AWS shows that text.
fn describe(signal: Option<i32>, core_dumped: bool) -> String {
    let name = match signal.map(Signal::try_from) {
        Some(Ok(Signal::SIGABRT)) => "aborted",
        Some(Ok(Signal::SIGBUS)) => "bus error",
        Some(Ok(Signal::SIGFPE)) => "floating point exception",
        Some(Ok(Signal::SIGHUP)) => "hangup",
        Some(Ok(Signal::SIGILL)) => "illegal instruction",
        Some(Ok(Signal::SIGINT)) => "interrupt",
        Some(Ok(Signal::SIGKILL)) => "killed",
        Some(Ok(Signal::SIGPIPE)) => "broken pipe",
        Some(Ok(Signal::SIGSEGV)) => "segmentation fault",
        Some(Ok(Signal::SIGTERM)) => "terminated",
        Some(Ok(Signal::SIGTRAP)) => "trace/breakpoint trap",
        _ => return format!("signal: {}", signal.unwrap_or_default()),
    };
    let core = if core_dumped { " (core dumped)" } else { "" };
    format!("signal: {name}{core}")
}

fn quoted(last_lines: &[String]) -> String {
    let lines: Vec<&str> = last_lines.iter().map(|line| line.trim()).filter(|line| !line.is_empty()).collect();
    if lines.is_empty() { String::new() } else { format!(" (its last words: {})", lines.join(" | ")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_posted_error_is_read_from_its_body() {
        let error = FunctionError::posted(br#"{"errorMessage":"boom","errorType":"app::Error"}"#, Some("unhandled"));
        assert_eq!((error.error_type.as_str(), error.message.as_str()), ("app::Error", "boom"));
    }

    #[test]
    fn a_posted_error_that_is_not_json_is_its_own_message() {
        let error = FunctionError::posted(b"boom", None);
        assert_eq!((error.error_type.as_str(), error.message.as_str()), ("Unhandled", "boom"));
    }

    #[test]
    fn an_exit_is_described_as_on_aws() {
        let ended = |raw| FunctionError::ended("r1", &End::of(ExitStatus::from_raw(raw))).message;
        assert_eq!(ended(3 << 8), "RequestId: r1 Error: Runtime exited with error: exit status 3");
        assert_eq!(ended(9), "RequestId: r1 Error: Runtime exited with error: signal: killed");
        assert_eq!(ended(0), "RequestId: r1 Error: Runtime exited without providing a reason");
    }

    #[test]
    fn a_timeout_is_told_in_seconds_with_two_decimals() {
        let error = FunctionError::timed_out("r1", Duration::from_secs(5));
        assert_eq!(error.error_type, "Sandbox.Timedout");
        assert_eq!(error.message, "RequestId: r1 Error: Task timed out after 5.00 seconds");
    }

    #[test]
    fn a_death_at_start_is_one_sentence_with_the_last_words() {
        let last_lines = vec!["thread 'main' panicked:".to_owned(), String::new(), "  no TABLE".to_owned()];
        let failure = StartFailure::Died { function: "f".into(), reason: "exit status 101".into(), last_lines };
        let expected = "function f died at start: exit status 101 (its last words: thread 'main' panicked: | no TABLE)";
        assert_eq!(failure.to_string(), expected);
    }
}

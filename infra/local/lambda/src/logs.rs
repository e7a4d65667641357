//! The records that the runner receives from its functions: their lines, and the platform's START
//! and REPORT.

use std::fmt;
use std::time::Duration;

/// Receives records. It is called from many tasks at once and should not block for long.
pub trait Sink: Send + Sync + 'static {
    /// Receives one record of process number `process` of `function`.
    ///
    /// Lines of one stream of one process arrive in order. A line that was written before the
    /// answer may arrive after the REPORT, because the pipe and the Runtime API are separate
    /// channels. All records of a process arrive before its `ProcessEnded`.
    fn record(&self, function: &str, process: u64, record: Record<'_>);
}

/// An occurrence in a process.
#[derive(Debug)]
pub enum Record<'a> {
    /// A process was started.
    ProcessStarted {
        /// Process id of the operating system.
        pid: u32,
    },
    /// `START RequestId: … Version: $LATEST`
    Start {
        /// Id of the invocation.
        request_id: &'a str,
        /// The event of the invocation: JSON.
        event: &'a [u8],
    },
    /// The process wrote a line of at most 256 KiB.
    Line {
        /// The pipe of the line.
        output: Output,
        /// The line without its line feed. Bytes that are not UTF-8 are replaced.
        text: &'a str,
    },
    /// `END` and `REPORT` in one: the invocation has ended.
    Report(&'a Report),
    /// The process has ended and its pipes are empty.
    ProcessEnded {
        /// The cause, such as `exit status 1` or `signal: killed`.
        reason: &'a str,
    },
}

/// The two pipes of a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Output {
    /// The standard output of the process.
    Stdout,
    /// The standard error of the process.
    Stderr,
}

/// The numbers of one invocation. `Display` writes the REPORT line of AWS.
///
/// Source: <https://docs.aws.amazon.com/lambda/latest/dg/monitoring-cloudwatchlogs-view.html>
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// Id of the invocation.
    pub request_id: String,
    /// Time from the transfer of the event to the answer.
    pub duration: Duration,
    /// Start time of the process, if this was its first invocation. It is billed.
    pub init_duration: Option<Duration>,
    /// The function's configured memory.
    pub memory_mb: u32,
    /// The process's peak resident memory, where the system reports it.
    pub max_memory_mb: Option<u32>,
    /// The result of the invocation.
    pub status: Status,
}

/// The result of an invocation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// The function answered.
    Success,
    /// The function answered with an error, or its process died.
    Error,
    /// The process was killed at the timeout.
    Timeout,
}

impl Report {
    /// Returns init and run time, rounded up to the millisecond.
    #[must_use]
    pub fn billed(&self) -> Duration {
        let total = self.duration + self.init_duration.unwrap_or_default();
        Duration::from_millis(u64::try_from(total.as_nanos().div_ceil(1_000_000)).unwrap_or(u64::MAX))
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { request_id, memory_mb, .. } = self;
        let (duration, billed) = (milliseconds(self.duration), self.billed().as_millis());
        write!(f, "REPORT RequestId: {request_id}\tDuration: {duration:.2} ms\tBilled Duration: {billed} ms\t")?;
        write!(f, "Memory Size: {memory_mb} MB\t")?;
        if let Some(max) = self.max_memory_mb {
            write!(f, "Max Memory Used: {max} MB\t")?;
        }
        if let Some(init) = self.init_duration {
            write!(f, "Init Duration: {:.2} ms\t", milliseconds(init))?;
        }
        match self.status {
            Status::Success => Ok(()),
            Status::Error => write!(f, "Status: error"),
            Status::Timeout => write!(f, "Status: timeout"),
        }
    }
}

fn milliseconds(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1_000.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_report_reads_as_on_aws() {
        let report = Report {
            request_id: "11d6ee51".to_owned(),
            duration: Duration::from_micros(12_340),
            init_duration: Some(Duration::from_micros(13_900)),
            memory_mb: 256,
            max_memory_mb: Some(15),
            status: Status::Timeout,
        };
        assert_eq!(
            report.to_string(),
            "REPORT RequestId: 11d6ee51\tDuration: 12.34 ms\tBilled Duration: 27 ms\tMemory Size: 256 MB\t\
             Max Memory Used: 15 MB\tInit Duration: 13.90 ms\tStatus: timeout"
        );
    }
}

//! Log lines of functions in CloudWatch Logs.
//!
//! Source:
//! <https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_FilterLogEvents.html>

use std::time::Duration;

use domain::Timestamp;
use domain::ports::Result;
use serde_json::{Value, json};

use crate::account::Account;
use crate::errors::unreadable;
use crate::json_calls::{JsonService, Operation};

const FILTER: Operation = Operation {
    name: "CloudWatch Logs FilterLogEvents",
    target: "Logs_20140328.FilterLogEvents",
    // A call searches for some seconds before it answers with what it found so far.
    timeout: Duration::from_secs(30),
    // The quota is a few calls a second for the account. The pauses add up to 6 s.
    tries: 6,
    pause: Duration::from_millis(200),
    // A page has 1 MB of events. JSON may take six characters for a byte, and each event has ids.
    answer_bytes: 16 * 1024 * 1024,
};

/// The logs of an account.
#[derive(Debug, Clone)]
pub struct FunctionLogs {
    service: JsonService,
}

/// The lines to read.
#[derive(Debug, Clone, Copy)]
pub struct LogQuery<'a> {
    /// The log group of a function.
    pub group: &'a str,
    /// The pattern that lines match; empty for every line.
    /// <https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/FilterAndPatternSyntax.html>
    pub pattern: &'a str,
    /// The first moment of the lines.
    pub from: Timestamp,
    /// The token of a page.
    pub page: Option<&'a str>,
}

/// Lines in the order of time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogPage {
    /// The lines of the page; a page may have none although another page follows.
    pub lines: Vec<LogLine>,
    /// The token of the next page; `None` at the end.
    pub next: Option<String>,
}

/// A line of a log group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogLine {
    /// The time when the function wrote the line.
    pub at: Timestamp,
    /// The text of the line.
    pub text: String,
}

impl FunctionLogs {
    /// Uses the logs of the account's Region, or of its endpoint where one is set.
    #[must_use]
    pub fn new(account: &Account) -> Self {
        Self { service: JsonService::new(account, "logs") }
    }

    /// Reads a page of lines.
    ///
    /// # Errors
    /// Errors of CloudWatch Logs, such as a missing permission or log group.
    pub async fn page(&self, query: LogQuery<'_>) -> Result<LogPage> {
        let mut request = json!({ "logGroupName": query.group, "startTime": query.from.as_ms() });
        if !query.pattern.is_empty() {
            request["filterPattern"] = query.pattern.into();
        }
        if let Some(page) = query.page {
            request["nextToken"] = page.into();
        }
        let answer = self.service.call(&FILTER, &request).await?;
        let lines = answer["events"].as_array().into_iter().flatten().map(line);
        Ok(LogPage { lines: lines.collect::<Result<_>>()?, next: answer["nextToken"].as_str().map(str::to_owned) })
    }
}

fn line(event: &Value) -> Result<LogLine> {
    let (Some(at), Some(text)) = (event["timestamp"].as_u64(), event["message"].as_str()) else {
        return Err(unreadable(FILTER.name, "an event has no timestamp or no message"));
    };
    Ok(LogLine { at: Timestamp::from_ms(at), text: text.trim_end().to_owned() })
}

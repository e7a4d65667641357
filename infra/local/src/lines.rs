//! Prints the output of the functions to the terminal, with the name of the function and one colour
//! for each.

use std::collections::HashMap;
use std::io::Write;

use anstyle::{AnsiColor, Style};
use local_lambda::{Record, Sink, Status};
use serde_json::{Map, Value};
use tokio::sync::mpsc::UnboundedSender;

use crate::inspector::Functions;
use crate::options::{Line, Logs, Options};

/// Colours that are readable on black and on white. Red is reserved for failures.
const COLOURS: [AnsiColor; 10] = [
    AnsiColor::Cyan,
    AnsiColor::Green,
    AnsiColor::Magenta,
    AnsiColor::Blue,
    AnsiColor::Yellow,
    AnsiColor::BrightCyan,
    AnsiColor::BrightGreen,
    AnsiColor::BrightMagenta,
    AnsiColor::BrightBlue,
    AnsiColor::BrightYellow,
];

/// Prints to standard error, so that standard output contains only the output of a command beside
/// the stack.
pub(crate) struct Lines {
    logs: Logs,
    listener: Option<UnboundedSender<Line>>,
    width: usize,
    styles: HashMap<String, Style>,
    failure: Style,
    inspector: Functions,
}

impl Lines {
    pub(crate) fn new<'a>(
        functions: impl Iterator<Item = &'a str> + Clone,
        options: &Options,
        inspector: Functions,
    ) -> Self {
        let (logs, colours) = (options.logs, options.colours);
        let style = |index: usize| {
            let colour = COLOURS[index % COLOURS.len()];
            if colours { Style::new().fg_color(Some(colour.into())) } else { Style::new() }
        };
        let failure = if colours { Style::new().fg_color(Some(AnsiColor::Red.into())).bold() } else { Style::new() };
        Self {
            logs,
            listener: options.listener.clone(),
            width: functions.clone().map(str::len).max().unwrap_or_default(),
            styles: functions.enumerate().map(|(index, name)| (name.to_owned(), style(index))).collect(),
            failure,
            inspector,
        }
    }

    /// Sends a line to the listener. A dropped listener is no error.
    fn tell(&self, function: &str, text: &str) {
        if let Some(listener) = &self.listener {
            drop(listener.send(Line { function: function.to_owned(), text: text.to_owned() }));
        }
    }

    /// Prints a line. A failed write to standard error cannot be reported, so it is ignored.
    fn print(&self, function: &str, text: &str, failed: bool) {
        if self.logs == Logs::Silent {
            return;
        }
        let style = self.styles.get(function).copied().unwrap_or_default();
        let body = if failed { self.failure } else { Style::new() };
        let width = self.width;
        let line = format!("{style}{function:>width$}{style:#} {body}{text}{body:#}\n");
        drop(std::io::stderr().lock().write_all(line.as_bytes()));
    }
}

impl Sink for Lines {
    fn record(&self, function: &str, process: u64, record: Record<'_>) {
        self.inspector.record(function, process, &record);
        match record {
            Record::Line { text, .. } => {
                self.tell(function, text);
                if let Some(shown) = shown(text, self.logs) {
                    self.print(function, &shown.text, shown.failed);
                }
            }
            Record::Report(report) if report.status == Status::Timeout => {
                let seconds = report.duration.as_secs_f64();
                self.print(function, &format!("was killed at its timeout after {seconds:.1} s"), true);
            }
            Record::Report(report) if self.logs == Logs::All => self.print(function, &report.to_string(), false),
            Record::ProcessEnded { reason } if self.logs == Logs::All => {
                self.print(function, &format!("its process ended: {reason}"), false);
            }
            Record::Start { .. } | Record::ProcessStarted { .. } | Record::Report(_) | Record::ProcessEnded { .. } => {}
        }
    }
}

/// A line in the form in which it is printed.
#[derive(Debug, PartialEq, Eq)]
struct Shown {
    text: String,
    failed: bool,
}

/// Returns the printed form of a line, or `None` if it is not shown. A structured line has a
/// `level`. The line that summarises an invocation also has the `_aws` of the embedded metric
/// format.
fn shown(line: &str, logs: Logs) -> Option<Shown> {
    let Ok(Value::Object(fields)) = serde_json::from_str::<Value>(line) else {
        return Some(Shown { text: harmless(line), failed: false }).filter(|_| !line.trim().is_empty());
    };
    let level = fields.get("level").and_then(Value::as_str).unwrap_or_default().to_ascii_uppercase();
    let failed = matches!(level.as_str(), "WARN" | "ERROR" | "FATAL");
    let sums_up = fields.contains_key("_aws");
    match logs {
        Logs::All => Some(Shown { text: harmless(line), failed }),
        Logs::Summary if sums_up || failed => Some(Shown { text: compact(&fields), failed }),
        Logs::Quiet if failed => Some(Shown { text: compact(&fields), failed }),
        Logs::Summary | Logs::Quiet | Logs::Silent => None,
    }
}

/// Formats a line as `joined room.id=lobby duration_ms=3`. Texts come before numbers. Fields that
/// every line has and metrics with the value zero are omitted.
fn compact(fields: &Map<String, Value>) -> String {
    let message = fields.get("message").or_else(|| fields.get("msg")).and_then(Value::as_str).map(harmless);
    let metrics = metrics(fields);
    let is_said = |(name, value): &(&String, &Value)| {
        let everywhere = matches!(name.as_str(), "_aws" | "level" | "timestamp" | "function" | "message" | "msg");
        let counted_nothing = value.as_f64() == Some(0.0) && metrics.contains(&name.as_str());
        !everywhere && !counted_nothing
    };
    let (words, numbers): (Vec<_>, Vec<_>) = fields.iter().filter(is_said).partition(|(_, value)| value.is_string());
    let rest = words.into_iter().chain(numbers).map(|(name, value)| match value {
        Value::String(text) if !text.is_empty() && !text.contains([' ', '=', '"']) => {
            format!("{}={}", harmless(name), harmless(text))
        }
        other => format!("{}={}", harmless(name), harmless(&other.to_string())),
    });
    message.into_iter().chain(rest).collect::<Vec<_>>().join(" ")
}

/// Returns the names that the line declares as metrics, in the [embedded metric format][emf].
///
/// [emf]:
/// https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html
fn metrics(fields: &Map<String, Value>) -> Vec<&str> {
    let directives = fields.get("_aws").and_then(|aws| aws["CloudWatchMetrics"].as_array());
    let metrics = directives.into_iter().flatten().filter_map(|directive| directive["Metrics"].as_array()).flatten();
    metrics.filter_map(|metric| metric["Name"].as_str()).collect()
}

/// Escapes control characters, so that a client cannot change the terminal with the name of a room.
fn harmless(text: &str) -> String {
    let mut harmless = String::with_capacity(text.len());
    for letter in text.chars() {
        if letter.is_control() && letter != '\t' {
            harmless.extend(letter.escape_default());
        } else {
            harmless.push(letter);
        }
    }
    harmless
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(line: &str, logs: Logs) -> Option<String> {
        shown(line, logs).map(|shown| shown.text)
    }

    #[test]
    fn a_summary_is_the_line_with_metrics_without_what_every_line_has() {
        let line =
            r#"{"level":"INFO","function":"fanout","duration_ms":3,"room.id":"lobby","note":"two words","_aws":{}}"#;
        assert_eq!(text(line, Logs::Summary).unwrap(), r#"note="two words" room.id=lobby duration_ms=3"#);
        assert_eq!(text(line, Logs::Quiet), None);
        assert_eq!(text(line, Logs::All).unwrap(), line);
    }

    #[test]
    fn metrics_that_counted_nothing_are_not_shown() {
        let line = r#"{"left":0,"sent":2,"shard":0,"_aws":{"CloudWatchMetrics":[{"Metrics":[{"Name":"left"},{"Name":"sent"}]}]}}"#;
        assert_eq!(text(line, Logs::Summary).unwrap(), "sent=2 shard=0");
    }

    #[test]
    fn warnings_and_errors_are_always_shown_and_small_talk_only_on_request() {
        let warning = r#"{"level":"WARN","message":"the queue is slow","queue":"x"}"#;
        assert_eq!(text(warning, Logs::Quiet).unwrap(), "the queue is slow queue=x");
        let talk = r#"{"level":"INFO","message":"hello"}"#;
        assert_eq!(text(talk, Logs::Summary), None);
        assert_eq!(text(talk, Logs::All).unwrap(), talk);
    }

    #[test]
    fn lines_of_any_other_form_are_shown_as_they_are() {
        assert_eq!(text("thread 'main' panicked", Logs::Quiet).unwrap(), "thread 'main' panicked");
        assert_eq!(text("  ", Logs::All), None);
    }

    #[test]
    fn control_characters_cannot_paint_on_the_terminal() {
        assert_eq!(text("a\u{1b}[31mb\rc\td", Logs::All).unwrap(), "a\\u{1b}[31mb\\rc\td");
        let line = r#"{"level":"ERROR","message":"x\u001b[2J","a\u0007":"\n"}"#;
        assert_eq!(text(line, Logs::Summary).unwrap(), "x\\u{1b}[2J a\\u{7}=\\n");
    }
}

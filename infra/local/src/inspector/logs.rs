//! Stores the latest lines of all functions for searches.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use serde::Serialize;

use super::event::beginning;

/// Most lines: some minutes of a busy stack.
const KEPT_LINES: usize = 20_000;
/// Most bytes of all lines.
const KEPT_BYTES: usize = 16 * 1024 * 1024;

/// A line that a function wrote.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Line {
    /// Milliseconds since 1970.
    pub(crate) at_ms: u64,
    pub(crate) function: Arc<str>,
    pub(crate) process: u64,
    /// The last invocation of the process when the line was read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) request_id: Option<Arc<str>>,
    pub(crate) output: &'static str,
    pub(crate) text: Arc<str>,
}

/// The conditions of a search.
#[derive(Debug, Clone, Default)]
pub(crate) struct Query {
    /// Text that the line contains or that equals its request id. Empty matches every line. Case
    /// matters.
    pub(crate) text: String,
    /// Name of the function that wrote the line.
    pub(crate) function: Option<String>,
    /// Most lines to return: the latest ones.
    pub(crate) most: usize,
}

/// The stored lines. Writers and searches share them.
#[derive(Default)]
pub(crate) struct Logs {
    lines: Mutex<Kept>,
}

#[derive(Default)]
struct Kept {
    lines: VecDeque<Line>,
    bytes: usize,
}

impl Logs {
    /// Stores a line. Removes the oldest lines beyond the limits.
    pub(crate) fn keep(&self, line: Line) {
        let mut kept = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        kept.bytes += line.text.len();
        kept.lines.push_back(line);
        while kept.lines.len() > KEPT_LINES || kept.bytes > KEPT_BYTES {
            let Some(oldest) = kept.lines.pop_front() else { return };
            kept.bytes -= oldest.text.len();
        }
    }

    /// Returns the latest lines that match, the oldest of them first.
    pub(crate) fn search(&self, query: &Query) -> Vec<Line> {
        let kept = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        let mut found: Vec<Line> =
            kept.lines.iter().rev().filter(|line| query.matches(line)).take(query.most).cloned().collect();
        found.reverse();
        found
    }
}

impl Line {
    pub(crate) fn new(
        function: Arc<str>,
        process: u64,
        request_id: Option<Arc<str>>,
        output: &'static str,
        text: &str,
    ) -> Self {
        let at = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let text = String::from_utf8_lossy(beginning(text.as_bytes())).into();
        Self { at_ms: u64::try_from(at.as_millis()).unwrap_or(u64::MAX), function, process, request_id, output, text }
    }
}

impl Query {
    fn matches(&self, line: &Line) -> bool {
        let is_of_function = self.function.as_deref().is_none_or(|function| function == &*line.function);
        is_of_function && (line.text.contains(&self.text) || line.request_id.as_deref() == Some(&self.text))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keep(logs: &Logs, function: &str, request_id: &str, text: &str) {
        logs.keep(Line::new(function.into(), 1, Some(request_id.into()), "stdout", text));
    }

    fn found(logs: &Logs, query: &Query) -> Vec<String> {
        logs.search(query).iter().map(|line| line.text.to_string()).collect()
    }

    #[test]
    fn lines_are_found_by_text_by_request_and_by_function_the_latest_ones() {
        let logs = Logs::default();
        keep(&logs, "ingest", "r1", r#"{"pid":"p-1"}"#);
        keep(&logs, "fanout", "r2", r#"{"pids":["p-1","p-2"]}"#);
        keep(&logs, "fanout", "r3", "other");
        let query = |text: &str| Query { text: text.to_owned(), function: None, most: 10 };
        assert_eq!(found(&logs, &query("p-1")).len(), 2);
        assert_eq!(found(&logs, &query("r3")), ["other"]);
        assert_eq!(found(&logs, &Query { function: Some("fanout".to_owned()), ..query("p-1") }).len(), 1);
        assert_eq!(found(&logs, &Query { most: 1, ..query("") }), ["other"]);
    }

    #[test]
    fn old_lines_make_room_for_new_ones() {
        let logs = Logs::default();
        for number in 0..=KEPT_LINES {
            keep(&logs, "f", "r", &number.to_string());
        }
        let all = found(&logs, &Query { most: usize::MAX, ..Query::default() });
        assert_eq!((all.len(), all[0].as_str()), (KEPT_LINES, "1"));
    }
}

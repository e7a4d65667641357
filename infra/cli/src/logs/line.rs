//! A line of a function, and what it is about.

use domain::{Position, PublicationId, RoomId, Timestamp};
use serde::Serialize;
use serde_json::{Map, Value};
use telemetry::{Field, field};

use crate::output::Row;
use crate::time::moment;

/// Words in plain lines of the platform about a function that failed.
const FAILURES: [&str; 6] = ["Task timed out", "Status: timeout", "panicked", "errorType", "exited", "Status: error"];
/// Fields that stand in a column of their own, or in every line.
const IN_COLUMNS: [&str; 6] = ["_aws", "level", "timestamp", "message", field::FUNCTION.0, field::OUTCOME.0];

/// A line that a function wrote, or the platform about it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Line {
    pub(crate) at: Timestamp,
    pub(crate) function: String,
    pub(crate) line: Content,
}

/// The text of a line.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(untagged)]
pub(crate) enum Content {
    Fields(Map<String, Value>),
    Text(String),
}

impl Line {
    pub(crate) fn parse(at: Timestamp, function: &str, text: &str) -> Self {
        let line = match serde_json::from_str(text) {
            Ok(Value::Object(fields)) => Content::Fields(fields),
            _ => Content::Text(text.to_owned()),
        };
        Self { at, function: function.to_owned(), line }
    }

    /// Returns the values of a field: one, or a list.
    pub(crate) fn values(&self, field: Field) -> Vec<&str> {
        let Content::Fields(fields) = &self.line else { return Vec::new() };
        match fields.get(field.0) {
            Some(Value::Array(values)) => values.iter().filter_map(Value::as_str).collect(),
            Some(value) => value.as_str().into_iter().collect(),
            None => Vec::new(),
        }
    }

    /// The rooms that the line is about.
    pub(crate) fn rooms(&self) -> impl Iterator<Item = &str> {
        let listed = [field::ROOM_ID, field::PUBLICATION_RANGE, field::ROOM_TALLY];
        let entries = listed.into_iter().flat_map(|field| self.values(field));
        entries.map(|entry| entry.split(' ').next().unwrap_or_default())
    }

    pub(crate) fn is_about_room(&self, room: &RoomId) -> bool {
        self.rooms().any(|found| found == room.as_str())
    }

    /// True if the line names the publication id.
    pub(crate) fn is_about_publication(&self, id: &PublicationId) -> bool {
        let names = |text: &str| text.split(' ').any(|word| word == id.as_ref());
        self.values(field::PUBLICATION_ID).into_iter().any(names)
    }

    /// True if a range of the line contains the position.
    pub(crate) fn is_about_position(&self, room: &RoomId, position: &Position) -> bool {
        let prefix = range_prefix(room, position);
        self.values(field::PUBLICATION_RANGE).into_iter().any(|range| {
            let run = range.strip_prefix(&prefix).and_then(|run| run.split_once('-'));
            let run = run.and_then(|(first, last)| Some(first.parse::<u64>().ok()?..=last.parse().ok()?));
            run.is_some_and(|run| run.contains(&position.sequence.get()))
        })
    }

    /// True if the line reports a failure: of the invocation, or of a part of its work.
    pub(crate) fn is_failure(&self) -> bool {
        match &self.line {
            Content::Fields(fields) => {
                let is = |name: &str, wanted: &[&str]| {
                    fields.get(name).and_then(Value::as_str).is_some_and(|value| wanted.contains(&value))
                };
                let record = fields.get("record").and_then(|record| record["status"].as_str());
                is("level", &["WARN", "ERROR"])
                    || is(field::OUTCOME.0, &["failed", "unavailable"])
                    || record.is_some_and(|status| status != "success")
            }
            Content::Text(text) => FAILURES.iter().any(|word| text.contains(word)),
        }
    }

    /// The level of a line that is no summary, or the outcome of a summary.
    fn outcome(&self) -> String {
        let Content::Fields(fields) = &self.line else { return "-".to_owned() };
        let text = |name: &str| fields.get(name).and_then(Value::as_str).map(str::to_owned);
        text(field::OUTCOME.0).or_else(|| text("level")).unwrap_or_else(|| "-".to_owned())
    }

    /// The message, and the other fields. Counts of 0 are left out.
    fn text(&self) -> String {
        let fields = match &self.line {
            Content::Fields(fields) => fields,
            Content::Text(text) => return text.clone(),
        };
        let message = fields.get("message").and_then(Value::as_str).map(str::to_owned);
        let is_shown = |(name, value): &(&String, &Value)| {
            !IN_COLUMNS.contains(&name.as_str()) && (value.as_u64() != Some(0) || name.contains('.'))
        };
        let shown = fields.iter().filter(is_shown).map(|(name, value)| match value {
            Value::String(text) if !text.contains(' ') => format!("{name}={text}"),
            value => format!("{name}={value}"),
        });
        message.into_iter().chain(shown).collect::<Vec<_>>().join(" ")
    }
}

/// The beginning of the ranges of a room and an epoch, in log lines.
pub(crate) fn range_prefix(room: &RoomId, position: &Position) -> String {
    format!("{room} {}.", position.epoch)
}

impl Row for Line {
    const COLUMNS: &'static [&'static str] = &["at", "function", "outcome", "line"];

    fn cells(&self) -> Vec<String> {
        vec![moment(self.at), self.function.clone(), self.outcome(), self.text()]
    }
}

#[cfg(test)]
mod tests {
    use domain::{Epoch, Sequence};
    use serde_json::json;

    use super::*;

    fn line(text: &Value) -> Line {
        Line::parse(Timestamp::from_ms(1), "fanout", &text.to_string())
    }

    #[test]
    fn a_line_is_about_the_rooms_ids_and_positions_that_it_names() {
        let line = line(&json!({
            "room.id": "den", "publication.id": ["p1"], "publication.range": ["lobby k7Qf.3-12", "@ada x.1-1"],
        }));
        let rooms = |room: &str| line.is_about_room(&RoomId::parse(room).unwrap());
        assert!(rooms("den") && rooms("lobby") && rooms("@ada") && !rooms("lob"));
        let id = |id: &str| line.is_about_publication(&PublicationId::parse(id).unwrap());
        assert!(id("p1") && !id("p"));
        let at = |room: &str, epoch: &str, sequence| {
            let position = Position { epoch: Epoch::parse(epoch).unwrap(), sequence: Sequence::new(sequence) };
            line.is_about_position(&RoomId::parse(room).unwrap(), &position)
        };
        assert!(at("lobby", "k7Qf", 3) && at("lobby", "k7Qf", 12));
        assert!(!at("lobby", "k7Qf", 13) && !at("lobby", "k7Q", 3) && !at("den", "k7Qf", 3));
    }

    #[test]
    fn failures_are_lines_of_level_warn_and_error_failed_summaries_and_words_of_the_platform() {
        let is = |text: Value| line(&text).is_failure();
        assert!(is(json!({ "level": "ERROR" })) && is(json!({ "level": "INFO", "outcome": "failed" })));
        assert!(!is(json!({ "level": "INFO", "outcome": "rate_limited", "message": "panicked" })));
        assert!(Line::parse(Timestamp::from_ms(1), "fanout", "Task timed out after 5.00 seconds").is_failure());
    }

    #[test]
    fn a_line_is_shown_without_what_stands_in_a_column_and_without_counts_of_nothing() {
        let line = line(&json!({
            "level": "INFO", "outcome": "ok", "message": "done", "posts_sent": 2, "members_late": 0, "room.shard": 0,
            "error": "two words", "_aws": {},
        }));
        assert_eq!(line.cells()[2..], ["ok", "done error=\"two words\" posts_sent=2 room.shard=0"]);
    }
}

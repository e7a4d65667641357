//! Selects the records that a mapping delivers, by event patterns as EventBridge and Lambda define
//! them.
//!
//! A pattern has the shape of the record. Each field of a pattern holds a list of alternatives or a
//! nested pattern, and all fields must match. If the record holds a list, one matching element is
//! enough. A field that the record lacks matches only `exists: false`.
//!
//! Source:
//! <https://docs.aws.amazon.com/lambda/latest/dg/invocation-eventfiltering.html#filtering-syntax>

use std::collections::BTreeMap;

use serde_json::{Map, Value};

mod parse;
#[cfg(test)]
mod tests;

/// Filters of one mapping. AWS allows 5 by default and 10 on request.
const MAX_FILTERS: usize = 10;

/// The filters of one mapping. A record is delivered if one filter matches, or if there are no
/// filters.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Filters(Vec<Pattern>);

/// A filter that AWS would refuse.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("Invalid filter pattern definition: {0}")]
pub struct InvalidFilter(pub(crate) String);

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Pattern {
    fields: BTreeMap<String, Node>,
    /// Each `$or` is a list of patterns. One of them must match.
    either: Vec<Vec<Pattern>>,
}

#[derive(Debug, Clone, PartialEq)]
enum Node {
    Nested(Pattern),
    OneOf(Vec<Test>),
}

#[derive(Debug, Clone, PartialEq)]
enum Test {
    Is(Value),
    Prefix(String),
    Suffix(String),
    EqualsIgnoreCase(String),
    AnythingBut(Vec<Test>),
    /// All comparisons must hold.
    Numeric(Vec<(Comparison, f64)>),
    Exists(bool),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Comparison {
    Less,
    LessOrEqual,
    Equal,
    GreaterOrEqual,
    Greater,
}

impl Filters {
    /// Parses patterns. Each pattern is a JSON object in a string.
    ///
    /// # Errors
    /// If a string is not a pattern, or if there are more than 10 patterns.
    pub fn parse<T: AsRef<str>>(patterns: &[T]) -> Result<Self, InvalidFilter> {
        if patterns.len() > MAX_FILTERS {
            let count = patterns.len();
            return Err(InvalidFilter(format!("there are {count} filters and there may be {MAX_FILTERS}")));
        }
        patterns.iter().map(|pattern| parse::pattern(pattern.as_ref())).collect::<Result<_, _>>().map(Self)
    }

    /// Returns whether there are no patterns. Every record matches then.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns whether one of the patterns matches `record`.
    #[must_use]
    pub fn matches(&self, record: &Value) -> bool {
        self.is_empty() || self.0.iter().any(|pattern| pattern.matches(record.as_object()))
    }

    /// Returns whether one of the patterns matches a message of a queue. The `body` of a message is
    /// a string; a pattern for JSON is matched with the JSON in that string.
    ///
    /// A body that is not JSON never matches a pattern for JSON. A JSON body never matches a
    /// pattern for text. Source:
    /// <https://docs.aws.amazon.com/lambda/latest/dg/with-sqs-filtering.html#filtering-SQS-properly>
    #[must_use]
    pub fn matches_message(&self, record: &Value) -> bool {
        self.is_empty() || self.0.iter().any(|pattern| pattern.matches_message(record))
    }
}

impl Pattern {
    /// Matches an object. `None` stands for a record, or a part of one, that does not exist.
    fn matches(&self, object: Option<&Map<String, Value>>) -> bool {
        let field = |name: &str| object.and_then(|object| object.get(name));
        self.fields.iter().all(|(name, node)| node.matches(field(name)))
            && self.either.iter().all(|patterns| patterns.iter().any(|pattern| pattern.matches(object)))
    }

    fn matches_message(&self, record: &Value) -> bool {
        let Some(node) = self.fields.get("body") else { return self.matches(record.as_object()) };
        let body = record.get("body").and_then(Value::as_str).unwrap_or_default();
        let json = serde_json::from_str(body).ok().filter(|json: &Value| json.is_object() || json.is_array());
        match (node, json) {
            (Node::Nested(_), Some(json)) => {
                let mut record = record.clone();
                record["body"] = json;
                self.matches(record.as_object())
            }
            (Node::OneOf(_), None) => self.matches(record.as_object()),
            (Node::Nested(_), None) | (Node::OneOf(_), Some(_)) => false,
        }
    }
}

impl Node {
    fn matches(&self, value: Option<&Value>) -> bool {
        match (self, value) {
            (Self::Nested(pattern), Some(Value::Array(list))) => {
                list.iter().any(|element| pattern.matches(element.as_object()))
            }
            (Self::Nested(pattern), value) => pattern.matches(value.and_then(Value::as_object)),
            (Self::OneOf(tests), value) => tests.iter().any(|test| test.matches(value)),
        }
    }
}

impl Test {
    fn matches(&self, value: Option<&Value>) -> bool {
        match (self, value) {
            // `exists` tests leaves only. An object is not a leaf.
            (Self::Exists(wanted), value) => *wanted == value.is_some_and(|value| !value.is_object()),
            (_, None) => false,
            (_, Some(Value::Array(list))) => list.iter().any(|element| self.matches_leaf(element)),
            (_, Some(leaf)) => self.matches_leaf(leaf),
        }
    }

    fn matches_leaf(&self, leaf: &Value) -> bool {
        let text = leaf.as_str();
        match self {
            Self::Is(wanted) => equal(wanted, leaf),
            Self::Prefix(prefix) => text.is_some_and(|text| text.starts_with(prefix)),
            Self::Suffix(suffix) => text.is_some_and(|text| text.ends_with(suffix)),
            Self::EqualsIgnoreCase(wanted) => text.is_some_and(|text| text.to_lowercase() == wanted.to_lowercase()),
            Self::AnythingBut(unwanted) => !unwanted.iter().any(|test| test.matches_leaf(leaf)),
            Self::Numeric(all) => {
                leaf.as_f64().is_some_and(|number| all.iter().all(|(is, than)| is.holds(number, *than)))
            }
            Self::Exists(wanted) => *wanted,
        }
    }
}

/// Compares two values. The numbers 1 and 1.0 are equal.
fn equal(wanted: &Value, leaf: &Value) -> bool {
    match (wanted.as_f64(), leaf.as_f64()) {
        (Some(wanted), Some(leaf)) => wanted.total_cmp(&leaf).is_eq(),
        _ => wanted == leaf,
    }
}

impl Comparison {
    fn holds(self, number: f64, than: f64) -> bool {
        match self {
            Self::Less => number < than,
            Self::LessOrEqual => number <= than,
            Self::Equal => number.total_cmp(&than).is_eq(),
            Self::GreaterOrEqual => number >= than,
            Self::Greater => number > than,
        }
    }
}

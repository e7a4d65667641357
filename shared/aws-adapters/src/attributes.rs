//! DynamoDB items, read and written attribute by attribute.

use std::collections::HashMap;

use aws_sdk_dynamodb::types::AttributeValue;
use domain::Timestamp;

/// An item of the SDK.
pub(crate) type Item = HashMap<String, AttributeValue>;

/// The reason why an item cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Unreadable {
    /// The attribute is absent, or of another type.
    #[error("item has no readable attribute {0}")]
    Missing(&'static str),
    /// The attribute is present, and its value is invalid.
    #[error("attribute {0}: {1}")]
    Invalid(&'static str, String),
}

/// Builds a string attribute.
pub(crate) fn s(text: impl Into<String>) -> AttributeValue {
    AttributeValue::S(text.into())
}

/// Builds a number attribute.
pub(crate) fn n(number: impl Into<u64>) -> AttributeValue {
    AttributeValue::N(number.into().to_string())
}

/// Builds an item attribute by attribute.
#[derive(Debug, Default)]
pub(crate) struct ItemBuilder(Item);

impl ItemBuilder {
    pub(crate) fn set(mut self, name: &str, value: AttributeValue) -> Self {
        self.0.insert(name.to_owned(), value);
        self
    }

    pub(crate) fn maybe(self, name: &str, value: Option<AttributeValue>) -> Self {
        match value {
            Some(value) => self.set(name, value),
            None => self,
        }
    }

    pub(crate) fn build(self) -> Item {
        self.0
    }
}

/// Reads attributes of an item.
pub(crate) trait Read {
    /// Reads a string.
    fn text(&self, name: &'static str) -> Result<&str, Unreadable>;
    /// Reads a string that may be absent.
    fn maybe_text(&self, name: &'static str) -> Option<&str>;
    /// Reads a whole number.
    fn number(&self, name: &'static str) -> Result<u64, Unreadable>;
    /// Reads a moment in milliseconds.
    fn moment(&self, name: &'static str) -> Result<Timestamp, Unreadable> {
        self.number(name).map(Timestamp::from_ms)
    }
    /// Reads a moment that may be absent.
    fn maybe_moment(&self, name: &'static str) -> Result<Option<Timestamp>, Unreadable>;
    /// Reads a string and parses it.
    fn parsed<T, E: std::fmt::Display>(
        &self,
        name: &'static str,
        parse: impl FnOnce(String) -> Result<T, E>,
    ) -> Result<T, Unreadable> {
        parse(self.text(name)?.to_owned()).map_err(|error| Unreadable::Invalid(name, error.to_string()))
    }
}

impl Read for Item {
    fn text(&self, name: &'static str) -> Result<&str, Unreadable> {
        self.maybe_text(name).ok_or(Unreadable::Missing(name))
    }

    fn maybe_text(&self, name: &'static str) -> Option<&str> {
        self.get(name)?.as_s().ok().map(String::as_str)
    }

    fn number(&self, name: &'static str) -> Result<u64, Unreadable> {
        let text = self.get(name).and_then(|value| value.as_n().ok()).ok_or(Unreadable::Missing(name))?;
        text.parse().map_err(|_| Unreadable::Invalid(name, format!("{text:?} is no whole number")))
    }

    fn maybe_moment(&self, name: &'static str) -> Result<Option<Timestamp>, Unreadable> {
        if self.contains_key(name) { self.moment(name).map(Some) } else { Ok(None) }
    }
}

//! A cursor into the document: reads a node as the expected type, and records a mistake if it has
//! another type.
//!
//! A node that cannot be read is replaced by a harmless value, so that one mistake neither hides
//! another one nor causes further mistakes in later checks. A topology with such a value never
//! leaves the crate.

use std::cell::RefCell;
use std::collections::HashMap;

use crate::limits::Range;
use crate::mistake::{Mistake, Place};
use crate::names::Alphabet;
use crate::suggest::{list, unknown};
use crate::yaml::{Node, Value};

/// Collects mistakes, and maps every path to its place in the text.
#[derive(Default)]
pub(crate) struct Log {
    mistakes: RefCell<Vec<Mistake>>,
    places: RefCell<HashMap<String, Place>>,
}

impl Log {
    /// Records a mistake at `path`, or at the nearest parent path that is in the text.
    pub(crate) fn mistake(&self, path: &str, message: impl Into<String>) {
        let place = self.place(path);
        self.push(place, path, message.into());
    }

    pub(crate) fn mistakes(&self) -> Vec<Mistake> {
        self.mistakes.take()
    }

    /// Returns the place of `path`, or of the nearest parent path that is in the text.
    pub(crate) fn place(&self, path: &str) -> Place {
        let places = self.places.borrow();
        let mut path = path;
        loop {
            if let Some(place) = places.get(path) {
                return *place;
            }
            match path.rfind(['.', '[']) {
                Some(end) => path = &path[..end],
                None => return places.get("").copied().unwrap_or_default(),
            }
        }
    }

    fn push(&self, place: Place, path: &str, message: String) {
        self.mistakes.borrow_mut().push(Mistake { place, path: path.to_owned(), message });
    }
}

/// A node, its path from the root, and the log.
#[derive(Clone)]
pub(crate) struct At<'a> {
    node: &'a Node,
    /// Place at which the entry or element begins.
    begins: Place,
    path: String,
    log: &'a Log,
}

impl<'a> At<'a> {
    pub(crate) fn root(node: &'a Node, log: &'a Log) -> Self {
        Self::new(node, String::new(), node.place, log)
    }

    fn new(node: &'a Node, path: String, place: Place, log: &'a Log) -> Self {
        log.places.borrow_mut().insert(path.clone(), place);
        Self { node, begins: place, path, log }
    }

    pub(crate) fn mistake(&self, message: impl Into<String>) {
        let on_one_line = self.begins.line == self.node.place.line;
        let place = if on_one_line { self.node.place } else { self.begins };
        self.log.push(place, &self.path, message.into());
    }

    fn expected(&self, what: &str) {
        self.mistake(format!("expected {what}, found {}", self.node.value.kind()));
    }

    /// Reads a text that is not empty.
    pub(crate) fn text(&self) -> Option<&'a str> {
        match &self.node.value {
            Value::Text(text) if text.is_empty() => {
                self.mistake("expected a text, found an empty one");
                None
            }
            Value::Text(text) => Some(text),
            _ => {
                self.expected("a text");
                None
            }
        }
    }

    pub(crate) fn boolean(&self) -> Option<bool> {
        if let Value::Boolean(value) = self.node.value {
            return Some(value);
        }
        self.expected("true or false");
        None
    }

    /// Reads a whole number within a range.
    pub(crate) fn integer(&self, range: &Range) -> Option<u32> {
        let Value::Integer(value) = self.node.value else {
            self.expected("a whole number");
            return None;
        };
        match u32::try_from(value) {
            Ok(value) if range.contains(value) => Some(value),
            _ => {
                self.mistake(range.refuse(value));
                None
            }
        }
    }

    /// Reads a number, a truth value or a text. Returns the text of an environment variable.
    pub(crate) fn scalar(&self) -> Option<String> {
        match &self.node.value {
            Value::Text(text) => Some(text.clone()),
            Value::Integer(value) => Some(value.to_string()),
            Value::Boolean(value) => Some(value.to_string()),
            Value::Float(_) => {
                self.mistake("a fraction has more than one spelling: put it in quotes, as it shall be handed over");
                None
            }
            _ => {
                self.expected("a text, a number, or true or false");
                None
            }
        }
    }

    pub(crate) fn is_mapping(&self) -> bool {
        matches!(self.node.value, Value::Mapping(_))
    }

    pub(crate) fn is_text(&self) -> bool {
        matches!(self.node.value, Value::Text(_))
    }

    pub(crate) fn to_json(&self) -> serde_json::Value {
        self.node.to_json()
    }

    /// Returns the elements of a list. For any other node, records a mistake and returns none.
    pub(crate) fn list(&self) -> Vec<Self> {
        let Value::List(nodes) = &self.node.value else {
            self.expected("a list");
            return Vec::new();
        };
        nodes
            .iter()
            .enumerate()
            .map(|(index, node)| Self::new(node, format!("{}[{index}]", self.path), node.place, self.log))
            .collect()
    }

    /// Returns the entries of a mapping. For any other node, records a mistake and returns none.
    pub(crate) fn entries(&self) -> Vec<(&'a str, Self)> {
        let Value::Mapping(entries) = &self.node.value else {
            self.expected("a mapping");
            return Vec::new();
        };
        entries
            .iter()
            .map(|(key, node)| {
                let path = if self.path.is_empty() { key.name.clone() } else { format!("{}.{}", self.path, key.name) };
                (key.name.as_str(), Self::new(node, path, key.place, self.log))
            })
            .collect()
    }

    /// Reads a mapping whose keys must be in `known`. Any other key is a mistake.
    pub(crate) fn fields(&self, known: &[&str]) -> Fields<'a> {
        let readable = self.is_mapping();
        let entries = self.entries();
        for (name, entry) in &entries {
            if !known.contains(name) {
                let place = self.log.place(&entry.path);
                self.log.push(place, &entry.path, unknown("field", name, known.iter().copied(), "fields here"));
            }
        }
        Fields { at: self.clone(), readable, entries }
    }

    /// Reads a mapping with exactly one entry, whose key must be in `known`. Triggers, grants and
    /// references have this form.
    pub(crate) fn single(&self, known: &[&str]) -> Option<(&'a str, Self)> {
        let mut entries = self.entries();
        if self.is_mapping() && entries.len() != 1 {
            self.mistake(format!("expected one of {} here, found {}", list(known.iter().copied()), entries.len()));
            return None;
        }
        let (name, entry) = entries.pop()?;
        if known.contains(&name) {
            return Some((name, entry));
        }
        let place = self.log.place(&entry.path);
        self.log.push(place, &entry.path, unknown("kind", name, known.iter().copied(), "kinds here"));
        None
    }
}

/// The entries of a mapping with known keys.
pub(crate) struct Fields<'a> {
    at: At<'a>,
    readable: bool,
    entries: Vec<(&'a str, At<'a>)>,
}

impl<'a> Fields<'a> {
    pub(crate) fn optional(&self, name: &str) -> Option<At<'a>> {
        self.entries.iter().find(|(known, _)| *known == name).map(|(_, at)| at.clone())
    }

    pub(crate) fn required(&self, name: &str) -> Option<At<'a>> {
        let found = self.optional(name);
        if found.is_none() && self.readable {
            self.at.mistake(format!("the field `{name}` is missing"));
        }
        found
    }

    pub(crate) fn boolean(&self, name: &str, default: bool) -> bool {
        self.optional(name).and_then(|field| field.boolean()).unwrap_or(default)
    }

    pub(crate) fn integer(&self, name: &str, range: &Range, default: u32) -> u32 {
        self.optional(name).and_then(|field| field.integer(range)).unwrap_or(default)
    }

    pub(crate) fn required_integer(&self, name: &str, range: &Range) -> u32 {
        self.required(name).and_then(|field| field.integer(range)).unwrap_or(range.least)
    }

    pub(crate) fn required_text(&self, name: &str) -> String {
        self.required(name).and_then(|field| field.text()).unwrap_or_default().to_owned()
    }

    pub(crate) fn list(&self, name: &str) -> Vec<At<'a>> {
        self.optional(name).map(|field| field.list()).unwrap_or_default()
    }

    pub(crate) fn texts(&self, name: &str) -> Vec<String> {
        self.list(name).iter().filter_map(At::text).map(str::to_owned).collect()
    }

    /// Reads a mapping of named items. Each item is read by `read`.
    pub(crate) fn named<T>(&self, name: &str, alphabet: &Alphabet, read: impl Fn(&str, &At<'a>) -> T) -> Vec<T> {
        let Some(field) = self.optional(name) else {
            return Vec::new();
        };
        field
            .entries()
            .iter()
            .map(|(key, entry)| {
                alphabet.check(key, entry);
                read(key, entry)
            })
            .collect()
    }
}

impl Alphabet {
    /// Records a mistake if the name is not valid.
    pub(crate) fn check(&self, name: &str, at: &At<'_>) {
        let Self { kind, describe, least, most, .. } = self;
        if let Some(stem) = name.strip_suffix(".fifo")
            && matches!(*kind, "a queue" | "a topic")
        {
            at.mistake(format!("write `{stem}` with `fifo: true`: the suffix `.fifo` is added to the name by itself"));
            return;
        }
        let well_formed = name.chars().all(self.allowed) && name.starts_with(self.first);
        if !well_formed || name.len() < *least || name.len() > *most {
            at.mistake(format!(
                "`{name}` cannot be the name of {kind}: it takes {least} to {most} characters of {describe}"
            ));
        }
    }

    /// Reads a text that must be such a name.
    pub(crate) fn read(&self, at: &At<'_>) -> Option<String> {
        let name = at.text()?;
        self.check(name, at);
        Some(name.to_owned())
    }
}

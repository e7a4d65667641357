//! The common part of all batches: up to ten entries with their own ids, each with its own result.

use std::collections::HashSet;

use serde::Serialize;

use crate::model::error::Error;
use crate::model::limits;

/// An entry of a batch.
pub(super) trait Entry {
    /// The name of such entries in error texts.
    const NAME: &'static str;

    /// The id of the entry in the answer.
    fn id(&self) -> &str;
}

/// The answer to a batch, entry by entry.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Outcome<T> {
    successful: Vec<T>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    failed: Vec<Failed>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Failed {
    id: String,
    sender_fault: bool,
    code: &'static str,
    message: String,
}

/// A successful entry whose answer contains only its id.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Done {
    pub(super) id: String,
}

impl<T> Outcome<T> {
    pub(super) fn new() -> Self {
        Self { successful: Vec::with_capacity(limits::BATCH_ENTRIES), failed: Vec::new() }
    }

    pub(super) fn add(&mut self, id: &str, result: Result<T, Error>) {
        match result {
            Ok(success) => self.successful.push(success),
            Err(error) => {
                let Error { code, message, .. } = error;
                self.failed.push(Failed { id: id.to_owned(), sender_fault: true, code, message });
            }
        }
    }
}

/// Checks the conditions that fail a batch as a whole.
pub(super) fn check<E: Entry>(entries: &[E]) -> Result<(), Error> {
    if entries.is_empty() {
        return Err(Error::empty_batch(E::NAME));
    }
    if entries.len() > limits::BATCH_ENTRIES {
        return Err(Error::too_many_entries(entries.len()));
    }
    let mut ids = HashSet::new();
    for entry in entries {
        let id = entry.id();
        let is_valid = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
        if id.is_empty() || id.len() > limits::ENTRY_ID_CHARACTERS || !id.bytes().all(is_valid) {
            return Err(Error::invalid_entry_id());
        }
        if !ids.insert(id) {
            return Err(Error::ids_not_distinct(id));
        }
    }
    Ok(())
}

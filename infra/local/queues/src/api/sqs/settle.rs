//! Settles received messages: `DeleteMessage`, `ChangeMessageVisibility`, and the batches of both.

use std::time::Duration;

use bytes::Bytes;
use serde::Deserialize;

use super::batch::{self, Done, Entry, Outcome};
use super::{NOTHING, write};
use crate::model::clock::Moment;
use crate::model::core::Core;
use crate::model::error::Error;
use crate::model::limits;
use crate::model::receipt::Receipt;
use crate::store::service::Service;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Delete {
    queue_url: String,
    receipt_handle: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct DeleteBatch {
    queue_url: String,
    #[serde(default)]
    entries: Vec<DeleteEntry>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct DeleteEntry {
    id: String,
    receipt_handle: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Change {
    queue_url: String,
    receipt_handle: String,
    visibility_timeout: i64,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct ChangeBatch {
    queue_url: String,
    #[serde(default)]
    entries: Vec<ChangeEntry>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct ChangeEntry {
    id: String,
    receipt_handle: String,
    #[serde(default)]
    visibility_timeout: i64,
}

impl Entry for DeleteEntry {
    const NAME: &'static str = "DeleteMessageBatchRequestEntry";

    fn id(&self) -> &str {
        &self.id
    }
}

impl Entry for ChangeEntry {
    const NAME: &'static str = "ChangeMessageVisibilityBatchRequestEntry";

    fn id(&self) -> &str {
        &self.id
    }
}

pub(super) fn delete(service: &Service, request: Delete) -> Result<Bytes, Error> {
    let queue = service.queue_at(&request.queue_url)?;
    queue.with(|core, _| delete_one(core, &request.receipt_handle))?;
    Ok(NOTHING)
}

pub(super) fn delete_batch(service: &Service, request: DeleteBatch) -> Result<Bytes, Error> {
    let queue = service.queue_at(&request.queue_url)?;
    batch::check(&request.entries)?;
    let mut outcome = Outcome::new();
    queue.with(|core, _| {
        for entry in &request.entries {
            let deleted = delete_one(core, &entry.receipt_handle);
            outcome.add(&entry.id, deleted.map(|()| Done { id: entry.id.clone() }));
        }
    });
    write(&outcome)
}

pub(super) fn change_visibility(service: &Service, request: Change) -> Result<Bytes, Error> {
    let queue = service.queue_at(&request.queue_url)?;
    queue.with(|core, now| change_one(core, now, &request.receipt_handle, request.visibility_timeout))?;
    Ok(NOTHING)
}

pub(super) fn change_visibility_batch(service: &Service, request: ChangeBatch) -> Result<Bytes, Error> {
    let queue = service.queue_at(&request.queue_url)?;
    batch::check(&request.entries)?;
    let mut outcome = Outcome::new();
    queue.with(|core, now| {
        for entry in &request.entries {
            let changed = change_one(core, now, &entry.receipt_handle, entry.visibility_timeout);
            outcome.add(&entry.id, changed.map(|()| Done { id: entry.id.clone() }));
        }
    });
    write(&outcome)
}

fn delete_one(core: &mut Core, handle: &str) -> Result<(), Error> {
    let receipt = parse(core, handle)?;
    core.delete(receipt, handle)
}

fn change_one(core: &mut Core, now: Moment, handle: &str, visibility_s: i64) -> Result<(), Error> {
    let visibility_s = visibility(visibility_s)?;
    let receipt = parse(core, handle)?;
    core.change_visibility(receipt, handle, now.instant + Duration::from_secs(visibility_s), now.instant)
}

fn parse(core: &Core, handle: &str) -> Result<Receipt, Error> {
    Receipt::parse(handle, &core.name).ok_or_else(|| Error::receipt_handle_is_invalid(handle))
}

/// Checks the visibility timeout of a request, in seconds.
pub(super) fn visibility(seconds: i64) -> Result<u64, Error> {
    let valid = u64::try_from(seconds).ok().filter(|seconds| *seconds <= limits::VISIBILITY_TIMEOUT_S);
    valid.ok_or_else(|| {
        let reason = "Must be >= 0 and <= 43200";
        let message = format!("Value {seconds} for parameter VisibilityTimeout is invalid. Reason: {reason}.");
        Error::invalid_parameter(message)
    })
}

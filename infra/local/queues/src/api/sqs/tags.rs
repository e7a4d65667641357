//! Tags of queues. They have no effect on the queue.

use std::collections::BTreeMap;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::{NOTHING, QueueOnly, write};
use crate::model::error::Error;
use crate::model::limits;
use crate::store::service::Service;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Tag {
    queue_url: String,
    tags: BTreeMap<String, String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Untag {
    queue_url: String,
    tag_keys: Vec<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Tags {
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    tags: BTreeMap<String, String>,
}

pub(super) fn tag(service: &Service, request: Tag) -> Result<Bytes, Error> {
    service.queue_at(&request.queue_url)?.with(|core, _| {
        let mut tags = core.tags.clone();
        tags.extend(request.tags);
        if tags.len() > limits::TAGS {
            return Err(Error::invalid_parameter(format!("Too many tags added for queue {}.", core.name)));
        }
        core.set_tags(tags);
        Ok(NOTHING)
    })
}

pub(super) fn untag(service: &Service, request: Untag) -> Result<Bytes, Error> {
    let queue = service.queue_at(&request.queue_url)?;
    queue.with(|core, _| {
        let mut tags = core.tags.clone();
        tags.retain(|name, _| !request.tag_keys.contains(name));
        core.set_tags(tags);
    });
    Ok(NOTHING)
}

pub(super) fn list(service: &Service, request: &QueueOnly) -> Result<Bytes, Error> {
    let queue = service.queue_at(&request.queue_url)?;
    write(&Tags { tags: queue.with(|core, _| core.tags.clone()) })
}

//! Checks that event source mappings match their sources: batch sizes, windows, visibility,
//! readers.

use std::collections::HashMap;

use super::triggers;
use crate::at::Log;
use crate::limits::{STREAM_READERS, UNWINDOWED_BATCH_SIZE, VISIBILITY_PER_TIMEOUT};
use crate::{Function, Queue, QueueTrigger, StreamTrigger, Topology, Trigger};

pub(super) fn check(topology: &Topology, log: &Log) {
    let mut readers: HashMap<&str, &str> = HashMap::new();
    let mut stream_readers: HashMap<&str, usize> = HashMap::new();
    for (path, function, trigger) in triggers(topology) {
        match trigger {
            Trigger::Queue(source) => {
                let path = format!("{path}.queue");
                if let Some(queue) = topology.queue(&source.queue) {
                    batches(&path, source, queue, log);
                    visibility(&path, function, source, queue, log);
                }
                if let Some(other) = readers.insert(&source.queue, &function.name).filter(|_| !source.queue.is_empty())
                {
                    log.mistake(
                        &format!("{path}.queue"),
                        format!(
                            "the function `{other}` reads the queue `{}` already, and each message would go to one of \
                             the two by chance: give each its own queue",
                            source.queue
                        ),
                    );
                }
            }
            Trigger::Stream(source) => {
                let count = stream_readers.entry(&source.table).or_default();
                *count += 1;
                stream(&format!("{path}.stream"), source, *count, topology, log);
            }
            Trigger::Websocket(_) | Trigger::Http { .. } | Trigger::Authorizer { .. } | Trigger::Schedule(_) => {}
        }
    }
    for function in &topology.functions {
        concurrency(function, log);
    }
}

fn batches(path: &str, source: &QueueTrigger, queue: &Queue, log: &Log) {
    let QueueTrigger { batch_size, batch_window_s, .. } = source;
    let most = UNWINDOWED_BATCH_SIZE;
    if queue.fifo && *batch_size > most {
        log.mistake(
            &format!("{path}.batch_size"),
            format!("{batch_size} messages are more than a FIFO queue hands over at once: use {most} or less"),
        );
    }
    if queue.fifo && *batch_window_s > 0 {
        log.mistake(&format!("{path}.batch_window_s"), "a FIFO queue has no batch window: remove it");
    }
    if !queue.fifo && *batch_size > most && *batch_window_s == 0 {
        log.mistake(
            &format!("{path}.batch_size"),
            format!("a batch of more than {most} messages needs time to fill: set `batch_window_s` to 1 or more"),
        );
    }
}

fn visibility(path: &str, function: &Function, source: &QueueTrigger, queue: &Queue, log: &Log) {
    let needed = VISIBILITY_PER_TIMEOUT * function.timeout_s + source.batch_window_s;
    if queue.visibility_timeout_s >= needed {
        return;
    }
    let window = if source.batch_window_s > 0 { " plus the batch window" } else { "" };
    log.mistake(
        &format!("{path}.queue"),
        format!(
            "the queue `{}` hides a message for {} s, less than six times the {} s timeout of the function `{}`{window}: \
             set its `visibility_timeout_s` to {needed} or more",
            queue.name, queue.visibility_timeout_s, function.timeout_s, function.name
        ),
    );
}

fn stream(path: &str, source: &StreamTrigger, reader: usize, topology: &Topology, log: &Log) {
    if let Some(table) = topology.table(&source.table) {
        if table.stream.is_none() {
            log.mistake(
                &format!("{path}.table"),
                format!("the table `{}` has no stream: add `stream: new_and_old_images` to it", table.name),
            );
        }
        if reader > STREAM_READERS {
            log.mistake(
                &format!("{path}.table"),
                format!("the stream of `{}` has {STREAM_READERS} readers already, and more are throttled", table.name),
            );
        }
    }
    let Some(on_failure) = &source.on_failure else { return };
    let path = format!("{path}.on_failure");
    if let Some(queue) = topology.queue(&on_failure.queue).filter(|queue| queue.fifo) {
        log.mistake(
            &path,
            format!("`{}` is a FIFO queue, and given-up batches go to standard queues only: name one", queue.name),
        );
    }
    if source.maximum_retry_attempts.is_none() && source.maximum_record_age_s.is_none() {
        log.mistake(
            &path,
            "no batch is ever given up: set `maximum_retry_attempts` or `maximum_record_age_s`, or remove `on_failure`",
        );
    }
}

/// Checks concurrency. A function is throttled above its reserved concurrency, and each throttle
/// counts as a receive.
fn concurrency(function: &Function, log: &Log) {
    let Some(reserved) = function.reserved_concurrency else { return };
    let wanted: u32 = function
        .triggers
        .iter()
        .filter_map(|trigger| match trigger {
            Trigger::Queue(source) => source.maximum_concurrency,
            _ => None,
        })
        .sum();
    if wanted > reserved {
        log.mistake(
            &format!("functions.{}.reserved_concurrency", function.name),
            format!(
                "{reserved} is less than {wanted}, what its queues may start at once, and a throttled message counts \
                 as received: use {wanted} or more"
            ),
        );
    }
}

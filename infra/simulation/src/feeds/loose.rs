//! Standard queues.

use std::time::Duration;

use domain::{Check, Timestamp};
use lambda_kit::batch::Failed;

use super::{AT_ONCE, Work};
use crate::faults::Fault;
use crate::run::Run;
use crate::sources;

/// A message of a standard queue.
#[derive(Debug, Clone)]
pub(crate) struct Loose {
    pub(super) queue: &'static str,
    pub(super) id: String,
    pub(super) body: String,
    pub(super) visible_at: Timestamp,
    pub(super) receives: u32,
}

impl Loose {
    /// A backend's event, as SNS delivers it raw.
    #[must_use]
    pub(crate) fn event(body: String) -> Self {
        Self { queue: "events", id: String::new(), body, visible_at: Timestamp::default(), receives: 0 }
    }

    pub(super) fn check(check: &Check) -> Self {
        let body = protocol::queue::encode(check).unwrap_or_default();
        Self { queue: "presence", body, ..Self::event(String::new()) }
    }
}

impl Run {
    pub(super) fn feed_loose(&mut self, queue: &'static str) -> bool {
        let now = self.now();
        if self.feeds.in_flight(queue) >= AT_ONCE {
            return false;
        }
        let due = |message: &Loose| message.queue == queue && message.visible_at <= now;
        if !self.feeds.loose.iter().any(due) || self.is_paused(queue) {
            return false;
        }
        let mut taken: Vec<Loose> = Vec::new();
        for message in self.feeds.loose.iter_mut().filter(|message| due(message)).take(10) {
            message.receives += 1;
            message.visible_at = now.plus(Duration::from_secs(30));
            taken.push(message.clone());
        }
        if self.shared.lock().fires(Fault::Reordered, || queue.to_owned()) {
            taken.reverse();
        }
        if self.shared.lock().fires(Fault::NotInvoked, || queue.to_owned()) {
            return true;
        }
        let message = |one: &Loose| sources::loose(one.id.clone(), queue, one.body.clone(), one.receives);
        let messages = taken.iter().map(message).collect();
        let task = self.executor.reserve();
        self.feeds.begins(task, Work::Loose(queue, taken));
        self.pipeline.batch(&mut self.executor, task, queue, messages);
        true
    }

    pub(super) fn loose_worked_off(&mut self, queue: &'static str, messages: Vec<Loose>, failed: &[Failed]) {
        if self.shared.lock().fires(Fault::ResponseLost, || queue.to_owned()) {
            return;
        }
        let now = self.now();
        for message in messages {
            if let Some(failed) = failed.iter().find(|failed| failed.message.id == message.id) {
                let pause = failed.retry_after.unwrap_or(Duration::from_secs(30));
                let waiting = self.feeds.loose.iter_mut().find(|one| one.id == message.id);
                waiting.into_iter().for_each(|one| one.visible_at = now.plus(pause));
                continue;
            }
            if !self.shared.lock().fires(Fault::DeliveredAgain, || queue.to_owned()) {
                self.feeds.loose.retain(|one| one.id != message.id);
            }
        }
    }
}

//! The event sources of standard queues.

use std::time::Duration;

use domain::{Check, Timestamp};
use lambda_kit::batch::Failed;

use super::Work;
use crate::backend::COMMANDS;
use crate::executor::TaskId;
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
    /// The index of the backend's command, if the message is one.
    pub(super) order: Option<usize>,
}

impl Loose {
    /// A backend's event, as SNS delivers it with raw message delivery.
    #[must_use]
    pub(crate) fn event(body: String) -> Self {
        Self { queue: "events", id: String::new(), body, visible_at: Timestamp::default(), receives: 0, order: None }
    }

    /// A backend's command with this index, as SNS delivers it with raw message delivery.
    #[must_use]
    pub(crate) fn command(body: String, order: usize) -> Self {
        Self { queue: COMMANDS, order: Some(order), ..Self::event(body) }
    }

    /// A check that cannot be parsed.
    #[must_use]
    pub(crate) fn poisonous_check() -> Self {
        Self { queue: "presence", body: sources::POISON.to_owned(), ..Self::event(String::new()) }
    }

    pub(super) fn check(check: &Check) -> Self {
        let body = protocol::queue::encode(check).unwrap_or_default();
        Self { queue: "presence", body, ..Self::event(String::new()) }
    }
}

impl Run {
    pub(super) fn feed_loose(&mut self, queue: &'static str) -> bool {
        let now = self.now();
        if !self.feeds.has_room(queue) {
            return false;
        }
        let due = |message: &Loose| message.queue == queue && message.visible_at <= now;
        if !self.feeds.loose.iter().any(due) || self.is_paused(queue) {
            return false;
        }
        self.bury_loose(queue, now);
        let mut taken: Vec<Loose> = Vec::new();
        for message in self.feeds.loose.iter_mut().filter(|message| due(message)).take(10) {
            message.receives += 1;
            message.visible_at = now.plus(Duration::from_secs(30));
            taken.push(message.clone());
        }
        if taken.is_empty() {
            return true;
        }
        if self.shared.lock().fires(Fault::Reordered, || queue.to_owned()) {
            taken.reverse();
        }
        if self.shared.lock().fires(Fault::NotInvoked, || queue.to_owned()) {
            return true;
        }
        let message = |one: &Loose| sources::loose(one.id.clone(), queue, one.body.clone(), one.receives, now);
        let messages = taken.iter().map(message).collect();
        let task = self.executor.reserve();
        self.feeds.begins(task, Work::Loose(queue, now, taken));
        let function = if queue == COMMANDS { "events" } else { queue };
        self.pipeline.batch(&mut self.executor, task, function, messages);
        true
    }

    /// Moves messages with too many receives to the dead letters. After all faults have ended,
    /// those that can be parsed are redriven at once.
    fn bury_loose(&mut self, queue: &str, now: Timestamp) {
        let most = self.feeds.most_receives;
        let is_dead = |message: &Loose| message.queue == queue && message.visible_at <= now && message.receives >= most;
        let (dead, alive): (Vec<Loose>, Vec<Loose>) =
            std::mem::take(&mut self.feeds.loose).into_iter().partition(|message| is_dead(message));
        self.feeds.loose = alive;
        for message in dead.into_iter().filter(|message| message.body != sources::POISON) {
            self.shared.lock().tell(|| format!("a message of {queue} is dead: {}", message.body));
            if self.feeds.healed {
                self.feeds.loose.push(Loose { receives: 0, ..message });
            } else {
                self.feeds.dead_loose.push(message);
            }
        }
    }

    pub(super) fn loose_worked_off(
        &mut self,
        task: TaskId,
        (queue, began): (&'static str, Timestamp),
        messages: Vec<Loose>,
        failed: &[Failed],
    ) {
        let disturbed = self.shared.lock().disturbed.contains(&task);
        for message in messages.iter().filter(|one| !disturbed && !failed.iter().any(|bad| bad.message.id == one.id)) {
            message.order.into_iter().for_each(|number| self.check_obeyed(number, began));
        }
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

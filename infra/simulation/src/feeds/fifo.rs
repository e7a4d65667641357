//! The event sources of FIFO queues.

use std::time::Duration;

use domain::{Job, Submission};
use lambda_kit::batch::Failed;
use testkit::memory::{Fifo, Message};

use super::{Feeds, Work, batch_size};
use crate::core::Core;
use crate::executor::TaskId;
use crate::faults::Fault;
use crate::mistake::Mistake;
use crate::run::Run;
use crate::sources::{self, POISON};
use crate::wire::Wire;

impl Run {
    pub(super) fn feed_fifo<T: Clone + Dead>(
        &mut self,
        name: &'static str,
        queue: &Fifo<T>,
        work: impl Fn(Vec<Message<T>>) -> Work,
    ) -> bool {
        let mut fed = false;
        while self.feeds.has_room(name) && !queue.is_empty() && !self.is_paused(name) {
            let taken = queue.take_at_most(batch_size(name));
            if taken.is_empty() {
                break;
            }
            fed = true;
            self.polls_again_soon(name);
            let (dead, alive): (Vec<_>, Vec<_>) =
                taken.into_iter().partition(|message| message.receive_count > self.feeds.most_receives(name));
            for message in dead {
                queue.finish(&message.receipt);
                self.shared.lock().tell(|| format!("a message of {name} is dead"));
                self.feeds.overtaken.extend(T::ids(&message));
                if self.feeds.healed && !self.feeds.poisonous.contains(&message.deduplication_id) {
                    // The operator redrives every dead letter that can be parsed.
                    queue.repeat(&message);
                } else {
                    T::bury(&mut self.feeds, message);
                }
            }
            let (lost, alive): (Vec<_>, Vec<_>) = alive.into_iter().partition(|message| self.is_lost(&message.body));
            for message in &lost {
                queue.finish(&message.receipt);
            }
            if alive.is_empty() || self.shared.lock().fires(Fault::NotInvoked, || name.to_owned()) {
                continue;
            }
            T::handed(&alive, &mut self.shared.lock().wire);
            if self.shared.lock().fires(Fault::SameChunk, || name.to_owned()) {
                let soon = Duration::from_millis(self.shared.lock().dice.below(2_000));
                for message in &alive {
                    queue.show_after(&message.receipt, soon);
                }
                T::comes_twice(&alive, &mut self.shared.lock().wire);
            }
            let poisonous = |message: &Message<T>| self.feeds.poisonous.contains(&message.deduplication_id);
            let text = |message: &Message<T>| if poisonous(message) { POISON.to_owned() } else { message.body.text() };
            let mut messages: Vec<_> = alive.iter().map(|message| sources::message(message, text(message))).collect();
            if self.mistake == Some(Mistake::GroupForgotten) && name == "events-ordered" {
                messages.iter_mut().for_each(|message| message.group.clear());
                messages.reverse();
            }
            let task = self.executor.reserve();
            self.feeds.begins(task, work(alive));
            let function = match name {
                "events-ordered" => "events",
                "publications" | "publications-held" => "sequencer",
                _ => "fanout",
            };
            self.pipeline.batch(&mut self.executor, task, function, messages);
        }
        fed
    }

    fn is_lost<T: Dead>(&mut self, body: &T) -> bool {
        let lost = body.job().is_some() && self.shared.lock().fires(Fault::JobLost, || "deliveries".to_owned());
        if lost {
            body.job().into_iter().for_each(|job| self.silent.lose(job));
        }
        lost
    }

    pub(super) fn worked_off<T: Clone + Dead>(
        &mut self,
        task: TaskId,
        name: &str,
        queue: &Fifo<T>,
        messages: Vec<Message<T>>,
        failed: &[Failed],
    ) {
        if self.shared.lock().fires(Fault::ResponseLost, || name.to_owned()) {
            return self.shared.lock().interrupts(task, &messages);
        }
        let fails_all = self.mistake == Some(Mistake::WholeBatchFails) && !failed.is_empty();
        let comes_back =
            |message: &Message<T>| fails_all || failed.iter().any(|failed| failed.message.id == message.id);
        let back: Vec<_> = messages.iter().filter(|message| comes_back(message)).cloned().collect();
        self.shared.lock().interrupts(task, &back);
        let all_done = self.mistake == Some(Mistake::WholeBatchDone);
        for message in messages {
            if comes_back(&message) && !all_done {
                continue;
            }
            queue.finish(&message.receipt);
            if self.shared.lock().fires(Fault::DeliveredAgain, || name.to_owned()) {
                queue.repeat(&message);
            }
        }
    }
}

impl Core {
    /// Records that an invocation has not finished these messages, as far as their queue knows, or
    /// that a call of it has failed.
    pub(super) fn interrupts<T: Clone + Dead>(&mut self, task: TaskId, messages: &[Message<T>]) {
        T::come_back(messages, task, &mut self.wire);
    }
}

/// A message of a FIFO queue that has a dead-letter queue.
pub(super) trait Dead: Sized {
    fn bury(feeds: &mut Feeds, message: Message<Self>);
    /// The job, if the message is one that delivers positions of a log.
    fn job(&self) -> Option<&Job> {
        None
    }
    /// The body as it is queued.
    fn text(&self) -> String;
    /// The ids that the message would publish.
    fn ids(_: &Message<Self>) -> Vec<String> {
        Vec::new()
    }
    /// Records on the wire that a worker received these messages.
    fn handed(messages: &[Message<Self>], wire: &mut Wire);
    /// Records on the wire that these messages may be processed twice.
    fn comes_twice(messages: &[Message<Self>], wire: &mut Wire);
    /// Records on the wire that an invocation did not finish these messages.
    fn come_back(messages: &[Message<Self>], task: TaskId, wire: &mut Wire);
}

impl Dead for String {
    fn bury(feeds: &mut Feeds, message: Message<Self>) {
        feeds.dead_ordered.push(message);
    }

    fn text(&self) -> String {
        self.clone()
    }

    fn ids(message: &Message<Self>) -> Vec<String> {
        vec![message.deduplication_id.clone()]
    }

    fn handed(_: &[Message<Self>], _: &mut Wire) {}

    fn comes_twice(_: &[Message<Self>], _: &mut Wire) {}

    fn come_back(_: &[Message<Self>], _: TaskId, _: &mut Wire) {}
}

impl Dead for Submission {
    fn bury(feeds: &mut Feeds, message: Message<Self>) {
        feeds.dead_publications.push(message);
    }

    fn text(&self) -> String {
        protocol::queue::encode(self).unwrap_or_default()
    }

    fn ids(message: &Message<Self>) -> Vec<String> {
        message.body.items.iter().map(|item| item.id.to_string()).collect()
    }

    /// Reminders are worked off beside the publications of their room: both may queue jobs for the
    /// same positions.
    fn handed(messages: &[Message<Self>], wire: &mut Wire) {
        let reminders = messages.iter().filter(|message| message.body.reminder.is_some());
        reminders.for_each(|message| wire.interrupted(&message.body.room));
    }

    fn comes_twice(messages: &[Message<Self>], wire: &mut Wire) {
        messages.iter().for_each(|message| wire.interrupted(&message.body.room));
    }

    fn come_back(messages: &[Message<Self>], _: TaskId, wire: &mut Wire) {
        messages.iter().for_each(|message| wire.interrupted(&message.body.room));
    }
}

impl Dead for Job {
    fn bury(feeds: &mut Feeds, message: Message<Self>) {
        feeds.dead_deliveries.push(message);
    }

    fn job(&self) -> Option<&Job> {
        self.work.range().is_some().then_some(self)
    }

    fn text(&self) -> String {
        protocol::queue::encode(self).unwrap_or_default()
    }

    fn handed(messages: &[Message<Self>], wire: &mut Wire) {
        messages.iter().for_each(|message| wire.handed(message));
    }

    fn comes_twice(messages: &[Message<Self>], wire: &mut Wire) {
        messages.iter().for_each(|message| wire.handed_again(&message.id));
    }

    fn come_back(messages: &[Message<Self>], task: TaskId, wire: &mut Wire) {
        wire.came_back(task, messages.iter().map(|message| message.id.clone()));
    }
}

//! One queue: its state behind a lock, and a notification for waiting receivers.

use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;

use super::journal::Journal;
use super::record::Record;
use crate::model::attributes::{QueueAttributes, Redrive};
use crate::model::change::Change;
use crate::model::clock::{Clock, Moment};
use crate::model::core::{Core, Received};
use crate::model::error::Error;
use crate::model::message::Message;
use crate::model::observer::Watch;
use crate::model::receipt::Receipt;

/// A queue, shared by all its users.
#[derive(Debug)]
pub(crate) struct Queue {
    /// Unique number. No other queue or topic ever has it, not even one of the same name.
    pub(crate) id: u64,
    pub(crate) name: String,
    pub(crate) created_ms: u64,
    clock: Clock,
    /// The journal to which changes are written before their calls are answered.
    journal: Option<Arc<Journal>>,
    state: Mutex<State>,
    /// Notified once per chance to receive a message. A receiver that leaves messages behind
    /// notifies the next one.
    arrived: Notify,
}

#[derive(Debug)]
struct State {
    core: Core,
    is_deleted: bool,
    modified_ms: u64,
    purged: Option<Instant>,
}

/// The parameters of a receive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Ask {
    pub(crate) most: usize,
    /// How long received messages stay hidden. `None` means the queue's own timeout.
    pub(crate) visibility_s: Option<u64>,
    /// How long to wait for the first message. `None` means the queue's own time.
    pub(crate) wait_s: Option<u64>,
}

/// Time after a purge before the queue can be purged again.
const PURGE_PERIOD: Duration = Duration::from_secs(60);

impl Queue {
    /// Creates a queue that existed before.
    pub(crate) fn restored(
        id: u64,
        mut core: Core,
        clock: Clock,
        created_ms: u64,
        journal: Option<Arc<Journal>>,
        watch: Watch,
    ) -> Self {
        core.watch = watch;
        if journal.is_some() {
            core.changes.keep();
        }
        let name = core.name.clone();
        let state = Mutex::new(State { core, is_deleted: false, modified_ms: created_ms, purged: None });
        Self { id, name, created_ms, clock, journal, state, arrived: Notify::new() }
    }

    /// Creates a new queue.
    pub(crate) fn create(id: u64, core: Core, clock: Clock, journal: Option<Arc<Journal>>, watch: Watch) -> Self {
        let queue = Self::restored(id, core, clock, clock.now().epoch_ms, journal, watch);
        queue.with(|core, _| core.changes.note(|| Change::Settings));
        queue
    }

    /// Runs `act` on the current state, and wakes the receivers that can proceed.
    pub(crate) fn with<R>(&self, act: impl FnOnce(&mut Core, Moment) -> R) -> R {
        self.with_state(|state, now| act(&mut state.core, now))
    }

    fn with_state<R>(&self, act: impl FnOnce(&mut State, Moment) -> R) -> R {
        let (result, has_visible, is_due_earlier) = {
            let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
            let now = self.clock.now();
            let due_before = state.core.next_due();
            state.core.advance(now.instant);
            let result = act(&mut state, now);
            self.write_down(&mut state.core, now);
            let due = state.core.next_due();
            let is_due_earlier = due.is_some_and(|due| due_before.is_none_or(|before| due < before));
            (result, state.core.has_visible(), is_due_earlier)
        };
        if is_due_earlier {
            // A receiver that sleeps until a later time must learn of the earlier one.
            self.arrived.notify_waiters();
        }
        if has_visible {
            self.arrived.notify_one();
        }
        result
    }

    /// Receives messages, and waits for the first one as long as the request allows. Dead letters
    /// are passed to `redrive`, which knows whether their queue exists.
    pub(crate) async fn receive(&self, ask: Ask, redrive: impl Redriving) -> Result<Vec<(Message, Receipt)>, Error> {
        let mut deadline = None;
        loop {
            let mut arrived = pin!(self.arrived.notified());
            arrived.as_mut().enable();
            let attempt = self.try_receive(ask, &redrive)?;
            self.bury(attempt.received.dead, &redrive);
            let deadline = *deadline.get_or_insert_with(|| attempt.now + Duration::from_secs(attempt.wait_s));
            if !attempt.received.deliveries.is_empty() || attempt.now >= deadline {
                return Ok(attempt.received.deliveries);
            }
            let wake = attempt.next_due.map_or(deadline, |due| due.min(deadline));
            tokio::select! {
                () = arrived => {}
                () = tokio::time::sleep_until(wake) => {}
            }
        }
    }

    fn try_receive(&self, ask: Ask, redrive: &impl Redriving) -> Result<Attempt, Error> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if state.is_deleted {
            return Err(Error::queue_does_not_exist());
        }
        let now = self.clock.now();
        let core = &mut state.core;
        core.advance(now.instant);
        let visibility_s = ask.visibility_s.unwrap_or(core.attributes.visibility_timeout_s);
        let until = now.instant + Duration::from_secs(visibility_s);
        let policy = core.attributes.redrive.as_ref().filter(|_| core.has_visible());
        let most_receives = policy.filter(|policy| redrive.exists(policy)).map(|policy| policy.most_receives);
        let due_before = core.next_due();
        let received = core.receive(ask.most, until, now, most_receives)?;
        self.write_down(core, now);
        let next_due = core.next_due();
        let wait_s = ask.wait_s.unwrap_or(core.attributes.wait_s);
        let leaves_some = !received.deliveries.is_empty() && core.has_visible();
        drop(state);
        if next_due.is_some_and(|due| due_before.is_none_or(|before| due < before)) {
            self.arrived.notify_waiters();
        }
        if leaves_some {
            self.arrived.notify_one();
        }
        Ok(Attempt { received, now: now.instant, next_due, wait_s })
    }

    fn bury(&self, dead: Vec<Message>, redrive: &impl Redriving) {
        if dead.is_empty() {
            return;
        }
        let sequences: Vec<u64> = dead.iter().map(|message| message.sequence).collect();
        let have_arrived = redrive.bury(dead);
        self.with(|core, _| sequences.iter().for_each(|sequence| core.end_move(*sequence, have_arrived)));
    }

    /// Writes changes to the journal. The lock is held, so that they are written in the order in
    /// which they happened.
    fn write_down(&self, core: &mut Core, now: Moment) {
        let Some(journal) = &self.journal else { return };
        let changes = core.changes.take();
        if !changes.is_empty() {
            let record = |change| Record::of(change, core, self.created_ms, now);
            journal.write(self.id, changes.iter().filter_map(record));
        }
    }

    /// Changes all attributes or none. `check` may refuse the result.
    pub(crate) fn configure<'a>(
        &self,
        changes: impl Iterator<Item = (&'a str, &'a str)>,
        check: impl FnOnce(&QueueAttributes) -> Result<(), Error>,
    ) -> Result<(), Error> {
        self.with_state(|state, now| {
            let mut attributes = state.core.attributes.clone();
            for (name, value) in changes {
                attributes.set(name, value)?;
            }
            check(&attributes)?;
            state.core.set_attributes(attributes);
            state.modified_ms = now.epoch_ms;
            Ok(())
        })
    }

    /// Returns a copy of the attributes, and the time of their last change in milliseconds since
    /// 1970.
    pub(crate) fn attributes(&self) -> (QueueAttributes, u64) {
        self.with_state(|state, _| (state.core.attributes.clone(), state.modified_ms))
    }

    /// Removes every message. Allowed once a minute.
    pub(crate) fn purge(&self) -> Result<(), Error> {
        self.with_state(|state, now| {
            if state.purged.is_some_and(|purged| now.instant < purged + PURGE_PERIOD) {
                return Err(Error::purge_in_progress(&state.core.name));
            }
            state.purged = Some(now.instant);
            state.core.purge();
            Ok(())
        })
    }

    /// Notifies waiting receivers that the queue was deleted.
    pub(crate) fn close(&self) {
        self.with_state(|state, _| state.is_deleted = true);
        if let Some(journal) = &self.journal {
            journal.write(self.id, [Record::Gone].into_iter());
        }
        self.arrived.notify_waiters();
    }
}

/// Access to the dead-letter queue for messages that were received too often.
pub(crate) trait Redriving {
    /// Returns whether the queue of a policy exists. If it does not, no message is moved.
    fn exists(&self, policy: &Redrive) -> bool;

    /// Moves messages there. Returns whether they arrived, which is `false` if the queue no longer
    /// exists.
    fn bury(&self, dead: Vec<Message>) -> bool;
}

struct Attempt {
    received: Received,
    now: Instant,
    next_due: Option<Instant>,
    wait_s: u64,
}

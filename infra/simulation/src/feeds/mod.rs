//! Lambda's event sources: they take messages and records, invoke functions, and act on the answers
//! as Lambda does.

mod dead;
mod fifo;
mod loose;
mod streams;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use domain::{ConnectionId, Job, Line, Submission, Timestamp};
use lambda_kit::batch::Failed;
use protocol::stream::Record;
use testkit::faults::Operation;
use testkit::memory::{Fifo, Message};

pub(crate) use self::dead::REDRIVEN;
pub(crate) use self::loose::Loose;
use self::streams::Lane;
use crate::backend::COMMANDS;
use crate::executor::TaskId;
use crate::faults::Fault;
use crate::owed::Checked;
use crate::pipeline::Outcome;
use crate::run::Run;
use crate::sources;
use crate::tokens::Token;

/// For each queue: its name, the number of batches in progress at the same time, and the number of
/// messages in a batch, as the topology declares them.
pub const AT_ONCE: [(&str, usize, usize); 8] = [
    (COMMANDS, 10, 10),
    ("events", 10, 10),
    ("events-ordered", 10, 10),
    ("publications", 20, 10),
    ("publications-held", 5, 10),
    ("deliveries", 6, 4),
    ("deliveries-wide", 2, 4),
    ("presence", 10, 10),
];

/// The queue of held publications.
const HELD: &str = "publications-held";
/// A queue is polled again within this time after it returned messages.
const POLLED_WITHIN_MS: u64 = 30;

/// The number of messages in a batch of a queue.
fn batch_size(queue: &str) -> usize {
    AT_ONCE.iter().find(|(name, ..)| *name == queue).map_or(1, |(.., batch)| *batch)
}

/// The trigger that an invocation works on.
#[derive(Debug)]
pub(crate) enum Work {
    /// A message or event of a connection, for the function of its route.
    Call {
        /// The name of the function.
        function: &'static str,
        /// The connection of the event.
        connection: ConnectionId,
        /// When the invocation began.
        began: Timestamp,
        /// The token that the request shows, and its number among the tokens of the connection.
        shown: Option<(Token, u64)>,
    },
    /// The handshake of a connection.
    Authorize(ConnectionId),
    /// Ordered events of backends.
    Ordered(Vec<Message<String>>),
    /// Messages for the sequencer.
    Publications(Vec<Message<Submission>>),
    /// Held publications for the sequencer.
    Held(Vec<Message<Submission>>),
    /// Messages for the fan-out.
    Deliveries(Line, Vec<Message<Job>>),
    /// Messages of standard queues.
    Loose(&'static str, Timestamp, Vec<Loose>),
    /// Records of one lane of a stream.
    Records(usize, Vec<Record>),
    /// A run of the reaper, with the time at which it began.
    Reap(Timestamp),
}

/// All event sources, with the work in progress.
#[derive(Debug, Default)]
pub(crate) struct Feeds {
    at_work: BTreeMap<TaskId, Work>,
    loose: Vec<Loose>,
    lanes: [Lane; 4],
    paused_until: BTreeMap<&'static str, Timestamp>,
    records: u64,
    messages: u64,
    poisonous: Vec<String>,
    healed: bool,
    dead_ordered: Vec<Message<String>>,
    dead_publications: Vec<Message<Submission>>,
    dead_deliveries: Vec<Message<Job>>,
    dead_loose: Vec<Loose>,
    /// The ids of messages that were dead letters on their way: later messages of their groups do
    /// not wait for them.
    overtaken: BTreeSet<String>,
    /// The keys of outbox rows whose dead letters were refused: they are named in the log only.
    passed_over: BTreeSet<String>,
    /// The number of receives after which a message is dead.
    most_receives: u32,
    /// The number of dead letters that were left when the letters were last redriven.
    letters_left: usize,
    /// Progress of the checks at the end of the run.
    pub(crate) checked: Checked,
}

impl Feeds {
    /// Empty event sources. A message becomes a dead letter after `most_receives` receives.
    #[must_use]
    pub(crate) fn new(most_receives: u32) -> Self {
        Self { most_receives, ..Self::default() }
    }

    /// Receives after which a message of a queue is dead. Held messages are received several times
    /// before the gate of their hold is sent.
    fn most_receives(&self, queue: &str) -> u32 {
        if queue == HELD { domain::limits::RECEIVES } else { self.most_receives }
    }

    /// Records that an invocation begins.
    pub(crate) fn begins(&mut self, task: TaskId, work: Work) {
        self.at_work.insert(task, work);
    }

    /// Records that a run of the reaper begins.
    pub(crate) fn reaping(&mut self, task: TaskId, now: Timestamp) {
        self.begins(task, Work::Reap(now));
    }

    /// Adds a message to a standard queue.
    pub(crate) fn loose(&mut self, message: Loose, now: Timestamp) {
        self.messages += 1;
        self.loose.push(Loose { id: format!("{}-{}", message.queue, self.messages), visible_at: now, ..message });
    }

    /// Adds a record that cannot be parsed to the stream.
    pub(crate) fn poison_stream(&mut self, now: Timestamp) {
        self.records += 1;
        self.lanes[0].waiting.push_back(sources::poison_record(self.records, now));
    }

    /// Adds a row to the outbox, in one of the two shards of its stream.
    pub(crate) fn row(&mut self, row: impl FnOnce(u64) -> Record, other_shard: bool) {
        self.records += 1;
        let record = row(self.records);
        self.lanes[2 + usize::from(other_shard)].waiting.push_back(record);
    }

    /// The next time at which a waiting message or record can be taken.
    #[must_use]
    pub(crate) fn next_at(&self, now: Timestamp) -> Option<Timestamp> {
        let loose = self.loose.iter().map(|message| message.visible_at);
        let lines = self.lanes.iter().filter(|line| !line.busy && !line.waiting.is_empty());
        let lines = lines.map(|line| line.not_before);
        let paused = self.paused_until.values().copied();
        loose.chain(lines).chain(paused).filter(|at| *at > now).min()
    }

    /// Ends all pauses of queues.
    pub(crate) fn heal(&mut self) {
        self.healed = true;
        self.paused_until.clear();
    }

    /// Reports whether the message of an id was a dead letter on its way.
    #[must_use]
    pub(crate) fn was_overtaken(&self, id: &str) -> bool {
        self.overtaken.contains(id)
    }

    /// Reports whether the dead letter of the row with this id was refused.
    #[must_use]
    pub(crate) fn was_passed_over(&self, id: &str) -> bool {
        self.passed_over.iter().any(|key| key.ends_with(id))
    }

    /// Jobs that have become dead letters in their queue.
    pub(crate) fn dead_jobs(&self) -> impl Iterator<Item = Job> {
        self.dead_deliveries.iter().map(|message| message.body.clone())
    }

    /// Reports whether another batch of a queue may be in progress.
    fn has_room(&self, queue: &str) -> bool {
        let most = AT_ONCE.iter().find(|(name, ..)| *name == queue).map_or(1, |(_, most, _)| *most);
        let of = |work: &&Work| match work {
            Work::Ordered(_) => queue == "events-ordered",
            Work::Publications(_) => queue == "publications",
            Work::Held(_) => queue == "publications-held",
            Work::Deliveries(Line::Narrow, _) => queue == "deliveries",
            Work::Deliveries(Line::Wide, _) => queue == "deliveries-wide",
            Work::Loose(of, ..) => *of == queue,
            Work::Records(..) | Work::Call { .. } | Work::Authorize(_) | Work::Reap(_) => false,
        };
        self.at_work.values().filter(of).count() < most
    }
}

impl Run {
    /// Invokes functions for everything that waits. Returns whether there was anything.
    pub(crate) fn feed(&mut self) -> bool {
        self.redrive_later_letters();
        let (ordered, publications) =
            (self.pipeline.queues.events_ordered.clone(), self.pipeline.queues.publications.clone());
        let mut fed = self.feed_fifo("events-ordered", &ordered, Work::Ordered);
        fed |= self.feed_fifo("publications", &publications, Work::Publications);
        let held = self.pipeline.queues.publications_held.clone();
        fed |= self.feed_fifo("publications-held", &held, Work::Held);
        for (line, name) in [(Line::Narrow, "deliveries"), (Line::Wide, "deliveries-wide")] {
            let queue = self.pipeline.queues.line(line).clone();
            fed |= self.feed_fifo(name, &queue, |messages| Work::Deliveries(line, messages));
        }
        for check in self.pipeline.queues.checks.take() {
            let now = self.now();
            self.feeds.loose(Loose::check(&check), now);
        }
        fed |= self.feed_loose("presence") | self.feed_loose("events") | self.feed_loose(COMMANDS);
        (0..self.feeds.lanes.len()).for_each(|line| fed |= self.feed_records(line));
        fed
    }

    /// Reports whether a queue delivers nothing for now.
    fn is_paused(&mut self, queue: &'static str) -> bool {
        let now = self.now();
        if self.feeds.paused_until.get(queue).is_some_and(|until| *until > now) {
            return true;
        }
        self.feeds.paused_until.remove(queue);
        let mut core = self.shared.lock();
        let paused = core.fires(Fault::Delayed, || queue.to_owned());
        if paused {
            let until = now.plus(Duration::from_millis(core.dice.within(1, 30_000)));
            drop(core);
            self.feeds.paused_until.insert(queue, until);
        }
        paused
    }

    /// Pauses a queue for a moment, as a poller does: messages that were sent meanwhile are one
    /// batch.
    fn polls_again_soon(&mut self, queue: &'static str) {
        let pause_ms = self.shared.lock().dice.below(POLLED_WITHIN_MS);
        let until = self.now().plus(Duration::from_millis(pause_ms));
        self.feeds.paused_until.insert(queue, until);
    }

    /// Handles an invocation that has ended by itself.
    pub(crate) fn ended(&mut self, task: TaskId, outcome: Outcome) {
        let Some(work) = self.feeds.at_work.remove(&task) else { return };
        self.check_reads(task, &work);
        self.note_refusals(task, &work);
        match (work, outcome) {
            (Work::Authorize(connection), Outcome::Authorized(decided)) => self.authorized(&connection, decided),
            (Work::Reap(began), Outcome::Run) => self.check_expired_are_closed(task, began),
            (Work::Call { function, connection, began, shown }, Outcome::Answered(answer)) => {
                self.check_rights(&connection, began, shown, answer.body.as_deref().unwrap_or_default());
                self.answered(function, &connection, answer.status, answer.body);
            }
            (Work::Ordered(messages), Outcome::Batch(failed)) => {
                let queue = self.pipeline.queues.events_ordered.clone();
                self.worked_off(task, "events-ordered", &queue, messages, &failed);
            }
            (Work::Publications(messages), Outcome::Batch(failed)) => {
                let queue = self.pipeline.queues.publications.clone();
                self.sequenced(task, "publications", &queue, messages, &failed);
            }
            (Work::Held(messages), Outcome::Batch(failed)) => {
                let queue = self.pipeline.queues.publications_held.clone();
                self.sequenced(task, "publications-held", &queue, messages, &failed);
            }
            (Work::Deliveries(line, messages), Outcome::Batch(failed)) => {
                let queue = self.pipeline.queues.line(line).clone();
                self.worked_off(task, "deliveries", &queue, messages, &failed);
            }
            (Work::Loose(queue, began, messages), Outcome::Batch(failed)) => {
                self.loose_worked_off(task, (queue, began), messages, &failed);
            }
            (Work::Records(at, records), Outcome::Records(failed)) => {
                self.records_worked_off(at, &records, failed.first());
            }
            _ => {}
        }
    }

    /// Records the two refusals after which an order or a dead letter is not promised: the row of
    /// the outbox whose dead letter is refused twice is named in the log, and the event whose hold
    /// can be neither read nor written is published at once.
    fn note_refusals(&mut self, task: TaskId, work: &Work) {
        let Some(refused) = self.shared.lock().refused.remove(&task) else { return };
        let times = |operation| refused.iter().filter(|one| **one == operation).count();
        match work {
            Work::Records(_, records) if times(Operation::BuryLetter) > 1 => {
                let keys = records.iter().filter_map(|record| record.keys.get("id")?.as_text());
                self.feeds.passed_over.extend(keys.map(str::to_owned));
            }
            Work::Ordered(messages) if times(Operation::Intakes) > 0 && times(Operation::Hold) > 0 => {
                let ids = messages.iter().map(|message| message.deduplication_id.clone());
                self.feeds.overtaken.extend(ids);
            }
            _ => {}
        }
    }

    /// An invocation of the sequencer has ended by itself.
    fn sequenced(
        &mut self,
        task: TaskId,
        name: &str,
        queue: &Fifo<Submission>,
        messages: Vec<Message<Submission>>,
        failed: &[Failed],
    ) {
        if self.shared.lock().disturbed.contains(&task) {
            self.shared.lock().interrupts(task, &messages);
        }
        self.worked_off(task, name, queue, messages, failed);
    }

    /// Handles an invocation that was killed, or timed out.
    pub(crate) fn came_to_nothing(&mut self, task: TaskId) {
        let work = self.feeds.at_work.remove(&task);
        if let Some(work) = &work {
            self.check_reads(task, work);
            self.note_refusals(task, work);
        }
        match work {
            Some(Work::Authorize(connection)) => self.authorized(&connection, Err(500)),
            Some(Work::Call { function, connection, began, shown }) => {
                self.check_rights(&connection, began, shown, "");
                self.nobody_answers(function, &connection);
            }
            Some(Work::Records(at, records)) => {
                let first = records.first().map(|record| record.sequence_number.clone());
                self.records_worked_off(at, &records, first.as_ref());
            }
            Some(Work::Publications(messages) | Work::Held(messages)) => self.shared.lock().interrupts(task, &messages),
            Some(Work::Deliveries(_, messages)) => self.shared.lock().interrupts(task, &messages),
            // Messages become visible again by themselves, and the reaper runs again.
            _ => {}
        }
    }
}

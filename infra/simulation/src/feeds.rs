//! What Lambda's event sources do: take from queues and streams, invoke, and make of the answer what they make of it.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use domain::{Change, Check, ConnectionId, Job, Line, RoomId, Submission, Timestamp};
use lambda_kit::batch::Failed;
use protocol::stream::Record;
use serde::Serialize;
use testkit::memory::{Fifo, Message};

use crate::core::Due;
use crate::executor::TaskId;
use crate::faults::Fault;
use crate::pipeline::{Outcome, describe};
use crate::run::{Mistake, Run};
use crate::sources;

/// Batches of one queue that are worked on at the same time.
const AT_ONCE: usize = 3;
/// Records of one invocation.
const RECORDS: usize = 10;
/// Tries of a batch of records, after which its first record is given up.
const RECORD_TRIES: u32 = 20;
/// When a batch of records that failed comes again.
const RECORDS_AGAIN: Duration = Duration::from_millis(200);

/// What an invocation works on.
#[derive(Debug)]
pub(crate) enum Work {
    /// A route.
    Call {
        /// Whose function.
        function: &'static str,
        /// Which connection it is about.
        connection: ConnectionId,
    },
    /// Messages for the sequencer.
    Publications(Vec<Message<Submission>>),
    /// Messages for the fan-out.
    Deliveries(Line, Vec<Message<Job>>),
    /// Messages of standard queues.
    Loose(&'static str, Vec<Loose>),
    /// Records of a line of the stream.
    Records(usize, Vec<Record>),
    /// A run of the reaper.
    Reap,
}

/// A message of a standard queue.
#[derive(Debug, Clone)]
pub(crate) struct Loose {
    queue: &'static str,
    id: String,
    body: String,
    visible_at: Timestamp,
    receives: u32,
}

impl Loose {
    /// A backend's event, as SNS delivers it raw.
    #[must_use]
    pub(crate) fn event(body: String) -> Self {
        Self { queue: "events", id: String::new(), body, visible_at: Timestamp::default(), receives: 0 }
    }

    fn check(check: &Check) -> Self {
        let body = protocol::queue::encode(check).unwrap_or_default();
        Self { queue: "presence", body, ..Self::event(String::new()) }
    }
}

/// Records of some items, in their order.
#[derive(Debug, Default)]
struct Lane {
    waiting: VecDeque<Record>,
    busy: bool,
    tries: u32,
    not_before: Timestamp,
    at_most: usize,
}

/// Everything that is taken from, and what is being worked on.
#[derive(Debug, Default)]
pub(crate) struct Feeds {
    at_work: BTreeMap<TaskId, Work>,
    loose: Vec<Loose>,
    lanes: [Lane; 2],
    paused_until: BTreeMap<&'static str, Timestamp>,
    records: u64,
    messages: u64,
    poisonous: Vec<String>,
    healed: bool,
    dead_publications: Vec<Message<Submission>>,
    dead_deliveries: Vec<Message<Job>>,
    /// Whether what is owed has been checked.
    pub(crate) checked: bool,
}

impl Feeds {
    /// An invocation begins.
    pub(crate) fn begins(&mut self, task: TaskId, work: Work) {
        self.at_work.insert(task, work);
    }

    /// A run of the reaper begins.
    pub(crate) fn reaping(&mut self, task: TaskId) {
        self.begins(task, Work::Reap);
    }

    /// A standard queue has a message more.
    pub(crate) fn loose(&mut self, message: Loose, now: Timestamp) {
        self.messages += 1;
        self.loose.push(Loose { id: format!("{}-{}", message.queue, self.messages), visible_at: now, ..message });
    }

    /// The stream has a record that nobody can read.
    pub(crate) fn poison_stream(&mut self, now: Timestamp) {
        self.records += 1;
        self.lanes[0].waiting.push_back(sources::poison_record(self.records, now));
    }

    /// When something that waits can be taken.
    #[must_use]
    pub(crate) fn next_at(&self, now: Timestamp) -> Option<Timestamp> {
        let loose = self.loose.iter().map(|message| message.visible_at);
        let lines = self.lanes.iter().filter(|line| !line.busy && !line.waiting.is_empty());
        let lines = lines.map(|line| line.not_before);
        let paused = self.paused_until.values().copied();
        loose.chain(lines).chain(paused).filter(|at| *at > now).min()
    }

    /// Nothing is paused any more.
    pub(crate) fn heal(&mut self) {
        self.healed = true;
        self.paused_until.clear();
    }

    fn in_flight(&self, queue: &str) -> usize {
        let of = |work: &&Work| match work {
            Work::Publications(_) => queue == "publications",
            Work::Deliveries(Line::Narrow, _) => queue == "deliveries",
            Work::Deliveries(Line::Wide, _) => queue == "deliveries-wide",
            Work::Loose(of, _) => *of == queue,
            Work::Records(..) | Work::Call { .. } | Work::Reap => false,
        };
        self.at_work.values().filter(of).count()
    }
}

impl Run {
    /// What happened to connections and memberships reaches the stream.
    pub(crate) fn tell_stream(&mut self) {
        let now = self.now();
        for change in self.pipeline.store.take_changes() {
            self.shared.lock().tell(|| describe(&change));
            self.note(&change, now);
            self.feeds.records += 1;
            let record = sources::record(&change, self.feeds.records, now);
            let overtakes = self.shared.lock().faults.has(Fault::ShardsOvertake);
            let line = usize::from(overtakes && of_another_line(&change));
            if line == 1 {
                self.shared.lock().faults.note(Fault::ShardsOvertake);
            }
            self.feeds.lanes[line].waiting.push_back(record);
        }
    }

    fn note(&mut self, change: &Change, now: Timestamp) {
        match change {
            Change::Joined { room, connection, .. } => {
                if self.pipeline.store.is_buried(connection) {
                    let what = format!("{connection} became a member of {room} after it was forgotten");
                    self.shared.lock().broke(crate::check::Kind::GhostLeft, what);
                }
                self.belonged.insert((connection.clone(), room.clone()), None);
            }
            Change::Left { room, connection, .. } => {
                self.belonged.insert((connection.clone(), room.clone()), Some(now));
            }
            Change::Closed { connection, .. } => self.check_forgotten(connection),
            Change::Opened { .. } => {}
        }
    }

    /// Who is forgotten must be gone.
    fn check_forgotten(&self, connection: &ConnectionId) {
        let mut core = self.shared.lock();
        let Some(socket) = core.sockets.get(connection) else { return };
        if socket.open && socket.held && !socket.black_hole && !socket.closed_by_us {
            core.broke(crate::check::Kind::LiveReaped, format!("{connection} is open, and was forgotten"));
        }
    }

    /// Invokes for whatever waits. Whether there was anything.
    pub(crate) fn feed(&mut self) -> bool {
        let publications = self.pipeline.queues.publications.clone();
        let mut fed = self.feed_fifo("publications", &publications, Work::Publications);
        for (line, name) in [(Line::Narrow, "deliveries"), (Line::Wide, "deliveries-wide")] {
            let queue = self.pipeline.queues.line(line).clone();
            fed |= self.feed_fifo(name, &queue, |messages| Work::Deliveries(line, messages));
        }
        for check in self.pipeline.queues.checks.take() {
            let now = self.now();
            self.feeds.loose(Loose::check(&check), now);
        }
        fed |= self.feed_loose("presence") | self.feed_loose("events");
        (0..2).for_each(|line| fed |= self.feed_records(line));
        fed
    }

    /// Whether a queue delivers nothing for now.
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

    fn feed_fifo<T: Clone + Serialize + Dead>(
        &mut self,
        name: &'static str,
        queue: &Fifo<T>,
        work: impl Fn(Vec<Message<T>>) -> Work,
    ) -> bool {
        let mut fed = false;
        while self.feeds.in_flight(name) < AT_ONCE && !queue.is_empty() && !self.is_paused(name) {
            let taken = queue.take();
            if taken.is_empty() {
                break;
            }
            fed = true;
            let (dead, alive): (Vec<_>, Vec<_>) =
                taken.into_iter().partition(|message| message.receive_count > sources::MOST_RECEIVES);
            for message in dead {
                queue.finish(&message.receipt);
                self.shared.lock().tell(|| format!("a message of {name} is dead"));
                if self.feeds.healed && !self.feeds.poisonous.contains(&message.deduplication_id) {
                    // Whoever operates it redrives what can be read.
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
            if self.shared.lock().fires(Fault::SameChunk, || name.to_owned()) {
                let soon = Duration::from_millis(self.shared.lock().dice.below(2_000));
                for message in &alive {
                    queue.show_after(&message.receipt, soon);
                }
            }
            let poisonous = |message: &Message<T>| self.feeds.poisonous.contains(&message.deduplication_id);
            let messages = alive.iter().map(|message| sources::message(message, poisonous(message))).collect();
            let task = self.executor.reserve();
            self.feeds.begins(task, work(alive));
            let function = if name == "publications" { "sequencer" } else { "fanout" };
            self.pipeline.batch(&mut self.executor, task, function, messages);
        }
        fed
    }

    fn is_lost<T: Dead>(&mut self, body: &T) -> bool {
        let lost = body.is_of_the_log() && self.shared.lock().fires(Fault::JobLost, || "deliveries".to_owned());
        self.lost_silently |= lost;
        lost
    }

    fn feed_loose(&mut self, queue: &'static str) -> bool {
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

    fn feed_records(&mut self, at: usize) -> bool {
        let now = self.now();
        let line = &mut self.feeds.lanes[at];
        if line.busy || line.waiting.is_empty() || line.not_before > now {
            return false;
        }
        let most = if line.at_most == 0 { RECORDS } else { line.at_most };
        let records: Vec<Record> = line.waiting.iter().take(most).cloned().collect();
        line.busy = true;
        let task = self.executor.reserve();
        self.feeds.begins(task, Work::Records(at, records.clone()));
        self.pipeline.records(&mut self.executor, task, records);
        true
    }

    /// An invocation has ended by itself.
    pub(crate) fn ended(&mut self, task: TaskId, outcome: Outcome) {
        let Some(work) = self.feeds.at_work.remove(&task) else { return };
        match (work, outcome) {
            (Work::Call { function, connection }, Outcome::Answered(answer)) => {
                self.answered(function, &connection, answer.status, answer.body);
            }
            (Work::Publications(messages), Outcome::Batch(failed)) => {
                let queue = self.pipeline.queues.publications.clone();
                self.worked_off("publications", &queue, messages, &failed);
            }
            (Work::Deliveries(line, messages), Outcome::Batch(failed)) => {
                let queue = self.pipeline.queues.line(line).clone();
                self.worked_off("deliveries", &queue, messages, &failed);
            }
            (Work::Loose(queue, messages), Outcome::Batch(failed)) => self.loose_worked_off(queue, messages, &failed),
            (Work::Records(at, records), Outcome::Records(failed)) => {
                self.records_worked_off(at, &records, failed.first());
            }
            _ => {}
        }
    }

    /// An invocation was killed, or never got an answer.
    pub(crate) fn came_to_nothing(&mut self, task: TaskId) {
        match self.feeds.at_work.remove(&task) {
            Some(Work::Call { function, connection }) => self.nobody_answers(function, &connection),
            Some(Work::Records(at, records)) => {
                let first = records.first().map(|record| record.sequence_number.clone());
                self.records_worked_off(at, &records, first.as_ref());
            }
            // Messages come back when they are visible again; the reaper runs again.
            _ => {}
        }
    }

    fn worked_off<T: Clone>(&mut self, name: &str, queue: &Fifo<T>, messages: Vec<Message<T>>, failed: &[Failed]) {
        if self.shared.lock().fires(Fault::ResponseLost, || name.to_owned()) {
            return;
        }
        let comes_back = |message: &Message<T>| failed.iter().any(|failed| failed.message.id == message.id);
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

    fn loose_worked_off(&mut self, queue: &'static str, messages: Vec<Loose>, failed: &[Failed]) {
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

    /// Of records, those before the first that failed are done; the others come again.
    fn records_worked_off(&mut self, at: usize, records: &[Record], failed: Option<&String>) {
        let replayed = failed.is_none() && self.shared.lock().fires(Fault::Replayed, || "presence".to_owned());
        let bisected = failed.is_some() && self.shared.lock().fires(Fault::Bisected, || "presence".to_owned());
        let now = self.now();
        let line = &mut self.feeds.lanes[at];
        line.busy = false;
        let done = match failed {
            _ if replayed => 0,
            None => records.len(),
            Some(number) => records.iter().position(|record| record.sequence_number == *number).unwrap_or(0),
        };
        line.waiting.drain(..done);
        if failed.is_none() {
            (line.tries, line.at_most) = (0, 0);
            return;
        }
        line.not_before = now.plus(RECORDS_AGAIN);
        line.tries = if done > 0 { 1 } else { line.tries + 1 };
        if bisected {
            line.at_most = (records.len() / 2).max(1);
        }
        if line.tries > RECORD_TRIES {
            // Given up: its place is in the dead-letter queue.
            line.waiting.pop_front();
            (line.tries, line.at_most) = (0, 0);
            self.shared.lock().tell(|| "a record is dead".to_owned());
        }
        self.shared.lock().at(now.plus(RECORDS_AGAIN), Due::Look);
    }

    /// A message that nobody can read is queued for a room.
    pub(crate) fn poison(&mut self, room: &RoomId) {
        self.published += 1;
        let id = format!("poison{}", self.published);
        let submission = testkit::samples::submission(room.as_str(), "mallory", &[&id]);
        let deduplication_id = submission.deduplication_id();
        self.feeds.poisonous.push(deduplication_id.clone());
        self.pipeline.queues.publications.send(submission.group(), deduplication_id, submission);
        self.shared.lock().faults.note(Fault::Poison);
    }

    /// What is dead and can be read is queued again.
    pub(crate) fn redrive(&mut self, times: u32) {
        let queues = self.pipeline.queues.clone();
        for _ in 0..times {
            for message in self.feeds.dead_publications.clone() {
                if !self.feeds.poisonous.contains(&message.deduplication_id) {
                    queues.publications.repeat(&message);
                }
            }
            for message in self.feeds.dead_deliveries.clone() {
                queues.line(message.body.line).repeat(&message);
            }
        }
    }
}

/// What has a dead-letter queue.
trait Dead: Sized {
    fn bury(feeds: &mut Feeds, message: Message<Self>);
    fn is_of_the_log(&self) -> bool;
}

impl Dead for Submission {
    fn bury(feeds: &mut Feeds, message: Message<Self>) {
        feeds.dead_publications.push(message);
    }

    fn is_of_the_log(&self) -> bool {
        false
    }
}

impl Dead for Job {
    fn bury(feeds: &mut Feeds, message: Message<Self>) {
        feeds.dead_deliveries.push(message);
    }

    fn is_of_the_log(&self) -> bool {
        self.work.range().is_some()
    }
}

/// Whether a change is of an item in the stream's other shard.
fn of_another_line(change: &Change) -> bool {
    let (Change::Opened { connection, .. }
    | Change::Closed { connection, .. }
    | Change::Joined { connection, .. }
    | Change::Left { connection, .. }) = change;
    connection.as_ref().len() % 2 == 1 || connection.as_ref().ends_with(['1', '3', '5', '7', '9'])
}

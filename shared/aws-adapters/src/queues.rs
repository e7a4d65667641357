//! SQS: queues to the sequencer, to the fan-out, and for later checks of a room.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use aws_sdk_sqs::Client;
use aws_sdk_sqs::operation::send_message_batch::SendMessageBatchOutput;
use aws_sdk_sqs::types::{BatchResultErrorEntry, MessageAttributeValue, SendMessageBatchRequestEntry};
use domain::ports::{Checks, DeadLetter, DeadLetters, Error, Jobs, Receipt, Result, Retries, Submissions};
use domain::{Check, Job, Line, Range, Submission, is_portable, portable_json};
use futures::{StreamExt, stream};

use crate::account::{Account, one_retry, service_config, time_limits};
use crate::errors::{translate, undone, unreadable};

/// The time limit of a call to SQS, its retry included.
pub const QUEUE_TIMEOUT: Duration = Duration::from_millis(2_000);
const ATTEMPT_TIMEOUT: Duration = Duration::from_millis(1_200);
/// Entries that one `SendMessageBatch` takes.
const ENTRIES_PER_BATCH: usize = 10;
/// `SendMessageBatch` calls in flight: jobs for a thousand shards are a hundred calls.
const BATCHES_IN_FLIGHT: usize = 8;
/// Rounds after which entries that SQS never takes are given up.
const ROUNDS_PER_BATCH: usize = 3;
/// The longest delay of a message.
/// <https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SendMessage.html>
const LONGEST_DELAY: Duration = Duration::from_secs(15 * 60);

/// Bytes that one `SendMessageBatch` takes: 1 MiB, less a part for the fields around the bodies.
const BYTES_PER_BATCH: usize = 1_000_000;
/// Characters of a reason that a dead letter carries.
const REASON_LETTERS: usize = 1_000;
/// The suffix of the name of a FIFO queue.
const FIFO: &str = ".fifo";
const DISPATCH: &str = "SQS SendMessageBatch (jobs)";
const SUBMIT_EACH: &str = "SQS SendMessageBatch (publications)";

/// The queues that a function uses. The URLs of others are empty.
#[derive(Debug, Clone)]
pub struct Queues {
    client: Client,
    publications: String,
    publications_held: String,
    deliveries: String,
    deliveries_wide: String,
    /// The dead-letter queues, each with the queue whose letters it takes. One without a queue
    /// takes all other letters.
    dead: Vec<(Option<String>, String)>,
    checks: String,
    own: Vec<String>,
}

impl Queues {
    /// Knows no queue yet; see the `with_…` functions.
    #[must_use]
    pub fn new(account: &Account) -> Self {
        let limits = time_limits(QUEUE_TIMEOUT, ATTEMPT_TIMEOUT);
        let config = service_config!(aws_sdk_sqs, account, account.endpoint(), limits, one_retry());
        let client = Client::from_conf(config);
        let [publications, publications_held, deliveries, deliveries_wide, checks] = [const { String::new() }; 5];
        let (dead, own) = (Vec::new(), Vec::new());
        Self { client, publications, publications_held, deliveries, deliveries_wide, dead, checks, own }
    }

    /// Sets the queue that publications are submitted to.
    #[must_use]
    pub fn with_publications(self, url: String) -> Self {
        Self { publications: url, ..self }
    }

    /// Sets the queue of held publications.
    #[must_use]
    pub fn with_publications_held(self, url: String) -> Self {
        Self { publications_held: url, ..self }
    }

    /// Sets the queues that jobs are dispatched to.
    #[must_use]
    pub fn with_deliveries(self, narrow: String, wide: String) -> Self {
        Self { deliveries: narrow, deliveries_wide: wide, ..self }
    }

    /// Adds the dead-letter queue for letters of all queues.
    #[must_use]
    pub fn with_dead(mut self, url: String) -> Self {
        self.dead.push((None, url));
        self
    }

    /// Adds the dead-letter queue for letters of one queue.
    #[must_use]
    pub fn with_dead_of(mut self, queue: &str, dead: String) -> Self {
        self.dead.push((Some(name_of(queue).to_owned()), dead));
        self
    }

    fn dead(&self, source: &str) -> Option<&str> {
        let is_for = |of: &Option<String>| of.as_deref().is_none_or(|queue| queue == source);
        self.dead.iter().find(|(of, _)| is_for(of)).map(|(_, url)| url.as_str())
    }

    /// Sets the queue for checks, which are delayed updates of a room's presence.
    #[must_use]
    pub fn with_checks(self, url: String) -> Self {
        Self { checks: url, ..self }
    }

    /// Sets the queues that this function receives from. It may change the visibility of their
    /// messages.
    #[must_use]
    pub fn with_own(self, urls: Vec<String>) -> Self {
        Self { own: urls, ..self }
    }

    /// Returns the URL of the queue that a message came from: its last part is the queue's name.
    fn own(&self, receipt: &Receipt) -> Result<&str> {
        let url = self.own.iter().find(|url| name_of(url) == receipt.queue);
        url.map(String::as_str).ok_or_else(|| {
            unreadable(
                "SQS ChangeMessageVisibility",
                format_args!("{:?} is not a queue of this function", receipt.queue),
            )
        })
    }

    fn way_of(&self, submission: &Submission) -> &String {
        if submission.held_number().is_some() { &self.publications_held } else { &self.publications }
    }

    fn line(&self, line: Line) -> &str {
        match line {
            Line::Narrow => &self.deliveries,
            Line::Wide => &self.deliveries_wide,
        }
    }

    /// Sends messages; those of one group keep their order. The results are in the order of the
    /// messages.
    async fn send_each(&self, operation: &'static str, url: &str, entries: &[Entry]) -> Vec<Result<()>> {
        let mut results: Vec<Option<Result<()>>> = entries.iter().map(|_| None).collect();
        let mut held_back: HashSet<&str> = HashSet::new();
        for round in one_per_group(entries) {
            let (waits, goes): (Vec<usize>, Vec<usize>) =
                round.into_iter().partition(|at| held_back.contains(entries[*at].group.as_str()));
            for at in waits {
                results[at] = Some(Err(Error::held_back(operation)));
            }
            let sends = stream::iter(calls(entries, goes)).map(|call| self.send_batch(operation, url, entries, call));
            let mut sends = sends.buffer_unordered(BATCHES_IN_FLIGHT);
            while let Some(sent) = sends.next().await {
                for (at, result) in sent {
                    if result.as_ref().is_err_and(Error::is_transient) {
                        held_back.insert(&entries[at].group);
                    }
                    results[at] = Some(result);
                }
            }
        }
        results.into_iter().map(|result| result.unwrap_or_else(|| Err(Error::held_back(operation)))).collect()
    }

    /// Sends one batch until each entry was taken or refused. A call that succeeds may contain
    /// entries that failed.
    async fn send_batch(
        &self,
        operation: &'static str,
        url: &str,
        entries: &[Entry],
        mut waiting: Vec<usize>,
    ) -> Vec<(usize, Result<()>)> {
        let mut results = Vec::with_capacity(waiting.len());
        let mut problem = String::new();
        for _ in 0..ROUNDS_PER_BATCH {
            let answer = match self.send_once(operation, url, entries, &waiting).await {
                Ok(answer) => answer,
                Err(error) => {
                    results.extend(waiting.into_iter().map(|at| (at, Err(error.again()))));
                    return results;
                }
            };
            let taken: HashSet<&str> = answer.successful().iter().map(|entry| entry.id()).collect();
            let refused: HashMap<&str, &BatchResultErrorEntry> = answer
                .failed()
                .iter()
                .filter(|failed| failed.sender_fault())
                .map(|failed| (failed.id(), failed))
                .collect();
            waiting.retain(|at| {
                let id = at.to_string();
                match (taken.contains(id.as_str()), refused.get(id.as_str())) {
                    (true, _) => results.push((*at, Ok(()))),
                    (false, Some(failed)) => {
                        let why = format_args!("{}: {}", failed.code(), failed.message().unwrap_or_default());
                        results.push((*at, Err(unreadable(operation, why))));
                    }
                    (false, None) => return true,
                }
                false
            });
            if waiting.is_empty() {
                return results;
            }
            problem = answer.failed().first().map(|failed| failed.code().to_owned()).unwrap_or_default();
        }
        let not_taken = |at| (at, Err(undone(operation, format_args!("the entry was not taken: {problem}"))));
        results.extend(waiting.into_iter().map(not_taken));
        results
    }

    async fn send_once(
        &self,
        operation: &'static str,
        url: &str,
        entries: &[Entry],
        waiting: &[usize],
    ) -> Result<SendMessageBatchOutput> {
        let requests = waiting.iter().map(|at| entries[*at].request(*at, operation)).collect::<Result<Vec<_>>>()?;
        let call = self.client.send_message_batch().queue_url(url).set_entries(Some(requests));
        call.send().await.map_err(|error| translate(operation, &error))
    }
}

impl Submissions for Queues {
    async fn submit(&self, submission: &Submission) -> Result<()> {
        const OPERATION: &str = "SQS SendMessage (publications)";
        let body = protocol::queue::encode(submission).map_err(|error| unreadable(OPERATION, error))?;
        let call = self
            .client
            .send_message()
            .queue_url(self.way_of(submission))
            .message_group_id(submission.group())
            .message_deduplication_id(submission.deduplication_id())
            .message_body(body);
        call.send().await.map(drop).map_err(|error| translate(OPERATION, &error))
    }

    async fn submit_each(&self, submissions: &[Submission]) -> Vec<Result<()>> {
        let mut results: Vec<Result<()>> = submissions.iter().map(|_| Err(Error::held_back(SUBMIT_EACH))).collect();
        for url in [&self.publications, &self.publications_held] {
            let going = submissions.iter().enumerate().filter(|(_, submission)| self.way_of(submission) == url);
            let (places, going): (Vec<usize>, Vec<&Submission>) = going.unzip();
            if going.is_empty() {
                continue;
            }
            let sent = match going.into_iter().map(Entry::of_submission).collect::<Result<Vec<Entry>>>() {
                Ok(entries) => self.send_each(SUBMIT_EACH, url, &entries).await,
                Err(error) => places.iter().map(|_| Err(error.again())).collect(),
            };
            places.into_iter().zip(sent).for_each(|(place, result)| results[place] = result);
        }
        results
    }
}

impl DeadLetters for Queues {
    async fn bury_letter(&self, letter: &DeadLetter) -> Result<()> {
        const OPERATION: &str = "SQS SendMessage (dead letter)";
        let text = |value: &str| {
            let attribute = MessageAttributeValue::builder().data_type("String").string_value(printable(value));
            attribute.build().map_err(|error| unreadable(OPERATION, error))
        };
        let url = self.dead(&letter.source).ok_or_else(|| {
            unreadable(OPERATION, format_args!("there is no queue for dead letters of {:?}", letter.source))
        })?;
        let mut call = self.client.send_message().queue_url(url).message_body(portable_json(&letter.body));
        for (name, value) in described(letter) {
            call = call.message_attributes(name, text(&value)?);
        }
        if url.ends_with(FIFO) {
            // A letter without a group is a group of its own, so that its redrive waits for no
            // other letter.
            let group = letter.group.as_deref().unwrap_or(&letter.id);
            call = call.message_group_id(group).message_deduplication_id(&letter.id);
        }
        call.send().await.map(drop).map_err(|error| translate(OPERATION, &error))
    }
}

/// Returns the message attributes of a letter, by which it can be judged without its body.
fn described(letter: &DeadLetter) -> impl Iterator<Item = (&'static str, String)> {
    let missed = |Range { epoch, after, through }: &Range| format!("{epoch}.{}-{through}", after.next());
    let all = [
        ("reason", Some(letter.reason.clone())),
        ("source", Some(letter.source.clone())),
        ("group", letter.group.clone()),
        ("room", letter.room.as_ref().map(ToString::to_string)),
        ("missed", letter.missed.as_ref().map(missed)),
    ];
    all.into_iter().filter_map(|(name, value)| Some((name, value?)))
}

impl Jobs for Queues {
    async fn dispatch(&self, jobs: &[Job]) -> Result<()> {
        for line in [Line::Narrow, Line::Wide] {
            let parts = jobs.iter().filter(|job| job.line == line).map(Entry::of_job);
            let sent = self.send_each(DISPATCH, self.line(line), &parts.collect::<Result<Vec<_>>>()?).await;
            sent.into_iter().collect::<Result<()>>()?;
        }
        Ok(())
    }
}

impl Checks for Queues {
    async fn check_after(&self, check: &Check, delay: Duration) -> Result<()> {
        const OPERATION: &str = "SQS SendMessage (check)";
        let body = protocol::queue::encode(check).map_err(|error| unreadable(OPERATION, error))?;
        let seconds = delay.min(LONGEST_DELAY).as_millis().div_ceil(1_000);
        let call = self.client.send_message().queue_url(&self.checks).message_body(body);
        let call = call.delay_seconds(i32::try_from(seconds).unwrap_or(i32::MAX));
        call.send().await.map(drop).map_err(|error| translate(OPERATION, &error))
    }
}

impl Retries for Queues {
    async fn retry_after(&self, receipt: &Receipt, pause: Duration) -> Result<()> {
        let seconds = i32::try_from(pause.as_millis().div_ceil(1_000)).unwrap_or(i32::MAX);
        let call =
            self.client.change_message_visibility().queue_url(self.own(receipt)?).receipt_handle(&receipt.handle);
        let call = call.visibility_timeout(seconds);
        call.send().await.map(drop).map_err(|error| translate("SQS ChangeMessageVisibility", &error))
    }
}

/// Returns the last part of a queue's URL, which is its name.
fn name_of(url: &str) -> &str {
    url.rsplit('/').next().unwrap_or_default()
}

/// One message for a FIFO queue.
struct Entry {
    group: String,
    deduplication_id: String,
    body: String,
}

impl Entry {
    fn of_job(job: &Job) -> Result<Self> {
        let body = protocol::queue::encode(job).map_err(|error| unreadable(DISPATCH, error))?;
        Ok(Self { group: job.group(), deduplication_id: job.deduplication_id(), body })
    }

    fn of_submission(submission: &Submission) -> Result<Self> {
        let body = protocol::queue::encode(submission).map_err(|error| unreadable(SUBMIT_EACH, error))?;
        Ok(Self { group: submission.group(), deduplication_id: submission.deduplication_id(), body })
    }

    fn request(&self, at: usize, operation: &'static str) -> Result<SendMessageBatchRequestEntry> {
        let entry = SendMessageBatchRequestEntry::builder()
            .id(at.to_string())
            .message_group_id(&self.group)
            .message_deduplication_id(&self.deduplication_id)
            .message_body(&self.body);
        entry.build().map_err(|error| unreadable(operation, error))
    }
}

/// Splits messages into consecutive rounds, with no group twice in a round. Inside a round calls
/// may overtake each other and entries may fail, and still no message overtakes another one of its
/// group.
fn one_per_group(entries: &[Entry]) -> Vec<Vec<usize>> {
    let mut rounds: Vec<Vec<usize>> = Vec::new();
    let mut sent: HashMap<&str, usize> = HashMap::new();
    for (at, entry) in entries.iter().enumerate() {
        let round = sent.entry(&entry.group).or_default();
        if rounds.len() == *round {
            rounds.push(Vec::new());
        }
        rounds[*round].push(at);
        *round += 1;
    }
    rounds
}

/// Splits a round into batches of at most ten messages, and of at most the bytes that one call
/// takes.
fn calls(entries: &[Entry], round: Vec<usize>) -> Vec<Vec<usize>> {
    let (mut calls, mut bytes): (Vec<Vec<usize>>, usize) = (Vec::new(), 0);
    for at in round {
        let more = entries[at].body.len();
        let full = calls.last().is_none_or(|call| call.len() == ENTRIES_PER_BATCH || bytes + more > BYTES_PER_BATCH);
        if full {
            calls.push(Vec::new());
            bytes = 0;
        }
        bytes += more;
        if let Some(call) = calls.last_mut() {
            call.push(at);
        }
    }
    calls
}

/// Makes a text fit a message attribute: without control characters, without characters that queues
/// refuse, and cut to [`REASON_LETTERS`].
fn printable(text: &str) -> String {
    let shown = |letter: char| if letter.is_control() || !is_portable(letter) { ' ' } else { letter };
    text.chars().map(shown).take(REASON_LETTERS).collect()
}

//! SQS: the way to the sequencer, and to the fan-out.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use aws_sdk_sqs::Client;
use aws_sdk_sqs::types::SendMessageBatchRequestEntry;
use domain::ports::{Jobs, Receipt, Result, Retries, Submissions};
use domain::{Job, Line, Submission};
use futures::{StreamExt, TryStreamExt, stream};

use crate::account::{Account, one_retry, service_config, time_limits};
use crate::errors::{translate, undone, unreadable};

/// A call to SQS, its retry included, ends after this.
pub const QUEUE_TIMEOUT: Duration = Duration::from_millis(2_000);
const ATTEMPT_TIMEOUT: Duration = Duration::from_millis(1_200);
/// Entries that one `SendMessageBatch` takes.
const ENTRIES_PER_BATCH: usize = 10;
/// `SendMessageBatch` calls in flight: a thousand shards are a hundred calls.
const BATCHES_IN_FLIGHT: usize = 8;
/// Rounds after which entries that are never taken are given up.
const ROUNDS_PER_BATCH: usize = 3;

/// The queues a function knows; those it does not are left empty.
#[derive(Debug, Clone)]
pub struct Queues {
    client: Client,
    publications: String,
    deliveries: String,
    deliveries_wide: String,
    own: Vec<String>,
}

impl Queues {
    /// Without any queue; see the `with_…` functions.
    #[must_use]
    pub fn new(account: &Account) -> Self {
        let limits = time_limits(QUEUE_TIMEOUT, ATTEMPT_TIMEOUT);
        let config = service_config!(aws_sdk_sqs, account, account.endpoint(), limits, one_retry());
        let client = Client::from_conf(config);
        let none = String::new;
        Self { client, publications: none(), deliveries: none(), deliveries_wide: none(), own: Vec::new() }
    }

    /// May submit.
    #[must_use]
    pub fn with_publications(self, url: String) -> Self {
        Self { publications: url, ..self }
    }

    /// May dispatch jobs.
    #[must_use]
    pub fn with_deliveries(self, narrow: String, wide: String) -> Self {
        Self { deliveries: narrow, deliveries_wide: wide, ..self }
    }

    /// May change when messages of these queues come back.
    #[must_use]
    pub fn with_own(self, urls: Vec<String>) -> Self {
        Self { own: urls, ..self }
    }

    /// The URL of the queue a message came from: its last part is the queue's name.
    fn own(&self, receipt: &Receipt) -> Result<&str> {
        let url = self.own.iter().find(|url| url.rsplit('/').next() == Some(receipt.queue.as_str()));
        url.map(String::as_str).ok_or_else(|| {
            unreadable(
                "SQS ChangeMessageVisibility",
                format_args!("{:?} is not a queue of this function", receipt.queue),
            )
        })
    }

    fn line(&self, line: Line) -> &str {
        match line {
            Line::Narrow => &self.deliveries,
            Line::Wide => &self.deliveries_wide,
        }
    }

    async fn send(&self, url: &str, mut entries: Vec<SendMessageBatchRequestEntry>) -> Result<()> {
        const OPERATION: &str = "SQS SendMessageBatch (jobs)";
        let mut problem = String::new();
        for _ in 0..ROUNDS_PER_BATCH {
            let call = self.client.send_message_batch().queue_url(url).set_entries(Some(entries.clone()));
            let answer = call.send().await.map_err(|error| translate(OPERATION, &error))?;
            if let Some(failed) = answer.failed().iter().find(|failed| failed.sender_fault()) {
                return Err(unreadable(
                    OPERATION,
                    format_args!("{}: {}", failed.code(), failed.message().unwrap_or_default()),
                ));
            }
            let done: HashSet<&str> = answer.successful().iter().map(|entry| entry.id()).collect();
            entries.retain(|entry| !done.contains(entry.id()));
            if entries.is_empty() {
                return Ok(());
            }
            problem = answer.failed().first().map(|failed| failed.code().to_owned()).unwrap_or_default();
        }
        Err(undone(OPERATION, format_args!("{} entries were not taken: {problem}", entries.len())))
    }
}

impl Submissions for Queues {
    async fn submit(&self, submission: &Submission) -> Result<()> {
        const OPERATION: &str = "SQS SendMessage (publications)";
        let body = protocol::queue::encode(submission).map_err(|error| unreadable(OPERATION, error))?;
        let call = self
            .client
            .send_message()
            .queue_url(&self.publications)
            .message_group_id(submission.group())
            .message_deduplication_id(submission.deduplication_id())
            .message_body(body);
        call.send().await.map(drop).map_err(|error| translate(OPERATION, &error))
    }
}

impl Jobs for Queues {
    async fn dispatch(&self, jobs: &[Job]) -> Result<()> {
        for line in [Line::Narrow, Line::Wide] {
            for round in one_per_group(jobs.iter().filter(|job| job.line == line)) {
                let calls = round.chunks(ENTRIES_PER_BATCH).map(entries).collect::<Result<Vec<_>>>()?;
                let sends = stream::iter(calls).map(|entries| self.send(self.line(line), entries));
                sends.buffer_unordered(BATCHES_IN_FLIGHT).try_collect::<()>().await?;
            }
        }
        Ok(())
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

/// Splits jobs into rounds, one after the other, with no group twice in a round: inside a round calls may overtake each
/// other and entries may fail, and no job overtakes another one of its group.
fn one_per_group<'a>(jobs: impl Iterator<Item = &'a Job>) -> Vec<Vec<&'a Job>> {
    let mut rounds: Vec<Vec<&Job>> = Vec::new();
    let mut sent: HashMap<String, usize> = HashMap::new();
    for job in jobs {
        let round = sent.entry(job.group()).or_default();
        if rounds.len() == *round {
            rounds.push(Vec::new());
        }
        rounds[*round].push(job);
        *round += 1;
    }
    rounds
}

fn entries(jobs: &[&Job]) -> Result<Vec<SendMessageBatchRequestEntry>> {
    const OPERATION: &str = "SQS SendMessageBatch (jobs)";
    let entry = |(at, job): (usize, &&Job)| {
        let body = protocol::queue::encode(job).map_err(|error| unreadable(OPERATION, error))?;
        let entry = SendMessageBatchRequestEntry::builder()
            .id(at.to_string())
            .message_group_id(job.group())
            .message_deduplication_id(job.deduplication_id())
            .message_body(body);
        entry.build().map_err(|error| unreadable(OPERATION, error))
    };
    jobs.iter().enumerate().map(entry).collect()
}

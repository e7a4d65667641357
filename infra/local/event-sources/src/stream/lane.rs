//! Processes one batch of a lane until every record of it is done or given up.

use std::sync::Arc;

use jiff::Timestamp;
use local_faults::Fault;
use local_invoke::{Error, Invoke};
use tokio::sync::mpsc::UnboundedSender;

use super::Mapping;
use super::on_failure::{Condition, Failure, GivenUp};
use super::retry::{self, Batch, Next, Outcome, Rules};
use super::shard::{Read, Report};
use crate::cut;
use crate::partial::{self, Reported};

/// The records of one lane, and the channel that receives its reports.
struct Work {
    shard: Arc<str>,
    lane: usize,
    records: Vec<Read>,
    reports: UnboundedSender<Report>,
    /// The failure of the last invocation.
    failure: Failure,
}

impl<I: Invoke> Mapping<I> {
    /// Invokes the function with `records`, and retries the remaining records, until none is left
    /// or the mapping is stopped.
    pub(super) async fn deliver(
        self: Arc<Self>,
        shard: Arc<str>,
        lane: usize,
        records: Vec<Read>,
        reports: UnboundedSender<Report>,
    ) {
        let _running = self.counters.run();
        let mut work = Work { shard, lane, records, reports, failure: Failure::NotInvoked };
        self.work_through(&mut work).await;
        work.report(Vec::new(), true);
    }

    async fn work_through(&self, work: &mut Work) {
        let rules = Rules {
            maximum_retries: self.source.maximum_retry_attempts,
            bisect: self.source.bisect_batch_on_function_error,
        };
        let mut batches = vec![Batch::new(0..work.records.len())];
        let mut unreached = 0;
        while let Some(batch) = batches.pop() {
            let Some(mut batch) = self.without_aged(work, batch).await else { continue };
            let outcome = self.invoke(work, &mut batch).await;
            unreached = if outcome == Outcome::NotReached { unreached + 1 } else { 0 };
            match retry::next(rules, &batch, outcome) {
                Next::Done => work.done(&batch, batch.records.len()),
                Next::GiveUp { done, batch: rest } => {
                    work.done(&batch, done);
                    self.forget(work, &rest, Condition::RetryAttemptsExhausted).await;
                }
                Next::Again { done, batches: rest, wait } => {
                    work.done(&batch, done);
                    let failures = rest.first().map_or(0, |batch| batch.failures);
                    batches.extend(rest.into_iter().rev());
                    let goes_on = match (wait, unreached) {
                        (false, _) => !self.stop.is_cancelled(),
                        (true, 0) => self.pause(self.pace.stream_retry.after(failures)).await,
                        (true, _) => self.pause(self.pace.throttled.after(unreached)).await,
                    };
                    if !goes_on {
                        return;
                    }
                }
            }
        }
    }

    /// Gives up records that are too old. Returns `None` if no record is left.
    async fn without_aged(&self, work: &Work, batch: Batch) -> Option<Batch> {
        let Some(limit) = self.source.maximum_record_age else { return Some(batch) };
        let oldest_s = Timestamp::now().as_second() - i64::try_from(limit.as_secs()).unwrap_or(i64::MAX);
        let records = &work.records[batch.records.clone()];
        let aged = records.iter().take_while(|record| record.created_s < oldest_s).count();
        if aged > 0 {
            let old = Batch { records: batch.records.start..batch.records.start + aged, ..batch.clone() };
            self.forget(work, &old, Condition::RecordAgeExceeded).await;
        }
        Some(batch.from(aged)).filter(|rest| !rest.records.is_empty())
    }

    async fn forget(&self, work: &Work, batch: &Batch, condition: Condition) {
        let records = &work.records[batch.records.clone()];
        let (shard, failure, invocations) = (&work.shard, work.failure, batch.invocations);
        self.give_up(GivenUp { shard, records, condition, failure, invocations }).await;
        work.done(batch, records.len());
    }

    async fn invoke(&self, work: &mut Work, batch: &mut Batch) -> Outcome {
        let records = &work.records[batch.records.clone()];
        let event = cut::event(records.iter().map(|record| record.json.as_str()));
        if let Some(last) = records.last() {
            let age_ms = Timestamp::now().as_millisecond() - last.created_s.saturating_mul(1_000);
            self.counters.iterator_age(age_ms.try_into().unwrap_or(0));
        }
        let answer = self.invoker.invoke(&self.source.function, event).await;
        let (outcome, failure) = match answer {
            Err(Error::Throttled(_)) => {
                self.counters.throttles.add(1);
                return Outcome::NotReached;
            }
            Err(error @ (Error::NotFound(_) | Error::Stopping)) => {
                tracing::debug!(function = self.source.function, %error, "cannot invoke the function: the batch is retried");
                return Outcome::NotReached;
            }
            Err(error @ (Error::Failed { .. } | Error::TooLarge(_))) => {
                tracing::debug!(function = self.source.function, %error, "invocation failed: the batch is retried, split or given up");
                (Outcome::Failed, Failure::Unhandled)
            }
            Ok(_) if self.faults.fires(Fault::StreamAgain) => (Outcome::Failed, Failure::Unhandled),
            Ok(answer) => (self.read_answer(&answer, records), Failure::Reported),
        };
        batch.invocations += 1;
        work.failure = failure;
        self.counters.batches.add(1);
        self.counters.failures.add(usize::from(outcome != Outcome::Done));
        outcome
    }

    fn read_answer(&self, answer: &[u8], records: &[Read]) -> Outcome {
        if !self.source.report_batch_item_failures {
            return Outcome::Done;
        }
        let identifiers: Vec<&str> = records.iter().map(|record| record.sequence_number.as_str()).collect();
        match partial::read(answer, &identifiers) {
            Reported::AllDone => Outcome::Done,
            Reported::Failed(places) => Outcome::FailedFrom(places.first().copied().unwrap_or(0)),
            Reported::NotUnderstood => {
                tracing::warn!(
                    function = self.source.function,
                    "answer to a batch of records is not valid: all its records count as failed"
                );
                Outcome::Failed
            }
        }
    }
}

impl Work {
    /// Reports the first `count` records of the batch as done.
    fn done(&self, batch: &Batch, count: usize) {
        let records = &self.records[batch.records.clone()];
        self.report(records.iter().take(count).map(|record| record.place).collect(), false);
    }

    fn report(&self, done: Vec<u64>, is_free: bool) {
        // The receiver is dropped only when the whole mapping is dropped.
        drop(self.reports.send(Report { lane: self.lane, done, is_free }));
    }
}

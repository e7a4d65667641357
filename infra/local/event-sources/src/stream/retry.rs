//! Computes the next batch of a shard after an invocation. Pure.
//!
//! AWS's rules: all records from the lowest failure on are retried. The shard, or its lane, is
//! blocked meanwhile. A split in two does not count as a retry. Throttles do not count either,
//! because the function was not reached.

use std::ops::Range;

/// The settings of the mapping that limit retries.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rules {
    pub(super) maximum_retries: Option<u32>,
    pub(super) bisect: bool,
}

/// A run of consecutive records, and the number of its failures.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Batch {
    /// Places in the run of records that was read.
    pub(super) records: Range<usize>,
    /// Failed invocations that count as attempts.
    pub(super) failures: u32,
    /// Invocations that reached the function. The message to the on-failure queue contains this
    /// number.
    pub(super) invocations: u32,
}

/// The result of an invocation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Outcome {
    /// Every record is done.
    Done,
    /// The answer names a failure: records from this place of the batch on failed.
    FailedFrom(usize),
    /// The invocation failed.
    Failed,
    /// The function was not reached.
    NotReached,
}

/// The next action for a batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Next {
    /// The batch is done.
    Done,
    /// Records before place `done` of the batch are done. Invoke the function with `batches`, in
    /// order.
    Again { done: usize, batches: Vec<Batch>, wait: bool },
    /// Give up `batch`. Records before it are done.
    GiveUp { done: usize, batch: Batch },
}

impl Batch {
    pub(super) fn new(records: Range<usize>) -> Self {
        Self { records, failures: 0, invocations: 0 }
    }

    /// Returns the part of the batch from `place` on.
    pub(super) fn from(&self, place: usize) -> Self {
        Self { records: self.records.start + place..self.records.end, ..self.clone() }
    }

    fn halves(&self) -> Vec<Self> {
        let middle = self.records.start + self.records.len().div_ceil(2);
        let half = |records| Self { records, ..self.clone() };
        vec![half(self.records.start..middle), half(middle..self.records.end)]
    }
}

/// Decides the next action. `batch` already counts the invocation.
pub(super) fn next(rules: Rules, batch: &Batch, outcome: Outcome) -> Next {
    let failed_from = match outcome {
        Outcome::Done => return Next::Done,
        Outcome::NotReached => return Next::Again { done: 0, batches: vec![batch.clone()], wait: true },
        Outcome::Failed => 0,
        Outcome::FailedFrom(place) => place.min(batch.records.len()),
    };
    let rest = batch.from(failed_from);
    // The answer named the place at which to split.
    if rules.bisect && failed_from > 0 {
        return Next::Again { done: failed_from, batches: vec![rest], wait: false };
    }
    if rules.bisect && rest.records.len() > 1 {
        return Next::Again { done: 0, batches: rest.halves(), wait: false };
    }
    let rest = Batch { failures: rest.failures + 1, ..rest };
    if rules.maximum_retries.is_some_and(|retries| rest.failures > retries) {
        return Next::GiveUp { done: failed_from, batch: rest };
    }
    Next::Again { done: failed_from, batches: vec![rest], wait: true }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const FOREVER: Rules = Rules { maximum_retries: None, bisect: false };
    const ONCE: Rules = Rules { maximum_retries: Some(1), bisect: false };
    const BISECT: Rules = Rules { maximum_retries: Some(1), bisect: true };

    fn batch(records: Range<usize>, failures: u32) -> Batch {
        Batch { records, failures, invocations: 0 }
    }

    fn again(done: usize, batches: Vec<Batch>, wait: bool) -> Next {
        Next::Again { done, batches, wait }
    }

    #[test]
    fn a_batch_that_failed_is_retried_whole() {
        assert_eq!(next(FOREVER, &batch(0..4, 0), Outcome::Failed), again(0, vec![batch(0..4, 1)], true));
    }

    #[test]
    fn a_batch_is_given_up_after_its_retries() {
        assert_eq!(next(ONCE, &batch(0..4, 0), Outcome::Failed), again(0, vec![batch(0..4, 1)], true));
        assert_eq!(next(ONCE, &batch(0..4, 1), Outcome::Failed), Next::GiveUp { done: 0, batch: batch(0..4, 2) });
    }

    #[test]
    fn without_retries_the_first_failure_is_the_last() {
        let never = Rules { maximum_retries: Some(0), bisect: false };
        assert!(matches!(next(never, &batch(0..4, 0), Outcome::Failed), Next::GiveUp { .. }));
    }

    #[test]
    fn everything_from_the_lowest_failure_on_is_retried() {
        assert_eq!(next(FOREVER, &batch(0..4, 0), Outcome::FailedFrom(2)), again(2, vec![batch(2..4, 1)], true));
    }

    #[test]
    fn a_batch_is_split_in_two_without_counting_as_a_retry() {
        let halves = vec![batch(0..3, 0), batch(3..5, 0)];
        assert_eq!(next(BISECT, &batch(0..5, 0), Outcome::Failed), again(0, halves, false));
        assert_eq!(next(BISECT, &batch(0..1, 0), Outcome::Failed), again(0, vec![batch(0..1, 1)], true));
    }

    #[test]
    fn a_named_failure_says_where_to_split() {
        assert_eq!(next(BISECT, &batch(0..5, 0), Outcome::FailedFrom(3)), again(3, vec![batch(3..5, 0)], false));
    }

    #[test]
    fn a_throttle_is_no_attempt() {
        assert_eq!(next(ONCE, &batch(0..4, 1), Outcome::NotReached), again(0, vec![batch(0..4, 1)], true));
    }

    proptest! {
        /// With bisect, only the poisonous record is given up and every other record is done.
        #[test]
        fn bisecting_gives_up_on_the_poison_alone(size in 1..60usize, poison in 0..60usize) {
            let poison = poison % size;
            let (mut given_up, mut done) = (Vec::new(), Vec::new());
            let mut work = vec![Batch::new(0..size)];
            while let Some(batch) = work.pop() {
                let outcome = if batch.records.contains(&poison) { Outcome::Failed } else { Outcome::Done };
                match next(BISECT, &batch, outcome) {
                    Next::Done => done.extend(batch.records),
                    Next::Again { batches, .. } => work.extend(batches.into_iter().rev()),
                    Next::GiveUp { batch, .. } => given_up.extend(batch.records),
                }
            }
            prop_assert_eq!(given_up, vec![poison]);
            prop_assert_eq!(done, (0..size).filter(|place| *place != poison).collect::<Vec<_>>());
        }

        #[test]
        fn no_record_is_forgotten(size in 1..20usize, from in 0..20usize, bisect: bool, failures in 0..4u32) {
            let rules = Rules { maximum_retries: Some(2), bisect };
            let batch = batch(0..size, failures);
            let (done, rest) = match next(rules, &batch, Outcome::FailedFrom(from % size)) {
                Next::Done => (size, vec![]),
                Next::Again { done, batches, .. } => (done, batches),
                Next::GiveUp { done, batch } => (done, vec![batch]),
            };
            let places: Vec<usize> = (0..done).chain(rest.into_iter().flat_map(|batch| batch.records)).collect();
            prop_assert_eq!(places, (0..size).collect::<Vec<_>>());
        }
    }
}

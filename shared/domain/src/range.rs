//! Ranges: runs of a room's log.

use serde::{Deserialize, Serialize};

use crate::position::{Epoch, Sequence};

/// A run of the log: the positions after `after` up to and including `through`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Range {
    /// The epoch of the positions.
    #[serde(rename = "ep")]
    pub epoch: Epoch,
    /// Exclusive lower bound.
    pub after: Sequence,
    /// Inclusive upper bound.
    pub through: Sequence,
}

impl Range {
    /// Returns the part of the range that a shard lacks after it was given `done`; `None` if it
    /// lacks nothing. If `done` lies in the middle, the result is the whole range, because a range
    /// has no holes.
    #[must_use]
    pub fn without(&self, done: &Self) -> Option<Self> {
        if done.epoch != self.epoch || done.through <= self.after || self.through <= done.after {
            return Some(self.clone());
        }
        match (done.after <= self.after, self.through <= done.through) {
            (true, true) => None,
            (true, false) => Some(Self { after: done.through, ..self.clone() }),
            (false, true) => Some(Self { through: done.after, ..self.clone() }),
            (false, false) => Some(self.clone()),
        }
    }

    /// Returns true if every position of `other` is in this range.
    #[must_use]
    pub fn contains(&self, other: &Self) -> bool {
        self.epoch == other.epoch && self.after <= other.after && other.through <= self.through
    }

    /// Returns true if no position after this range is known to be delivered. Then every later row
    /// of the log is still owed.
    #[must_use]
    pub fn is_last_after(&self, done: &Self) -> bool {
        done.epoch != self.epoch || done.through <= self.through
    }

    /// Extends the range by `count` positions at its end.
    #[must_use]
    pub fn and_more(&self, count: u64) -> Self {
        Self { through: Sequence::new(self.through.get().saturating_add(count)), ..self.clone() }
    }

    /// Combines a delivered range with the previously delivered range `done`. If they touch, the
    /// result is both. Otherwise it is this range alone, since one range cannot describe a hole.
    #[must_use]
    pub fn added_to(self, done: Option<&Self>) -> Self {
        let Some(done) = done else { return self };
        let mut joined = done.clone();
        if joined.join(&self) { joined } else { self }
    }

    /// Extends the range by one that touches or overlaps it. Returns false, and changes nothing, if
    /// it does not.
    fn join(&mut self, other: &Self) -> bool {
        let touches = self.epoch == other.epoch && other.after <= self.through && self.after <= other.through;
        if touches {
            self.after = self.after.min(other.after);
            self.through = self.through.max(other.through);
        }
        touches
    }
}

/// Joins ranges that touch or overlap, in order. So publications that became durable while a shard
/// was served are one range.
#[must_use]
pub fn coalesce(ranges: impl IntoIterator<Item = Range>) -> Vec<Range> {
    let mut joined: Vec<Range> = Vec::new();
    for range in ranges {
        if !joined.last_mut().is_some_and(|last| last.join(&range)) {
            joined.push(range);
        }
    }
    joined
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    fn range(epoch: &str, after: u64, through: u64) -> Range {
        Range { epoch: Epoch::parse(epoch).unwrap(), after: Sequence::new(after), through: Sequence::new(through) }
    }

    fn positions<'a>(ranges: impl IntoIterator<Item = &'a Range>) -> BTreeSet<u64> {
        ranges.into_iter().flat_map(|range| range.after.get() + 1..=range.through.get()).collect()
    }

    fn some_range() -> impl Strategy<Value = Range> {
        (0_u64..30, 1_u64..9).prop_map(|(after, length)| range("e", after, after + length))
    }

    #[test]
    fn ranges_that_touch_become_one() {
        assert_eq!(coalesce([range("e", 5, 8), range("e", 8, 10)]), [range("e", 5, 10)]);
        assert_eq!(coalesce([range("e", 5, 8), range("e", 5, 10)]), [range("e", 5, 10)]);
        assert_eq!(coalesce([range("e", 5, 8), range("e", 9, 10)]).len(), 2);
        assert_eq!(coalesce([range("e", 5, 8), range("f", 8, 10)]).len(), 2);
    }

    #[test]
    fn what_is_done_of_another_epoch_is_done_for_nobody() {
        let (job, done) = (range("e", 5, 8), range("f", 0, 9));
        assert_eq!(job.without(&done), Some(job.clone()));
        assert_eq!(job.clone().added_to(Some(&done)), job);
        assert!(job.is_last_after(&done));
    }

    proptest! {
        #[test]
        fn coalescing_keeps_every_position(ranges in prop::collection::vec(some_range(), 0..10)) {
            prop_assert_eq!(positions(&coalesce(ranges.clone())), positions(&ranges));
        }

        #[test]
        fn what_is_left_is_all_that_is_not_done_and_no_more_unless_a_hole_would_be_left(job in some_range(), done in some_range()) {
            let left = positions(&job.without(&done));
            let owed: BTreeSet<u64> = positions([&job]).difference(&positions([&done])).copied().collect();
            let has_a_hole = owed.iter().zip(owed.iter().skip(1)).any(|(one, next)| one + 1 != *next);
            prop_assert_eq!(left, if has_a_hole { positions([&job]) } else { owed });
        }

        #[test]
        fn nothing_counts_as_done_that_was_not_delivered(delivered in prop::collection::vec(some_range(), 1..10)) {
            let mut done = None;
            for (n, range) in delivered.iter().enumerate() {
                done = Some(range.clone().added_to(done.as_ref()));
                prop_assert!(positions(&done).is_subset(&positions(&delivered[..=n])));
                prop_assert_eq!(range.without(done.as_ref().unwrap()), None);
            }
        }
    }
}

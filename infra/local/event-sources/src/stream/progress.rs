//! Tracks the position in a shard: the last record up to which every record is done.

use std::collections::VecDeque;

/// Records in the order of the shard, each done or open.
#[derive(Debug, Default)]
pub(super) struct Progress {
    /// The first of these records is not done.
    open: VecDeque<(String, bool)>,
    /// Number of records that were done and removed from the front.
    done: u64,
}

impl Progress {
    /// Adds the next record. Returns its place, by which it is reported as done.
    pub(super) fn read(&mut self, sequence_number: String) -> u64 {
        self.open.push_back((sequence_number, false));
        self.done + self.open.len() as u64 - 1
    }

    /// Marks the records at `places` as done. Returns the new checkpoint if it moved.
    pub(super) fn done(&mut self, places: impl IntoIterator<Item = u64>) -> Option<String> {
        for place in places {
            let index = place.checked_sub(self.done).and_then(|index| usize::try_from(index).ok());
            if let Some((_, done)) = index.and_then(|index| self.open.get_mut(index)) {
                *done = true;
            }
        }
        let mut checkpoint = None;
        while let Some((sequence_number, _)) = self.open.pop_front_if(|(_, done)| *done) {
            self.done += 1;
            checkpoint = Some(sequence_number);
        }
        checkpoint
    }

    /// Returns the number of records from the first open one to the last.
    pub(super) fn open(&self) -> usize {
        self.open.len()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(count: usize) -> Progress {
        let mut progress = Progress::default();
        for number in 0..count {
            assert_eq!(progress.read(number.to_string()), number as u64);
        }
        progress
    }

    #[test]
    fn the_checkpoint_is_behind_the_first_record_that_is_not_done() {
        let mut progress = read(4);
        assert_eq!(progress.done([1, 2]), None);
        assert_eq!(progress.done([0]).as_deref(), Some("2"));
        assert_eq!(progress.done([3]).as_deref(), Some("3"));
        assert_eq!(progress.open(), 0);
    }

    proptest! {
        #[test]
        fn whatever_the_order_it_never_runs_ahead_and_ends_at_the_last(
            order in Just((0..20u64).collect::<Vec<_>>()).prop_shuffle(),
        ) {
            let mut progress = read(20);
            let mut finished = std::collections::BTreeSet::new();
            let mut last = None;
            for place in order {
                finished.insert(place);
                if let Some(checkpoint) = progress.done([place]) {
                    let checkpoint: u64 = checkpoint.parse().unwrap();
                    prop_assert!((0..=checkpoint).all(|earlier| finished.contains(&earlier)));
                    last = Some(checkpoint);
                }
            }
            prop_assert_eq!(last, Some(19));
        }
    }
}

//! What one member heard, publication by publication.

use std::time::Instant;

/// What one member heard.
#[derive(Debug, Clone, Default)]
pub struct Ledger {
    /// When each publication came first; `None` while it is missing.
    pub arrivals: Vec<Option<Instant>>,
    /// Publications that came again on the wire: the position tells, and the application never sees them.
    pub repeats_on_the_wire: u64,
    /// Publications of a new position that had been there under another one: the application would see them twice.
    pub duplicates: u64,
    /// Which publications it heard, in the order of their positions: the same for every member, or something is wrong.
    pub order: Vec<u32>,
    /// How often the log had to be asked for what did not come.
    pub resumes: u64,
    /// The last position applied.
    pub position: u64,
}

impl Ledger {
    /// Expects this many publications after a position.
    #[must_use]
    pub fn new(publications: usize, position: u64) -> Self {
        Self { arrivals: vec![None; publications], position, ..Self::default() }
    }

    /// The publication at the next position: which one, and when it came.
    pub fn next(&mut self, publication: usize, at: Instant) {
        self.position += 1;
        self.order.push(u32::try_from(publication).unwrap_or(u32::MAX));
        match self.arrivals.get_mut(publication) {
            Some(first @ None) => *first = Some(at),
            Some(Some(_)) | None => self.duplicates += 1,
        }
    }

    /// Whether this member heard the same as another one, as far as both have come.
    #[must_use]
    pub fn agrees_with(&self, other: &Self) -> bool {
        self.order.iter().zip(&other.order).all(|(ours, theirs)| ours == theirs)
    }

    /// How many have not arrived.
    #[must_use]
    pub fn missing(&self) -> usize {
        self.arrivals.iter().filter(|arrival| arrival.is_none()).count()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ledger(heard: &[usize]) -> Ledger {
        let mut ledger = Ledger::new(4, 10);
        heard.iter().for_each(|publication| ledger.next(*publication, Instant::now()));
        ledger
    }

    #[test]
    fn what_is_lost_and_what_is_repeated_are_told_apart() {
        let ledger = ledger(&[0, 1, 1]);
        assert_eq!((ledger.missing(), ledger.duplicates, ledger.position), (2, 1, 13));
    }

    #[test]
    fn another_order_is_found_and_less_of_the_same_is_none() {
        assert!(ledger(&[0, 1, 2]).agrees_with(&ledger(&[0, 1])));
        assert!(!ledger(&[0, 2, 1]).agrees_with(&ledger(&[0, 1, 2])));
    }
}

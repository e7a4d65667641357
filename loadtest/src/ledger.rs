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
    /// Positions that came before one that is smaller.
    pub misordered: u64,
    /// The last position applied.
    pub position: u64,
}

impl Ledger {
    /// Expects this many publications after a position.
    #[must_use]
    pub fn new(publications: usize, position: u64) -> Self {
        Self { arrivals: vec![None; publications], position, ..Self::default() }
    }

    /// A publication arrived: which one, and at which position.
    pub fn arrived(&mut self, publication: usize, position: u64, at: Instant) {
        if position <= self.position {
            self.repeats_on_the_wire += 1;
            return;
        }
        if position != self.position + 1 {
            self.misordered += 1;
        }
        self.position = position;
        match self.arrivals.get_mut(publication) {
            Some(first @ None) => *first = Some(at),
            Some(Some(_)) | None => self.duplicates += 1,
        }
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

    #[test]
    fn what_is_lost_repeated_or_out_of_order_is_told_apart() {
        let now = Instant::now();
        let mut ledger = Ledger::new(4, 10);
        for (publication, position) in [(0, 11), (0, 11), (1, 13), (1, 14)] {
            ledger.arrived(publication, position, now);
        }
        assert_eq!(ledger.missing(), 2);
        assert_eq!((ledger.repeats_on_the_wire, ledger.misordered, ledger.duplicates), (1, 1, 1));
    }
}

//! A set of small numbers with one bit each: the members that have received a publication.

/// A set of small numbers. Numbers below 64 need no allocation.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Bits {
    first: u64,
    rest: Vec<u64>,
    count: usize,
}

const WORD: usize = u64::BITS as usize;

impl Bits {
    /// Adds a number. Returns true if it is new.
    pub fn insert(&mut self, number: usize) -> bool {
        let bit = 1_u64 << (number % WORD);
        let word = match number / WORD {
            0 => &mut self.first,
            word => {
                if word > self.rest.len() {
                    self.rest.resize(word, 0);
                }
                &mut self.rest[word - 1]
            }
        };
        let is_new = *word & bit == 0;
        *word |= bit;
        self.count += usize::from(is_new);
        is_new
    }

    /// Returns true if the set contains the number.
    #[must_use]
    pub fn contains(&self, number: usize) -> bool {
        let word = match number / WORD {
            0 => Some(&self.first),
            word => self.rest.get(word - 1),
        };
        word.is_some_and(|word| word & (1 << (number % WORD)) != 0)
    }

    /// The number of elements.
    #[must_use]
    pub fn len(&self) -> usize {
        self.count
    }

    /// Returns true if the set is empty.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn it_is_a_set(numbers in prop::collection::vec(0_usize..500, 0..200)) {
            let (mut bits, mut set) = (Bits::default(), BTreeSet::new());
            for number in numbers {
                prop_assert_eq!(bits.insert(number), set.insert(number));
            }
            prop_assert_eq!(bits.len(), set.len());
            prop_assert!((0..600).all(|number| bits.contains(number) == set.contains(&number)));
        }
    }
}

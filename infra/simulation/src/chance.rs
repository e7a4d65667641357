//! Everything that is left to chance, from one seed, in runs that do not disturb one another.

use domain::ports::Chance;
use testkit::chance::Seeded;

/// A run of random numbers of one purpose.
#[derive(Debug, Clone)]
pub(crate) struct Dice(Seeded);

impl Dice {
    /// The run of a seed for a purpose: whatever another purpose draws, this one draws the same.
    #[must_use]
    pub(crate) fn new(seed: u64, purpose: u64) -> Self {
        let mixed = Seeded::new(seed ^ purpose.wrapping_mul(0xA24B_AED4_963E_E407));
        Self(Seeded::new(mixed.bits()))
    }

    /// Any number.
    pub(crate) fn bits(&self) -> u64 {
        self.0.bits()
    }

    /// A number below `end`; 0 if that is 0.
    pub(crate) fn below(&self, end: u64) -> u64 {
        self.bits().checked_rem(end).unwrap_or(0)
    }

    /// A number from `from` to `through`.
    pub(crate) fn within(&self, from: u64, through: u64) -> u64 {
        from + self.below(through - from + 1)
    }

    /// Whether something of this probability happens, in 0..=1.
    pub(crate) fn happens(&self, probability: f64) -> bool {
        self.0.fraction() < probability
    }

    /// A fraction in 0..1.
    pub(crate) fn fraction(&self) -> f64 {
        self.0.fraction()
    }

    /// The same run, for those who take chance as a port.
    #[must_use]
    pub(crate) fn seeded(&self) -> Seeded {
        self.0.clone()
    }
}

//! All random decisions of a run come from its seed. Each purpose has its own stream of numbers, so
//! that a change of one does not change the others.

use domain::ports::Chance;
use testkit::chance::Seeded;

/// A stream of random numbers for one purpose.
#[derive(Debug, Clone)]
pub(crate) struct Dice(Seeded);

impl Dice {
    /// The stream of a seed for a purpose. It does not depend on how many numbers other purposes
    /// draw.
    #[must_use]
    pub(crate) fn new(seed: u64, purpose: u64) -> Self {
        let mixed = Seeded::new(seed ^ purpose.wrapping_mul(0xA24B_AED4_963E_E407));
        Self(Seeded::new(mixed.bits()))
    }

    /// A number of 64 random bits.
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

    /// Draws whether something with this probability (0..=1) happens.
    pub(crate) fn happens(&self, probability: f64) -> bool {
        self.0.fraction() < probability
    }

    /// A fraction in 0..1.
    pub(crate) fn fraction(&self) -> f64 {
        self.0.fraction()
    }

    /// The same stream as the port `Chance` of the functions.
    #[must_use]
    pub(crate) fn seeded(&self) -> Seeded {
        self.0.clone()
    }
}

//! Ways to decide which calls fail.

use domain::ports::Chance;

use super::{Call, Decide, Fault, How, Operation};
use crate::chance::Seeded;

/// Fails named calls; every other call passes. If several rules apply to a call, the first is used.
#[derive(Debug, Clone, Default)]
pub struct Plan(Vec<Rule>);

#[derive(Debug, Clone, Copy)]
struct Rule {
    operation: Operation,
    /// The number of the call; `None` for every call.
    number: Option<u32>,
    fault: Fault,
}

impl Plan {
    /// A plan without faults.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a fault for the `number`-th call of an operation, from 1.
    #[must_use]
    pub fn nth(mut self, operation: Operation, number: u32, fault: Fault) -> Self {
        self.0.push(Rule { operation, number: Some(number), fault });
        self
    }

    /// Adds a fault for every call of an operation.
    #[must_use]
    pub fn always(mut self, operation: Operation, fault: Fault) -> Self {
        self.0.push(Rule { operation, number: None, fault });
        self
    }
}

impl Decide for Plan {
    fn decide(&self, call: Call) -> Fault {
        let holds =
            |rule: &&Rule| rule.operation == call.operation && rule.number.is_none_or(|number| number == call.number);
        self.0.iter().find(holds).map_or(Fault::Pass, |rule| rule.fault)
    }
}

/// Random faults: each call fails with the same probability, before, halfway or after its effect,
/// throttled or unavailable. The same seed fails the same calls in every run, if the calls come in
/// the same order.
#[derive(Debug, Clone)]
pub struct Sometimes {
    chance: Seeded,
    rate: f64,
}

impl Sometimes {
    /// Fails this share of the calls, in 0..=1.
    #[must_use]
    pub fn new(chance: Seeded, rate: f64) -> Self {
        Self { chance, rate }
    }
}

impl Decide for Sometimes {
    fn decide(&self, _: Call) -> Fault {
        if self.chance.fraction() >= self.rate {
            return Fault::Pass;
        }
        let bits = self.chance.bits();
        let how = if bits & 1 == 0 { How::Unavailable } else { How::Throttled };
        match (bits >> 1) % 3 {
            0 => Fault::Before(how),
            1 => Fault::Halfway(how),
            _ => Fault::After(how),
        }
    }
}

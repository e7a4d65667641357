//! Ways to decide which calls fail.

use domain::ports::Chance;

use super::{Call, Decide, Fault, How, Operation};
use crate::chance::Seeded;

/// Faults at named places; every other call passes. Of several rules for one call the first holds.
#[derive(Debug, Clone, Default)]
pub struct Plan(Vec<Rule>);

#[derive(Debug, Clone, Copy)]
struct Rule {
    operation: Operation,
    /// How manieth call; `None` for every one.
    number: Option<u32>,
    fault: Fault,
}

impl Plan {
    /// Every call passes.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The `number`-th call of an operation, from 1, meets this fault.
    #[must_use]
    pub fn nth(mut self, operation: Operation, number: u32, fault: Fault) -> Self {
        self.0.push(Rule { operation, number: Some(number), fault });
        self
    }

    /// Every call of an operation meets this fault.
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

/// Faults now and then: each call fails with the same probability, before, halfway or after its effect, throttled or
/// unavailable. A seed fails the same calls in every run, as long as they come in the same order.
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

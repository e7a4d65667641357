//! Runs a target on many inputs, and measures each.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeValLike;

use crate::mutate::Mutator;
use crate::{ALLOCATOR, Target};

/// What one input may cost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Budget {
    /// Processor time. `None` without a limit: builds without optimisation have none.
    pub cpu: Option<Duration>,
    /// Bytes that are allocated at the same time, beside the input.
    pub memory_bytes: usize,
}

impl Budget {
    /// The budget of an input of 128 KB: 5 ms and 4 MiB.
    pub const FULL: Self = Self { cpu: Some(Duration::from_millis(5)), memory_bytes: 4 * 1024 * 1024 };
}

/// The reason why an input failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Failure {
    /// The target panicked, or one of its checks failed.
    Panicked(String),
    /// The input took more processor time than the budget.
    TooSlow(Duration),
    /// The input made the target hold more bytes than the budget.
    TooLarge(usize),
}

/// The result of a session.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Outcome {
    /// Inputs that were tried.
    pub inputs: u64,
    /// The largest processor time of an input.
    pub most_cpu: Duration,
    /// The most bytes that an input made the target hold.
    pub most_bytes: usize,
    /// The first input that failed, and why.
    pub failed: Option<(Vec<u8>, Failure)>,
}

/// A session of one target.
#[derive(Debug)]
pub struct Session<'a> {
    target: &'a Target,
    budget: Budget,
    seeds: Vec<Vec<u8>>,
    mutator: Mutator,
}

/// Repeats of an input that seems too slow. Other work on the machine makes single runs slow.
const REPEATS: usize = 5;

impl<'a> Session<'a> {
    /// Prepares a session. The same `seed` tries the same inputs.
    #[must_use]
    pub fn new(target: &'a Target, budget: Budget, seed: u64) -> Self {
        Self { target, budget, seeds: target.seeds(), mutator: Mutator::new(seed) }
    }

    /// Tries every seed as it is, then mutated ones while `goes_on` returns true for the processor
    /// time that was used.
    pub fn run(&mut self, goes_on: impl Fn(Duration, u64) -> bool) -> Outcome {
        let began = cpu();
        let mut outcome = Outcome::default();
        for seed in self.seeds.clone() {
            self.try_one(seed, &mut outcome);
        }
        while outcome.failed.is_none() && goes_on(cpu().saturating_sub(began), outcome.inputs) {
            let input = self.mutator.input(&self.seeds);
            self.try_one(input, &mut outcome);
        }
        outcome
    }

    fn try_one(&self, input: Vec<u8>, outcome: &mut Outcome) {
        outcome.inputs += 1;
        let (cpu, bytes, panicked) = self.measure(&input);
        let is_slow = |cpu: Duration| self.budget.cpu.is_some_and(|most| cpu > most);
        let cpu = if is_slow(cpu) { (0..REPEATS).map(|_| self.measure(&input).0).min().unwrap_or(cpu) } else { cpu };
        outcome.most_cpu = outcome.most_cpu.max(cpu);
        outcome.most_bytes = outcome.most_bytes.max(bytes);
        let failure = match panicked {
            Some(reason) => Some(Failure::Panicked(reason)),
            None if is_slow(cpu) => Some(Failure::TooSlow(cpu)),
            None if bytes > self.budget.memory_bytes => Some(Failure::TooLarge(bytes)),
            None => None,
        };
        if let Some(failure) = failure
            && outcome.failed.is_none()
        {
            outcome.failed = Some((input, failure));
        }
    }

    /// Returns the least processor time of some runs of one input, and its most memory in bytes.
    ///
    /// # Errors
    /// [`Failure::Panicked`] if the target panics.
    pub fn cost(&self, input: &[u8], runs: usize) -> Result<(Duration, usize), Failure> {
        let (mut least_cpu, mut most_bytes) = (Duration::MAX, 0);
        for _ in 0..runs {
            let (cpu, bytes, panicked) = self.measure(input);
            if let Some(reason) = panicked {
                return Err(Failure::Panicked(reason));
            }
            (least_cpu, most_bytes) = (least_cpu.min(cpu), most_bytes.max(bytes));
        }
        Ok((least_cpu, most_bytes))
    }

    /// Runs the target once. Returns its processor time, its memory, and the message of a panic.
    fn measure(&self, input: &[u8]) -> (Duration, usize, Option<String>) {
        let held = ALLOCATOR.current_usage();
        ALLOCATOR.reset_peak_usage();
        let began = cpu();
        let ran = catch_unwind(AssertUnwindSafe(|| self.target.run(input)));
        let took = cpu().saturating_sub(began);
        let bytes = ALLOCATOR.peak_usage().saturating_sub(held);
        let reason = ran.err().map(|panic| match panic.downcast_ref::<String>() {
            Some(text) => text.clone(),
            None => panic.downcast_ref::<&str>().map_or_else(String::new, |text| (*text).to_owned()),
        });
        (took, bytes, reason)
    }
}

/// Returns the processor time of this process. A session runs in one thread.
fn cpu() -> Duration {
    let Ok(usage) = getrusage(UsageWho::RUSAGE_SELF) else { return Duration::ZERO };
    let micros = usage.user_time().num_microseconds() + usage.system_time().num_microseconds();
    Duration::from_micros(u64::try_from(micros).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn session(run: fn(&[u8]), seed: u64) -> Outcome {
        let target = Target::new("of the tests", &[b"seed"], run);
        Session::new(&target, Budget { cpu: None, ..Budget::FULL }, seed).run(|_, inputs| inputs < 200)
    }

    #[test]
    fn a_panic_and_an_input_that_needs_too_much_memory_are_found_with_their_input() {
        let (input, failure) = session(|input| assert!(input.len() < 1_000, "too long"), 1).failed.unwrap();
        assert!(input.len() >= 1_000 && matches!(failure, Failure::Panicked(reason) if reason.contains("too long")));
        let large = session(|_| drop(std::hint::black_box(vec![0_u8; 5 * 1024 * 1024])), 1).failed.unwrap();
        assert!(matches!(large.1, Failure::TooLarge(bytes) if bytes >= 5 * 1024 * 1024), "{:?}", large.1);
        assert_eq!(session(|_| {}, 1).failed, None);
    }
}

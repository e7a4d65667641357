//! Who called what, how often, and what came of it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use serde::Serialize;

use super::caller::Caller;

/// The name under which calls are counted that neither a function nor what polls for one has made.
pub(crate) const DEVELOPER: &str = "developer";
/// The name under which the calls are counted with which Lambda polls, for all functions together.
const POLLERS: &str = "pollers";

/// Counts of one action of one caller.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub(crate) struct Count {
    /// Calls that arrived.
    calls: u64,
    /// Calls that were not granted.
    denied: u64,
    /// Calls that were answered with another error: a condition that did not hold, a throttle, a mistake.
    failed: u64,
    /// Capacity that DynamoDB would have charged for them: read units of reads, write units of writes.
    units: f64,
}

/// How a call ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ending {
    Done,
    Denied,
    Failed,
}

/// Counts by caller and by operation, such as `dynamodb:PutItem`.
#[derive(Debug, Default)]
pub(crate) struct Calls {
    counts: Mutex<BTreeMap<Arc<str>, BTreeMap<String, Count>>>,
}

impl Calls {
    pub(crate) fn count(&self, caller: &Caller, operation: &str, ending: Ending, units: f64) {
        let caller = match caller {
            Caller::Function(function) => Arc::clone(function),
            Caller::Poller(_) => POLLERS.into(),
            Caller::Developer | Caller::Nobody => DEVELOPER.into(),
        };
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        let of_caller = counts.entry(caller).or_default();
        // Most calls are of an operation that was seen before: it costs no allocation.
        if !of_caller.contains_key(operation) {
            of_caller.insert(operation.to_owned(), Count::default());
        }
        if let Some(count) = of_caller.get_mut(operation) {
            count.calls += 1;
            count.denied += u64::from(ending == Ending::Denied);
            count.failed += u64::from(ending == Ending::Failed);
            count.units += units;
        }
    }

    /// All counts so far.
    pub(crate) fn snapshot(&self) -> BTreeMap<String, BTreeMap<String, Count>> {
        let counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        counts.iter().map(|(caller, counts)| (caller.to_string(), counts.clone())).collect()
    }
}

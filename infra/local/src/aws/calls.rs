//! Counts the calls of each caller by operation and result.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use serde::Serialize;

use super::caller::Caller;

/// Name of the caller of calls from neither a function nor a poller.
pub(crate) const DEVELOPER: &str = "developer";
/// Name of the caller of all calls with which Lambda polls, for all functions together.
const POLLERS: &str = "pollers";

/// Counts of one operation of one caller.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub(crate) struct Count {
    /// Calls that arrived.
    calls: u64,
    /// Calls that were not granted.
    denied: u64,
    /// Calls that were answered with another error: an unmet condition, a throttle, a mistake.
    failed: u64,
    /// Capacity that DynamoDB would charge: read units of reads and write units of writes.
    units: f64,
}

/// The result of a call.
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
        // Most operations already have an entry, so most calls allocate nothing.
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

    /// Returns a snapshot of all counts.
    pub(crate) fn snapshot(&self) -> BTreeMap<String, BTreeMap<String, Count>> {
        let counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        counts.iter().map(|(caller, counts)| (caller.to_string(), counts.clone())).collect()
    }
}

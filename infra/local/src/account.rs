//! Limits concurrency like an AWS account, which has 1,000 concurrent invocations. One machine runs
//! a few of them; the rest wait.
//!
//! The emulator throttles a function with reserved concurrency as AWS does. Any other function
//! would start a thousand processes in a burst on AWS. Here its invocations beyond a few wait for a
//! process, as if the function were slower. So no invocation is throttled that AWS would not
//! throttle, unless a fault demands it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use local_faults::{Fault, Faults};
use local_invoke::{Error, Invoke};
use local_lambda::{CutShort, Lambda};
use tokio::sync::Semaphore;
use topology::Topology;

/// All functions. Clones are cheap handles to the same functions.
#[derive(Clone)]
pub(crate) struct Account {
    lambda: Lambda,
    unreserved: Arc<BTreeMap<String, Semaphore>>,
    faults: Faults,
}

/// The longest time after which the faults F1 and F2 cut an invocation. Shorter times are more
/// likely, because most invocations end sooner on one machine.
const CUT_WITHIN: Duration = Duration::from_millis(30);

impl Account {
    /// Lets each function without reserved concurrency run `processes` concurrent invocations.
    pub(crate) fn new(lambda: Lambda, topology: &Topology, processes: u32, faults: Faults) -> Self {
        let functions = topology.functions.iter().filter(|function| function.reserved_concurrency.is_none());
        let unreserved =
            functions.map(|function| (function.name.clone(), Semaphore::new(processes as usize))).collect();
        Self { lambda, unreserved: Arc::new(unreserved), faults }
    }
}

impl Invoke for Account {
    async fn invoke(&self, function: &str, payload: Bytes) -> Result<Bytes, Error> {
        // The semaphores are never closed. A function without a semaphore has no limit here.
        let _running = match self.unreserved.get(function) {
            Some(places) => places.acquire().await.ok(),
            None => None,
        };
        if self.faults.armed() {
            return self.invoke_under_faults(function, payload).await;
        }
        self.lambda.invoke(function, payload).await
    }
}

impl Account {
    async fn invoke_under_faults(&self, function: &str, payload: Bytes) -> Result<Bytes, Error> {
        if self.faults.fires(Fault::InvocationThrottled) {
            return Err(Error::Throttled(function.to_owned()));
        }
        for (fault, cut) in [(Fault::Killed, CutShort::Killed), (Fault::TimedOut, CutShort::TimedOut)] {
            if self.faults.is_due(fault) {
                let share = self.faults.share(fault);
                let after = CUT_WITHIN.mul_f64(share * share);
                let (answer, is_cut) = self.lambda.invoke_cut_short(function, payload, after, cut).await;
                if is_cut {
                    self.faults.happened(fault);
                }
                return answer;
            }
        }
        self.lambda.invoke(function, payload).await
    }
}

//! Concurrency as an account has it: 1,000 at once, of which a laptop runs a few and lets the rest wait.
//!
//! A function with reserved concurrency is left to the emulator, which throttles it as AWS does. Any other function
//! would start a thousand processes in a burst on AWS; here its invocations beyond a few wait for a process, as if the
//! function were slower, and nobody sees a throttle that AWS would not have made.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use local_invoke::{Error, Invoke};
use local_lambda::Lambda;
use tokio::sync::Semaphore;
use topology::Topology;

/// All functions. Cheap to clone; every copy is the same.
#[derive(Clone)]
pub(crate) struct Account {
    lambda: Lambda,
    unreserved: Arc<BTreeMap<String, Semaphore>>,
}

impl Account {
    /// Lets `processes` invocations of each function without reserved concurrency run at once.
    pub(crate) fn new(lambda: Lambda, topology: &Topology, processes: u32) -> Self {
        let functions = topology.functions.iter().filter(|function| function.concurrency.is_none());
        let unreserved =
            functions.map(|function| (function.name.clone(), Semaphore::new(processes as usize))).collect();
        Self { lambda, unreserved: Arc::new(unreserved) }
    }
}

impl Invoke for Account {
    async fn invoke(&self, function: &str, payload: Bytes) -> Result<Bytes, Error> {
        // The semaphores are never closed: without a permit there is no limit.
        let _running = match self.unreserved.get(function) {
            Some(places) => places.acquire().await.ok(),
            None => None,
        };
        self.lambda.invoke(function, payload).await
    }
}

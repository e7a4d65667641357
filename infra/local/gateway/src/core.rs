//! The state that all parts of a running gateway share, and the calls of functions.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use local_invoke::Invoke;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::debug;

use crate::config::Api;
use crate::connection::{Connection, Registry};
use crate::ending::CloseRequest;
use crate::hooks::Hooks;
use crate::stats::Counters;
use crate::throttle::Throttle;

/// The state of one gateway.
pub(crate) struct Core<I> {
    pub(crate) api: Api,
    pub(crate) invoker: Arc<I>,
    pub(crate) hooks: Arc<dyn Hooks>,
    pub(crate) registry: Registry,
    pub(crate) counters: Counters,
    /// The account's request rate. Handshakes, messages and management calls share it.
    pub(crate) account: Option<Throttle>,
    pub(crate) connects: Option<Throttle>,
    /// Every task that may run longer than the request that started it.
    pub(crate) tasks: TaskTracker,
    /// Signals HTTP connections to finish their current request and close.
    pub(crate) stop: CancellationToken,
    stopping: AtomicBool,
}

/// The reason why a function gave no answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum CallError {
    /// Lambda did not run the function: the function does not exist, it was throttled, the payload
    /// is too large, or the stack is stopping.
    Rejected,
    /// The function ran and failed with this message.
    Failed(String),
    /// The function exceeded the integration timeout. It continues to run.
    TimedOut,
}

impl<I: Invoke> Core<I> {
    pub(crate) fn new(api: Api, invoker: I, hooks: Arc<dyn Hooks>) -> Self {
        Self {
            account: api.limits.account_rate.map(Throttle::new),
            connects: api.limits.connect_rate.map(Throttle::new),
            api,
            invoker: Arc::new(invoker),
            hooks,
            registry: Registry::default(),
            counters: Counters::default(),
            tasks: TaskTracker::new(),
            stop: CancellationToken::new(),
            stopping: AtomicBool::new(false),
        }
    }

    /// Invokes a function and waits for at most the integration timeout. A function that takes
    /// longer continues to its end, as on AWS, where the gateway cannot stop a function.
    pub(crate) async fn call(&self, function: &Arc<str>, payload: Bytes) -> Result<Bytes, CallError> {
        let (invoker, name) = (Arc::clone(&self.invoker), Arc::clone(function));
        let mut invocation = Box::pin(async move { invoker.invoke(&name, payload).await });
        let Ok(result) = timeout(self.api.limits.integration_timeout, &mut invocation).await else {
            debug!(function = %function, "integration timed out: the function continues and its answer is dropped");
            // Stopping does not wait for this task, because its result is no longer used.
            drop(tokio::spawn(invocation));
            return Err(CallError::TimedOut);
        };
        result.map_err(|error| {
            debug!(function = %function, %error, "integration failed: the function gave no answer");
            match error {
                local_invoke::Error::Failed { message, .. } => CallError::Failed(message),
                _ => CallError::Rejected,
            }
        })
    }

    /// Adds a connection. While the gateway is stopping, the connection is closed as soon as it is
    /// open.
    pub(crate) fn register(&self, connection: &Arc<Connection>) {
        self.registry.insert(Arc::clone(connection));
        if self.stopping.load(Ordering::SeqCst) {
            connection.outbox.request_close(CloseRequest::Stopping);
        }
    }

    /// Closes every connection, including connections that are added later.
    pub(crate) fn begin_stopping(&self) {
        self.stopping.store(true, Ordering::SeqCst);
        self.stop.cancel();
        self.registry.close_all(CloseRequest::Stopping);
        self.tasks.close();
    }
}

//! What every part of a running gateway shares, and how it calls functions.

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
    /// Shared by handshakes, messages and management calls.
    pub(crate) account: Option<Throttle>,
    pub(crate) connects: Option<Throttle>,
    /// Every task that outlives the request that started it.
    pub(crate) tasks: TaskTracker,
    /// Tells HTTP connections to finish what they do and close.
    pub(crate) stop: CancellationToken,
    stopping: AtomicBool,
}

/// Why a function gave no answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum CallError {
    /// Lambda did not run it: no such function, throttled, payload too large, stopping.
    Rejected,
    /// It ran and failed, with this message.
    Failed(String),
    /// It took longer than the integration timeout; it runs on.
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

    /// Invokes a function and waits at most as long as an integration may take. What takes longer is left to run to
    /// its end, as on AWS: the gateway has no way to stop a function.
    pub(crate) async fn call(&self, function: &Arc<str>, payload: Bytes) -> Result<Bytes, CallError> {
        let (invoker, name) = (Arc::clone(&self.invoker), Arc::clone(function));
        let mut invocation = Box::pin(async move { invoker.invoke(&name, payload).await });
        let Ok(result) = timeout(self.api.limits.integration_timeout, &mut invocation).await else {
            debug!(function = %function, "the integration timed out");
            // Not among the tasks that stopping waits for: nobody wants to hear from it any more.
            drop(tokio::spawn(invocation));
            return Err(CallError::TimedOut);
        };
        result.map_err(|error| {
            debug!(function = %function, %error, "the integration failed");
            match error {
                local_invoke::Error::Failed { message, .. } => CallError::Failed(message),
                _ => CallError::Rejected,
            }
        })
    }

    /// Makes a connection known, unless the gateway is stopping: then it is closed as soon as it is open.
    pub(crate) fn register(&self, connection: &Arc<Connection>) {
        self.registry.insert(Arc::clone(connection));
        if self.stopping.load(Ordering::SeqCst) {
            connection.outbox.request_close(CloseRequest::Stopping);
        }
    }

    /// From here on every connection is closing, those that register later as well.
    pub(crate) fn begin_stopping(&self) {
        self.stopping.store(true, Ordering::SeqCst);
        self.stop.cancel();
        self.registry.close_all(CloseRequest::Stopping);
        self.tasks.close();
    }
}

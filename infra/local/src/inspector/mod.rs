//! The inspector: shows and searches the events in the stack, and changes its faults, for a user or
//! a page.
//!
//! It knows functions, queues, connections and faults only by name. README.md describes the
//! addresses and the events.

mod event;
mod feed;
mod logs;
mod metrics;
mod pages;
mod routes;
mod switches;
mod watch;

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

use local_faults::{Fault, Faults};
use local_gateway::{Gateway, Happening};
use local_lambda::Lambda;
use local_queues::Service;
use serde_json::Value;
use tokio_util::sync::CancellationToken;

use self::feed::Feed;
use self::logs::Logs;
use self::metrics::Metrics;
pub(crate) use self::pages::Pages;
pub(crate) use self::routes::{Body, answer};
pub(crate) use self::watch::Functions;
use crate::account::Account;
use crate::statistics::Counters;

/// The inspector of one stack. Clones are handles to the same inspector.
#[derive(Clone)]
pub(crate) struct Inspector {
    shared: Arc<Shared>,
}

struct Shared {
    feed: Feed,
    logs: Arc<Logs>,
    metrics: Arc<Metrics>,
    faults: Faults,
    pages: Pages,
    stop: CancellationToken,
    stack: OnceLock<Inspected>,
}

/// The parts of the stack that the inspector shows. They are set when the stack is complete.
pub(crate) struct Inspected {
    pub(crate) counters: Counters,
    pub(crate) lambda: Lambda,
    pub(crate) messaging: Option<Service>,
    pub(crate) gateway: Option<Gateway<Account>>,
    /// All addresses and the configuration of pages, in the form of `GET /_local/config`.
    pub(crate) config: Value,
    /// The environment variables of a command beside the stack.
    pub(crate) variables: BTreeMap<String, String>,
}

impl Inspector {
    /// Creates an inspector that serves `pages` until `stop` is cancelled. Metrics are described
    /// by the texts of `metric_help`.
    pub(crate) fn new(
        faults: Faults,
        pages: Pages,
        metric_help: BTreeMap<String, String>,
        stop: CancellationToken,
    ) -> Self {
        let (feed, logs) = (Feed::default(), Arc::new(Logs::default()));
        let metrics = Arc::new(Metrics::new(metric_help));
        let listens = feed.clone();
        faults.set_listener(move |fault: Fault| watch::of_fault(&listens, fault));
        Self { shared: Arc::new(Shared { feed, logs, metrics, faults, pages, stop, stack: OnceLock::new() }) }
    }

    /// Returns the receiver of the functions' output.
    pub(crate) fn functions(&self) -> Functions {
        let Shared { feed, logs, metrics, .. } = &*self.shared;
        Functions::new(feed.clone(), Arc::clone(logs), Arc::clone(metrics))
    }

    /// Observes queues from now on.
    pub(crate) fn watch_queues(&self, messaging: &Service) {
        messaging.set_observer(Arc::new(watch::Queues(self.shared.feed.clone())));
    }

    /// Returns whether the gateway must report its events.
    pub(crate) fn is_recording(&self) -> bool {
        self.shared.feed.is_recording()
    }

    /// Records an event of the gateway.
    pub(crate) fn record_of_gateway(&self, happening: Happening<'_>, caller_of: impl FnOnce(&str) -> String) {
        watch::of_gateway(&self.shared.feed, happening, caller_of);
    }

    /// Sets the parts that the inspector shows, when the stack is complete.
    pub(crate) fn attach(&self, inspected: Inspected) {
        drop(self.shared.stack.set(inspected));
    }
}

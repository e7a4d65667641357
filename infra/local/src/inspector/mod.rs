//! The inspector: what happens in the stack, to be watched, searched and switched by a person or a page.
//!
//! It knows functions, queues, connections and faults by name, and nothing of what they mean. README.md describes the
//! addresses and the events.

mod event;
mod feed;
mod logs;
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
pub(crate) use self::pages::Pages;
pub(crate) use self::routes::{Body, answer};
pub(crate) use self::watch::Functions;
use crate::account::Account;
use crate::statistics::Counters;

/// The inspector of one stack. Clones are handles to the same one.
#[derive(Clone)]
pub(crate) struct Inspector {
    shared: Arc<Shared>,
}

struct Shared {
    feed: Feed,
    logs: Arc<Logs>,
    faults: Faults,
    pages: Pages,
    stop: CancellationToken,
    stack: OnceLock<Inspected>,
}

/// What is looked into, once the stack is whole.
pub(crate) struct Inspected {
    pub(crate) counters: Counters,
    pub(crate) lambda: Lambda,
    pub(crate) messaging: Option<Service>,
    pub(crate) gateway: Option<Gateway<Account>>,
    /// The addresses of everything and the configuration of pages, as `GET /_local/config` gives it.
    pub(crate) config: Value,
    /// What a command beside the stack finds in its environment.
    pub(crate) variables: BTreeMap<String, String>,
}

impl Inspector {
    /// An inspector that serves `pages` until `stop` is cancelled.
    pub(crate) fn new(faults: Faults, pages: Pages, stop: CancellationToken) -> Self {
        let (feed, logs) = (Feed::default(), Arc::new(Logs::default()));
        let listens = feed.clone();
        faults.set_listener(move |fault: Fault| watch::of_fault(&listens, fault));
        Self { shared: Arc::new(Shared { feed, logs, faults, pages, stop, stack: OnceLock::new() }) }
    }

    /// Where the functions' output goes.
    pub(crate) fn functions(&self) -> Functions {
        Functions::new(self.shared.feed.clone(), Arc::clone(&self.shared.logs))
    }

    /// Watches queues from now on.
    pub(crate) fn watch_queues(&self, messaging: &Service) {
        messaging.set_observer(Arc::new(watch::Queues(self.shared.feed.clone())));
    }

    /// Whether the gateway has anything to report.
    pub(crate) fn is_recording(&self) -> bool {
        self.shared.feed.is_recording()
    }

    /// Records what happened in the gateway.
    pub(crate) fn record_of_gateway(&self, happening: Happening<'_>, caller_of: impl FnOnce(&str) -> String) {
        watch::of_gateway(&self.shared.feed, happening, caller_of);
    }

    /// Sets what is looked into, once the stack is whole.
    pub(crate) fn attach(&self, inspected: Inspected) {
        drop(self.shared.stack.set(inspected));
    }
}

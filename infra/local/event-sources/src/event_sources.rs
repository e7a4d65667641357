//! Starts, observes and drains all mappings together.

use std::sync::Arc;
use std::time::Duration;

use local_invoke::Invoke;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::config::Config;
use crate::queue;
use crate::refusal::ConfigError;
use crate::schedule::Rule;
use crate::settings::Clients;
use crate::stats::{Counters, SourceStats};
use crate::stream;

/// Mappings that poll. Dropping this value stops them at once.
pub struct EventSources {
    tasks: JoinSet<()>,
    stop: CancellationToken,
    counters: Vec<Arc<Counters>>,
}

/// The result of draining.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Drained {
    /// Number of mappings that did not finish before the deadline. Their messages and records are
    /// delivered again.
    pub abandoned: usize,
}

impl EventSources {
    /// Checks every mapping and starts to poll. Each mapping uses the clients of its function,
    /// because Lambda polls with the function's role. Must be called inside a tokio runtime.
    ///
    /// # Errors
    /// The first mapping that AWS would refuse. No mapping is polled then.
    pub fn start<I: Invoke>(
        config: &Config,
        invoker: &Arc<I>,
        clients_of: impl Fn(&str) -> Clients,
    ) -> Result<Self, ConfigError> {
        let (settings, stop) = (&config.settings, CancellationToken::new());
        let (mut queues, mut streams, mut rules) = (Vec::new(), Vec::new(), Vec::new());
        for source in config.queues.iter().cloned() {
            let sqs = clients_of(&source.function).sqs;
            queues.push(Arc::new(queue::Mapping::new(source, settings, sqs, Arc::clone(invoker), stop.clone())?));
        }
        for source in config.streams.iter().cloned() {
            let clients = clients_of(&source.function);
            streams.push(Arc::new(stream::Mapping::new(source, settings, clients, Arc::clone(invoker), stop.clone())?));
        }
        for schedule in config.schedules.iter().cloned() {
            rules.push(Arc::new(Rule::new(schedule, settings, Arc::clone(invoker), stop.clone())?));
        }
        let counters = queues.iter().map(|mapping| Arc::clone(&mapping.counters));
        let counters = counters.chain(streams.iter().map(|mapping| Arc::clone(&mapping.counters)));
        let counters = counters.chain(rules.iter().map(|rule| Arc::clone(&rule.counters))).collect();
        let mut tasks = JoinSet::new();
        queues.into_iter().for_each(|mapping| drop(tasks.spawn(mapping.run())));
        streams.into_iter().for_each(|mapping| drop(tasks.spawn(mapping.run())));
        rules.into_iter().for_each(|rule| drop(tasks.spawn(rule.run())));
        Ok(Self { tasks, stop, counters })
    }

    /// Returns the counters of every mapping: queues, streams, schedules, in the order of the
    /// configuration.
    #[must_use]
    pub fn stats(&self) -> Vec<SourceStats> {
        self.counters.iter().map(|counters| counters.snapshot()).collect()
    }

    /// Stops receiving, waits until running invocations end, and settles their results.
    pub async fn drain(mut self, deadline: Duration) -> Drained {
        self.stop.cancel();
        let all = async { while self.tasks.join_next().await.is_some() {} };
        // Dropping `self.tasks` aborts the tasks that are left.
        let _late = tokio::time::timeout(deadline, all).await;
        Drained { abandoned: self.tasks.len() }
    }
}

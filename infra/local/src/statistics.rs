//! The counters of all parts, as one JSON object.

use std::sync::Arc;
use std::time::Instant;

use local_event_sources::SourceStats;
use local_faults::{Count, Fault, Faults};
use local_gateway::Gateway;
use local_lambda::{FunctionStats, Lambda};
use serde_json::{Map, Value, json};

use crate::account::Account;
use crate::aws::Calls;
use crate::triggers::Triggers;

/// Handles to the parts that count.
pub(crate) struct Counters {
    pub(crate) calls: Option<Arc<Calls>>,
    pub(crate) gateway: Option<Gateway<Account>>,
    pub(crate) lambda: Lambda,
    pub(crate) triggers: Triggers,
    pub(crate) messaging: Option<local_queues::Service>,
    pub(crate) faults: Faults,
    /// Time at which the start of the stack began.
    pub(crate) started: Instant,
}

impl Counters {
    /// Returns all counters.
    pub(crate) fn read(&self) -> Value {
        let functions: Map<String, Value> = self
            .lambda
            .stats()
            .into_iter()
            .map(|stats| (stats.function.clone(), function(&stats, &self.lambda.pids(&stats.function))))
            .collect();
        json!({
            "calls": self.calls.as_ref().map(|calls| calls.snapshot()),
            "gateway": self.gateway.as_ref().map(|gateway| of_gateway(&gateway.stats())),
            "functions": functions,
            "triggers": self.triggers.stats().iter().map(trigger).collect::<Vec<_>>(),
            "faults": self.faults.counts().into_iter().map(fault).collect::<Map<String, Value>>(),
            "messaging": self.messaging.as_ref().map(local_queues::Service::stats),
            "uptime_s": self.started.elapsed().as_secs(),
        })
    }
}

fn function(stats: &FunctionStats, pids: &[u32]) -> Value {
    json!({
        "invocations": stats.invocations,
        "errors": stats.errors,
        "throttles": stats.throttles,
        "timeouts": stats.timeouts,
        "cold_starts": stats.cold_starts,
        "start_failures": stats.start_failures,
        "busy_ms": u64::try_from(stats.busy.as_millis()).unwrap_or(u64::MAX),
        "processes": stats.processes,
        "processes_busy": stats.processes_busy,
        "waiting": stats.waiting,
        "pids": pids,
    })
}

fn fault((fault, count): (Fault, Count)) -> (String, Value) {
    let (number, what) = fault.describe();
    (number.to_owned(), json!({ "what": what, "occasions": count.occasions, "fired": count.fired }))
}

fn trigger(stats: &SourceStats) -> Value {
    json!({
        "source": stats.source,
        "function": stats.function,
        "records": stats.records,
        "filtered": stats.filtered,
        "batches": stats.batches,
        "failures": stats.failures,
        "throttles": stats.throttles,
        "discarded": stats.discarded,
        "errors": stats.errors,
        "running": stats.running,
        "iterator_age_ms": stats.iterator_age_ms,
    })
}

fn of_gateway(stats: &local_gateway::Stats) -> Value {
    json!({
        "connections_open": stats.connections_open,
        "connections_accepted": stats.connections_accepted,
        "connections_refused": stats.connections_refused,
        "messages_received": stats.messages_received,
        "units_received": stats.units_received,
        "messages_sent": stats.messages_sent,
        "units_sent": stats.units_sent,
        "bytes_sent": stats.bytes_sent,
        "messages_throttled": stats.messages_throttled,
        "messages_unrouted": stats.messages_unrouted,
        "integrations_failed": stats.integrations_failed,
        "disconnects_invoked": stats.disconnects_invoked,
        "posts_delivered": stats.posts_delivered,
        "posts_gone": stats.posts_gone,
        "calls_throttled": stats.calls_throttled,
        "posts_buffer_full": stats.posts_buffer_full,
        "posts_too_large": stats.posts_too_large,
        "calls_forbidden": stats.calls_forbidden,
        "calls_unavailable": stats.calls_unavailable,
        "calls_unanswered": stats.calls_unanswered,
        "gets": stats.gets,
        "deletes": stats.deletes,
    })
}

//! Finds items that are declared and never used. AWS accepts them, so they are findings and not
//! mistakes.

use super::triggers;
use crate::at::Log;
use crate::environment::EnvironmentValue;
use crate::mistake::{Finding, Mistake};
use crate::{Grant, Queue, Topology, Trigger};

/// Returns all findings, in the order of the text.
pub(crate) fn findings(topology: &Topology, log: &Log) -> Vec<Finding> {
    let found = Found { log };
    let mut findings = Vec::new();
    for function in topology.functions.iter().filter(|function| function.triggers.is_empty()) {
        findings.push(found.at(&format!("functions.{}", function.name), "nothing triggers this function"));
    }
    for queue in topology.queues.iter().filter(|queue| !is_read(topology, queue)) {
        findings.push(found.at(
            &format!("queues.{}", queue.name),
            "no function consumes this queue, and it receives neither dead letters nor failures",
        ));
    }
    for table in &topology.tables {
        let granted = |grant: &Grant| matches!(grant, Grant::Table { table: name, .. } if *name == table.name);
        let triggers = |trigger: &Trigger| matches!(trigger, Trigger::Stream(stream) if stream.table == table.name);
        let is_read = topology.functions.iter().flat_map(|function| &function.triggers).any(triggers);
        if !is_read && !topology.functions.iter().flat_map(|function| &function.grants).any(granted) {
            let message = "no function reads the stream of this table, or is granted anything on it";
            findings.push(found.at(&format!("tables.{}", table.name), message));
        }
    }
    for parameter in &topology.parameters {
        let used = |(_, value): &(String, EnvironmentValue)| matches!(value, EnvironmentValue::Parameter(name) if *name == parameter.name);
        if !topology.functions.iter().flat_map(|function| &function.environment).any(used) {
            findings.push(found.at(&format!("parameters.{}", parameter.name), "no function gets this parameter"));
        }
    }
    for secret in &topology.secrets {
        let granted = |grant: &Grant| matches!(grant, Grant::Secret { secret: name, .. } if *name == secret.name);
        if !topology.functions.iter().flat_map(|function| &function.grants).any(granted) {
            findings.push(found.at(&format!("secrets.{}", secret.name), "no function may read this secret"));
        }
    }
    if topology.websocket.is_some() && !topology.triggers().any(|(_, trigger)| matches!(trigger, Trigger::Websocket(_)))
    {
        findings.push(found.at("websocket", "no function serves a route"));
    }
    if topology.http.is_some() && !topology.triggers().any(|(_, trigger)| matches!(trigger, Trigger::Http { .. })) {
        findings.push(found.at("http", "no function serves a route of the HTTP API"));
    }
    findings.extend(endless_retries(topology, &found));
    findings.sort_by_key(|finding| finding.0.place);
    findings
}

struct Found<'a> {
    log: &'a Log,
}

impl Found<'_> {
    fn at(&self, path: &str, message: &str) -> Finding {
        Finding(Mistake { place: self.log.place(path), path: path.to_owned(), message: message.to_owned() })
    }
}

fn is_read(topology: &Topology, queue: &Queue) -> bool {
    let triggered = topology.triggers().any(|(_, trigger)| match trigger {
        Trigger::Queue(source) => source.queue == queue.name,
        Trigger::Stream(source) => source.on_failure.as_ref().is_some_and(|on_failure| on_failure.queue == queue.name),
        Trigger::Websocket(_) | Trigger::Http { .. } | Trigger::Authorizer { .. } | Trigger::Schedule(_) => false,
    });
    let takes_dead_letters = topology
        .queues
        .iter()
        .filter_map(|other| other.dead_letter.as_ref())
        .any(|dead_letter| dead_letter.queue == queue.name);
    let granted = topology.functions.iter().flat_map(|function| &function.grants).any(|grant| {
        matches!(grant, Grant::Queue { queue: name, actions } if *name == queue.name && actions.contains("ReceiveMessage"))
    });
    triggered || takes_dead_letters || granted
}

fn endless_retries(topology: &Topology, found: &Found<'_>) -> Vec<Finding> {
    triggers(topology)
        .filter(|(_, _, trigger)| {
            matches!(trigger, Trigger::Stream(source)
                if source.maximum_retry_attempts.is_none() && source.maximum_record_age_s.is_none())
        })
        .map(|(path, _, _)| {
            found.at(
                &format!("{path}.stream"),
                "a record that always fails blocks its shard for 24 hours: limit its retries or its age",
            )
        })
        .collect()
}

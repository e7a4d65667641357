//! Checks that every used name is declared.

use super::triggers;
use crate::at::Log;
use crate::environment::EnvironmentValue;
use crate::suggest::unknown;
use crate::{Function, Grant, Topology, Trigger};

/// Records every name that is not declared.
pub(crate) fn references(topology: &Topology, log: &Log) {
    let names = Names { topology, log };
    for (path, _, trigger) in triggers(topology) {
        match trigger {
            Trigger::Queue(source) => names.queue(&format!("{path}.queue.queue"), &source.queue),
            Trigger::Stream(source) => {
                names.table(&format!("{path}.stream.table"), &source.table);
                if let Some(on_failure) = &source.on_failure {
                    names.queue(&format!("{path}.stream.on_failure.queue"), &on_failure.queue);
                }
            }
            Trigger::Websocket(_) | Trigger::Http { .. } | Trigger::Authorizer { .. } | Trigger::Schedule(_) => {}
        }
    }
    for function in &topology.functions {
        names.environment(function);
        names.grants(function);
    }
    for queue in &topology.queues {
        if let Some(dead_letter) = &queue.dead_letter {
            names.queue(&format!("queues.{}.dead_letter.queue", queue.name), &dead_letter.queue);
        }
    }
    for topic in &topology.topics {
        for (index, subscription) in topic.subscriptions.iter().enumerate() {
            names.queue(&format!("topics.{}.subscriptions[{index}].queue", topic.name), &subscription.queue);
        }
    }
}

struct Names<'t> {
    topology: &'t Topology,
    log: &'t Log,
}

impl Names<'_> {
    fn environment(&self, function: &Function) {
        for (variable, value) in &function.environment {
            let path = format!("functions.{}.environment.{variable}", function.name);
            match value {
                EnvironmentValue::Text(_) => {}
                EnvironmentValue::Table(name) => self.table(&format!("{path}.table"), name),
                EnvironmentValue::QueueUrl(name) => self.queue(&format!("{path}.queue_url"), name),
                EnvironmentValue::TopicArn(name) => self.topic(&format!("{path}.topic_arn"), name),
                EnvironmentValue::ManagementUrl => self.websocket(&format!("{path}.websocket")),
                EnvironmentValue::Parameter(name) => {
                    let known = self.topology.parameters.iter().map(|parameter| parameter.name.as_str());
                    self.known(&format!("{path}.parameter"), "parameter", name, known, "parameters");
                }
                EnvironmentValue::Secret(name) => self.secret(&format!("{path}.secret"), name),
            }
        }
    }

    fn grants(&self, function: &Function) {
        for (index, grant) in function.grants.iter().enumerate() {
            let path = format!("functions.{}.grants[{index}]", function.name);
            match grant {
                Grant::Table { table, indexes, .. } => {
                    self.table(&format!("{path}.table"), table);
                    self.indexes(&path, table, indexes);
                }
                Grant::Queue { queue, .. } => self.queue(&format!("{path}.queue"), queue),
                Grant::Topic { topic, .. } => self.topic(&format!("{path}.topic"), topic),
                Grant::Secret { secret, .. } => self.secret(&format!("{path}.secret"), secret),
                Grant::Websocket { actions } if actions.is_empty() => {}
                Grant::Websocket { .. } => self.websocket(&format!("{path}.websocket")),
            }
            if function.grants[..index].iter().any(|earlier| is_repeated(earlier, grant)) {
                self.log.mistake(&path, "a grant on the same thing stands above: put the actions together");
            }
        }
    }

    fn indexes(&self, path: &str, table: &str, indexes: &[String]) {
        let Some(table) = self.topology.table(table) else {
            return;
        };
        for (index, name) in indexes.iter().enumerate() {
            let known = table.indexes.iter().map(|index| index.name.as_str());
            self.known(&format!("{path}.indexes[{index}]"), "index", name, known, "indexes of the table");
        }
    }

    fn queue(&self, path: &str, name: &str) {
        let known = self.topology.queues.iter().map(|queue| queue.name.as_str());
        self.known(path, "queue", name, known, "queues");
    }

    fn topic(&self, path: &str, name: &str) {
        let known = self.topology.topics.iter().map(|topic| topic.name.as_str());
        self.known(path, "topic", name, known, "topics");
    }

    fn secret(&self, path: &str, name: &str) {
        let known = self.topology.secrets.iter().map(|secret| secret.name.as_str());
        self.known(path, "secret", name, known, "secrets");
    }

    fn table(&self, path: &str, name: &str) {
        let known = self.topology.tables.iter().map(|table| table.name.as_str());
        self.known(path, "table", name, known, "tables");
    }

    fn websocket(&self, path: &str) {
        if self.topology.websocket.is_none() {
            self.log
                .mistake(path, "there is no WebSocket API: declare `websocket` with its route selection expression");
        }
    }

    /// An empty name was recorded as a mistake before, so it is skipped.
    fn known<'n>(
        &self,
        path: &str,
        what: &str,
        name: &str,
        known: impl Iterator<Item = &'n str> + Clone,
        known_as: &str,
    ) {
        if !name.is_empty() && !known.clone().any(|known| known == name) {
            self.log.mistake(path, unknown(what, name, known, known_as));
        }
    }
}

/// A grant without actions was recorded as a mistake before, so it is skipped.
fn is_repeated(earlier: &Grant, grant: &Grant) -> bool {
    resource(earlier) == resource(grant) && !earlier.actions().is_empty() && !grant.actions().is_empty()
}

fn resource(grant: &Grant) -> (&'static str, &str) {
    match grant {
        Grant::Table { table, .. } => ("table", table),
        Grant::Queue { queue, .. } => ("queue", queue),
        Grant::Topic { topic, .. } => ("topic", topic),
        Grant::Secret { secret, .. } => ("secret", secret),
        Grant::Websocket { .. } => ("websocket", ""),
    }
}

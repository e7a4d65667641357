//! The environment of functions, and of a command that runs beside the stack.

use std::collections::BTreeMap;

use topology::{EnvironmentValue, Function};

use crate::place::REGION;
use crate::provision::Resources;
use crate::settings::Settings;

/// The values to which the references of an environment resolve.
pub(crate) struct Values<'a> {
    pub(crate) resources: &'a Resources,
    pub(crate) settings: &'a Settings,
    /// URL of the management API with its stage. Empty if there is no WebSocket API.
    pub(crate) management_url: &'a str,
    /// URL of the HTTP API. Empty if there is none.
    pub(crate) http_url: &'a str,
    pub(crate) aws_endpoint: &'a str,
}

/// Returns the variables that the topology defines for a function, and `AWS_ENDPOINT_URL`, which
/// directs SDKs to this machine.
///
/// Source: <https://docs.aws.amazon.com/sdkref/latest/guide/feature-ss-endpoints.html>
pub(crate) fn of_function(function: &Function, values: &Values<'_>) -> Vec<(String, String)> {
    let declared = function.environment.iter().map(|(name, value)| (name.clone(), values.resolve(value)));
    let endpoint = ("AWS_ENDPOINT_URL".to_owned(), values.aws_endpoint.to_owned());
    declared.chain(std::iter::once(endpoint)).collect()
}

impl Values<'_> {
    /// Resolves a value. References were checked before, so every name is found.
    fn resolve(&self, value: &EnvironmentValue) -> String {
        let known = match value {
            EnvironmentValue::Text(text) | EnvironmentValue::Table(text) => Some(text.as_str()),
            EnvironmentValue::QueueUrl(queue) => self.resources.queues.get(queue).map(|queue| queue.url.as_str()),
            EnvironmentValue::TopicArn(topic) => self.resources.topics.get(topic).map(String::as_str),
            EnvironmentValue::Parameter(name) => self.settings.parameters.get(name).map(String::as_str),
            EnvironmentValue::Secret(name) => self.resources.secrets.get(name).map(String::as_str),
            EnvironmentValue::ManagementUrl => Some(self.management_url),
        };
        known.unwrap_or_default().to_owned()
    }

    /// Returns the variables of a command that runs beside the stack: every address, and the
    /// developer's keys.
    pub(crate) fn of_command(&self, ws_url: &str) -> BTreeMap<String, String> {
        let mut variables = BTreeMap::from(
            [
                ("ROOMCAST_WS_URL", ws_url),
                ("ROOMCAST_MANAGEMENT_URL", self.management_url),
                ("ROOMCAST_HTTP_URL", self.http_url),
                ("AWS_ENDPOINT_URL", self.aws_endpoint),
                ("AWS_REGION", REGION),
                ("AWS_DEFAULT_REGION", REGION),
                ("AWS_ACCESS_KEY_ID", "local"),
                ("AWS_SECRET_ACCESS_KEY", "local"),
            ]
            .map(|(name, value)| (name.to_owned(), value.to_owned())),
        );
        for table in self.resources.tables.keys() {
            variables.insert(variable(table, "TABLE"), table.clone());
        }
        for (queue, resource) in &self.resources.queues {
            variables.insert(variable(queue, "QUEUE_URL"), resource.url.clone());
        }
        for (topic, arn) in &self.resources.topics {
            variables.insert(variable(topic, "TOPIC_ARN"), arn.clone());
        }
        variables
    }
}

/// Builds a variable's name, such as `ROOMCAST_DELIVERIES_WIDE_QUEUE_URL` for the queue
/// `deliveries-wide`.
fn variable(name: &str, suffix: &str) -> String {
    let name: String = name.chars().map(|letter| if letter.is_ascii_alphanumeric() { letter } else { '_' }).collect();
    format!("ROOMCAST_{}_{suffix}", name.to_ascii_uppercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_become_variables_of_capital_letters_and_underscores() {
        assert_eq!(variable("deliveries-wide", "QUEUE_URL"), "ROOMCAST_DELIVERIES_WIDE_QUEUE_URL");
        assert_eq!(variable("my.table", "TABLE"), "ROOMCAST_MY_TABLE_TABLE");
    }
}

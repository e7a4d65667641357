//! A function: its binary, its environment, its triggers and its grants.

use crate::at::At;
use crate::environment::EnvironmentValue;
use crate::grant::Grant;
use crate::trigger::Trigger;
use crate::{limits, names};

/// One Lambda function.
#[derive(Debug, Clone, PartialEq)]
pub struct Function {
    /// Name of the function, unique in the topology.
    pub name: String,
    /// One sentence about the function, for the AWS console.
    pub description: Option<String>,
    /// The cargo binary that becomes the function's `bootstrap`.
    pub binary: String,
    /// Memory in MB.
    pub memory_mb: u32,
    /// Seconds after which an invocation is killed.
    pub timeout_s: u32,
    /// Reserved concurrency: the largest number of concurrent invocations, which is also
    /// guaranteed.
    pub reserved_concurrency: Option<u32>,
    /// Environment variables, in the order of the file.
    pub environment: Vec<(String, EnvironmentValue)>,
    /// The triggers that invoke the function.
    pub triggers: Vec<Trigger>,
    /// The calls that the function may make. Permissions for its triggers are derived from the
    /// triggers: see [`Function::permissions`].
    pub grants: Vec<Grant>,
}

impl Function {
    pub(crate) fn read(name: &str, at: &At<'_>) -> Self {
        let fields = at.fields(&[
            "description",
            "binary",
            "memory_mb",
            "timeout_s",
            "reserved_concurrency",
            "environment",
            "triggers",
            "grants",
        ]);
        let environment = fields.named("environment", &names::VARIABLE, |variable, value| {
            (variable.to_owned(), EnvironmentValue::read(variable, value))
        });
        Self {
            name: name.to_owned(),
            description: fields.optional("description").and_then(|field| field.text().map(str::to_owned)),
            binary: fields.required("binary").and_then(|field| names::FUNCTION.read(&field)).unwrap_or_default(),
            memory_mb: fields.required_integer("memory_mb", &limits::FUNCTION_MEMORY_MB),
            timeout_s: fields.required_integer("timeout_s", &limits::FUNCTION_TIMEOUT_S),
            reserved_concurrency: fields
                .optional("reserved_concurrency")
                .and_then(|field| field.integer(&limits::FUNCTION_CONCURRENCY)),
            environment,
            triggers: fields.list("triggers").iter().map(Trigger::read).collect(),
            grants: fields.list("grants").iter().map(Grant::read).collect(),
        }
    }

    /// Returns whether the WebSocket API waits for the function's answer.
    #[must_use]
    pub fn answers_a_websocket(&self) -> bool {
        self.triggers.iter().any(|trigger| matches!(trigger, Trigger::Websocket(_) | Trigger::Authorizer { .. }))
    }
}

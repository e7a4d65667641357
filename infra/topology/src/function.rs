//! A function: its binary, what it gets, what wakes it, what it may do.

use crate::at::At;
use crate::environment::EnvironmentValue;
use crate::grant::Grant;
use crate::trigger::Trigger;
use crate::{limits, names};

/// One Lambda function.
#[derive(Debug, Clone, PartialEq)]
pub struct Function {
    /// Its name, unique in the topology.
    pub name: String,
    /// One sentence on what it does, for whoever reads the console.
    pub description: Option<String>,
    /// The cargo binary that is its `bootstrap`.
    pub binary: String,
    /// Memory in MB.
    pub memory_mb: u32,
    /// Seconds after which an invocation is killed.
    pub timeout_s: u32,
    /// Reserved concurrency: at once at most so many, and so many guaranteed.
    pub reserved_concurrency: Option<u32>,
    /// Its environment variables, in the order of the file.
    pub environment: Vec<(String, EnvironmentValue)>,
    /// What invokes it.
    pub triggers: Vec<Trigger>,
    /// What it may call. What its triggers need of its role is derived from them: see [`Function::permissions`].
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

    /// Whether API Gateway waits for its answer.
    #[must_use]
    pub fn answers_a_websocket(&self) -> bool {
        self.triggers.iter().any(|trigger| matches!(trigger, Trigger::Websocket(_) | Trigger::Authorizer { .. }))
    }
}

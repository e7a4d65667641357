//! The whole topology, as its file has it.

use crate::at::At;
use crate::environment::Parameter;
use crate::function::Function;
use crate::mistake::Finding;
use crate::queue::Queue;
use crate::secret::Secret;
use crate::table::Table;
use crate::topic::Topic;
use crate::trigger::Trigger;
use crate::{limits, names};

/// Functions, and the resources that trigger, supply and store for them. Terraform deploys this
/// topology, and the local runner runs it.
///
/// Every list is in the order of the file. Reading checks that every referenced name exists and
/// that every number is within the limits of AWS, so users of this type need no checks.
#[derive(Debug, Clone, PartialEq)]
pub struct Topology {
    /// Name of the stack: lower-case letters, digits and hyphens.
    pub name: String,
    /// Values from outside the topology.
    pub parameters: Vec<Parameter>,
    /// Secrets that functions read from the secret store.
    pub secrets: Vec<Secret>,
    /// The WebSocket API, if there is one.
    pub websocket: Option<Websocket>,
    /// The HTTP API, if there is one.
    pub http: Option<Http>,
    /// The Lambda functions.
    pub functions: Vec<Function>,
    /// The SQS queues.
    pub queues: Vec<Queue>,
    /// The SNS topics.
    pub topics: Vec<Topic>,
    /// The DynamoDB tables.
    pub tables: Vec<Table>,
    /// Items that are allowed but look forgotten, such as a queue without a consumer.
    pub findings: Vec<Finding>,
}

/// The WebSocket API. It has one stage, and its routes come from the functions' triggers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Websocket {
    /// The expression that selects the route of a message, such as `$request.body.action`.
    ///
    /// Source:
    /// <https://docs.aws.amazon.com/apigateway/latest/developerguide/websocket-api-develop-routes.html>
    pub route_selection_expression: String,
}

/// The HTTP API. It has one stage, `$default`, and its routes come from the functions' triggers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Http {
    /// True if a deployment has the API, the functions behind it, and the secrets that only these
    /// read, only when it asks for them. The local runner always has them.
    pub optional: bool,
}

impl Http {
    fn read(at: &At<'_>) -> Self {
        Self { optional: at.fields(&["optional"]).boolean("optional", false) }
    }
}

impl Topology {
    /// Reads the root of a document.
    pub(crate) fn from_document(root: &At<'_>) -> Self {
        let fields = root.fields(&[
            "version",
            "name",
            "parameters",
            "secrets",
            "websocket",
            "http",
            "functions",
            "queues",
            "topics",
            "tables",
        ]);
        if let Some(version) = fields.required("version") {
            version.integer(&limits::VERSION);
        }
        Self {
            name: fields.required("name").and_then(|name| names::STACK.read(&name)).unwrap_or_default(),
            parameters: fields.named("parameters", &names::PARAMETER, Parameter::read),
            secrets: fields.named("secrets", &names::PARAMETER, Secret::read),
            websocket: fields.optional("websocket").map(|websocket| Websocket::read(&websocket)),
            http: fields.optional("http").map(|http| Http::read(&http)),
            functions: {
                fields.required("functions");
                fields.named("functions", &names::FUNCTION, Function::read)
            },
            queues: fields.named("queues", &names::QUEUE, Queue::read),
            topics: fields.named("topics", &names::TOPIC, Topic::read),
            tables: fields.named("tables", &names::TABLE, Table::read),
            findings: Vec::new(),
        }
    }

    /// Returns the function with this name.
    #[must_use]
    pub fn function(&self, name: &str) -> Option<&Function> {
        self.functions.iter().find(|function| function.name == name)
    }

    /// Returns the queue with this name, which excludes `.fifo`.
    #[must_use]
    pub fn queue(&self, name: &str) -> Option<&Queue> {
        self.queues.iter().find(|queue| queue.name == name)
    }

    /// Returns the topic with this name, which excludes `.fifo`.
    #[must_use]
    pub fn topic(&self, name: &str) -> Option<&Topic> {
        self.topics.iter().find(|topic| topic.name == name)
    }

    /// Returns the table with this name.
    #[must_use]
    pub fn table(&self, name: &str) -> Option<&Table> {
        self.tables.iter().find(|table| table.name == name)
    }

    /// Returns the parameter with this name.
    #[must_use]
    pub fn parameter(&self, name: &str) -> Option<&Parameter> {
        self.parameters.iter().find(|parameter| parameter.name == name)
    }

    /// Returns the secret with this name.
    #[must_use]
    pub fn secret(&self, name: &str) -> Option<&Secret> {
        self.secrets.iter().find(|secret| secret.name == name)
    }

    /// Returns every trigger with its function, in the order of the file.
    pub fn triggers(&self) -> impl Iterator<Item = (&Function, &Trigger)> {
        self.functions.iter().flat_map(|function| function.triggers.iter().map(move |trigger| (function, trigger)))
    }
}

impl Websocket {
    fn read(at: &At<'_>) -> Self {
        let fields = at.fields(&["route_selection_expression"]);
        let expression = fields.required("route_selection_expression").and_then(|field| {
            let text = field.text()?;
            if !text.contains('$') {
                field.mistake(format!(
                    "`{text}` selects no route: write a path into the message, such as `$request.body.action`"
                ));
            }
            Some(text.to_owned())
        });
        Self { route_selection_expression: expression.unwrap_or_default() }
    }
}

#![doc = include_str!("../README.md")]

mod at;
mod check;
mod environment;
mod function;
mod grant;
mod json;
pub mod limits;
mod mistake;
mod names;
mod permission;
mod plain;
mod queue;
mod secret;
mod source;
mod suggest;
mod table;
mod topic;
mod trigger;
mod yaml;

use std::path::Path;

use at::{At, Log};

pub use environment::{EnvironmentValue, Parameter};
pub use function::Function;
pub use grant::Grant;
pub use mistake::{Error, Finding, Mistake, Mistakes, Place};
pub use permission::{Permission, Resource};
pub use queue::{DeadLetter, Queue};
pub use secret::Secret;
pub use source::{OnFailure, QueueTrigger, StartingPosition, StreamTrigger};
pub use table::{AttributeType, Index, Key, Projection, StreamView, Table};
pub use topic::{FilterPolicyScope, Subscription, Topic};
pub use trigger::{Rate, RateUnit, RouteTrigger, Trigger};

/// Functions and everything that triggers, feeds and keeps them: what Terraform deploys and the local runner runs.
///
/// Every list is in the order of the file. Every name that appears in it exists, and every number is inside the limits
/// of AWS: reading checks it, so whoever uses it need not.
#[derive(Debug, Clone, PartialEq)]
pub struct Topology {
    /// What the stack is called: lower-case letters, digits and hyphens.
    pub name: String,
    /// Values that come from outside.
    pub parameters: Vec<Parameter>,
    /// Values that functions read from the secret store.
    pub secrets: Vec<Secret>,
    /// The WebSocket API, if there is one.
    pub websocket: Option<Websocket>,
    /// What runs.
    pub functions: Vec<Function>,
    /// SQS.
    pub queues: Vec<Queue>,
    /// SNS.
    pub topics: Vec<Topic>,
    /// DynamoDB.
    pub tables: Vec<Table>,
    /// What is allowed and yet looks forgotten, such as a queue that nobody reads.
    pub findings: Vec<Finding>,
}

/// The WebSocket API: one stage, routes by the functions' triggers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Websocket {
    /// How a message finds its route, such as `$request.body.action`.
    ///
    /// Source: <https://docs.aws.amazon.com/apigateway/latest/developerguide/websocket-api-develop-routes.html>
    pub route_selection_expression: String,
}

impl Topology {
    /// Reads and checks a file.
    ///
    /// # Errors
    /// The file cannot be read, or it has mistakes: all of them, each with its line, what is wrong and what would be
    /// right.
    pub fn read(file: &Path) -> Result<Self, Error> {
        let source =
            std::fs::read_to_string(file).map_err(|source| Error::Unreadable { file: file.to_path_buf(), source })?;
        Self::parse(&source).map_err(|mistakes| Error::Mistaken { file: file.to_path_buf(), mistakes })
    }

    /// Reads and checks the text of a topology.
    ///
    /// # Errors
    /// Every mistake in it, in the order of the text.
    pub fn parse(source: &str) -> Result<Self, Mistakes> {
        let document = yaml::parse(source).map_err(|mistake| Mistakes::new(vec![mistake]))?;
        let log = Log::default();
        let ambiguous = plain::ambiguous(source);
        let mut topology = Self::from_document(&At::root(&document, &log));
        check::references(&topology, &log);
        check::rules(&topology, &log);
        let mut mistakes = ambiguous;
        mistakes.extend(log.mistakes());
        if mistakes.is_empty() {
            topology.findings = check::findings(&topology, &log);
            Ok(topology)
        } else {
            Err(Mistakes::new(mistakes))
        }
    }

    fn from_document(root: &At<'_>) -> Self {
        let fields = root.fields(&[
            "version",
            "name",
            "parameters",
            "secrets",
            "websocket",
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

    /// The function of that name.
    #[must_use]
    pub fn function(&self, name: &str) -> Option<&Function> {
        self.functions.iter().find(|function| function.name == name)
    }

    /// The queue of that name, without `.fifo`.
    #[must_use]
    pub fn queue(&self, name: &str) -> Option<&Queue> {
        self.queues.iter().find(|queue| queue.name == name)
    }

    /// The topic of that name, without `.fifo`.
    #[must_use]
    pub fn topic(&self, name: &str) -> Option<&Topic> {
        self.topics.iter().find(|topic| topic.name == name)
    }

    /// The table of that name.
    #[must_use]
    pub fn table(&self, name: &str) -> Option<&Table> {
        self.tables.iter().find(|table| table.name == name)
    }

    /// The parameter of that name.
    #[must_use]
    pub fn parameter(&self, name: &str) -> Option<&Parameter> {
        self.parameters.iter().find(|parameter| parameter.name == name)
    }

    /// The secret of that name.
    #[must_use]
    pub fn secret(&self, name: &str) -> Option<&Secret> {
        self.secrets.iter().find(|secret| secret.name == name)
    }

    /// Every trigger with the function it invokes, in the order of the file.
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

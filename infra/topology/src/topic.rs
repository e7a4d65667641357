//! An SNS topic and its subscribed queues.

use crate::at::At;
use crate::limits;
use crate::suggest::unknown;

/// A topic with its subscriptions.
#[derive(Debug, Clone, PartialEq)]
pub struct Topic {
    /// Name of the topic, without `.fifo`.
    pub name: String,
    /// True if order is kept per message group.
    pub fifo: bool,
    /// True if the deduplication id is the hash of the body if the publisher gives none.
    pub content_based_deduplication: bool,
    /// Queues that receive the publications. Other queues may subscribe from outside the topology.
    pub subscriptions: Vec<Subscription>,
}

/// A queue that receives the publications of a topic.
#[derive(Debug, Clone, PartialEq)]
pub struct Subscription {
    /// Name of the queue.
    pub queue: String,
    /// True if the queue receives the bare message instead of SNS's envelope.
    pub raw: bool,
    /// The filter of the publications. With `None`, the queue receives all of them.
    pub filter_policy: Option<serde_json::Value>,
    /// The part of a publication that the policy matches.
    pub filter_policy_scope: FilterPolicyScope,
}

/// The part of a publication that a filter policy matches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FilterPolicyScope {
    /// The message attributes.
    Attributes,
    /// The body, which must be JSON.
    Body,
}

impl Topic {
    /// Returns the topic's name in SNS, with `.fifo` for a FIFO topic.
    #[must_use]
    pub fn physical_name(&self) -> String {
        if self.fifo { format!("{}.fifo", self.name) } else { self.name.clone() }
    }

    pub(crate) fn read(name: &str, at: &At<'_>) -> Self {
        let fields = at.fields(&["fifo", "content_based_deduplication", "subscriptions"]);
        let topic = Self {
            name: name.to_owned(),
            fifo: fields.boolean("fifo", false),
            content_based_deduplication: fields.boolean("content_based_deduplication", false),
            subscriptions: fields.list("subscriptions").iter().map(Subscription::read).collect(),
        };
        if let Some(field) = fields.optional("content_based_deduplication")
            && topic.content_based_deduplication
            && !topic.fifo
        {
            field.mistake("only a FIFO topic has this: add `fifo: true`, or remove it");
        }
        topic
    }
}

impl Subscription {
    fn read(at: &At<'_>) -> Self {
        let fields = at.fields(&["queue", "raw", "filter_policy", "filter_policy_scope"]);
        let scope = fields.optional("filter_policy_scope");
        let policy = fields.optional("filter_policy");
        if let (Some(scope), None) = (&scope, &policy) {
            scope.mistake("a scope without a `filter_policy` does nothing: add the policy, or remove the scope");
        }
        let filter_policy_scope = scope.map_or(FilterPolicyScope::Attributes, |scope| read_scope(&scope));
        Self {
            queue: fields.required_text("queue"),
            raw: fields.boolean("raw", false),
            filter_policy: policy.and_then(|policy| read_policy(&policy, filter_policy_scope)),
            filter_policy_scope,
        }
    }
}

fn read_scope(at: &At<'_>) -> FilterPolicyScope {
    match at.text() {
        Some("attributes") | None => FilterPolicyScope::Attributes,
        Some("body") => FilterPolicyScope::Body,
        Some(other) => {
            at.mistake(unknown("scope", other, ["attributes", "body"].into_iter(), "scopes"));
            FilterPolicyScope::Attributes
        }
    }
}

/// Reads a filter policy. An empty one is refused, because SNS would deliver every message.
fn read_policy(at: &At<'_>, scope: FilterPolicyScope) -> Option<serde_json::Value> {
    let entries = at.entries();
    if entries.len() > limits::FILTER_POLICY_KEYS {
        at.mistake(format!(
            "{} keys are more than {}, what a policy may have",
            entries.len(),
            limits::FILTER_POLICY_KEYS
        ));
    }
    for (key, entry) in &entries {
        let values = entry.to_json();
        let nested = scope == FilterPolicyScope::Body && values.is_object();
        if !nested && values.as_array().is_none_or(Vec::is_empty) {
            entry.mistake(format!("expected a list of what `{key}` may be, such as `[\"order\"]`"));
        }
    }
    (!entries.is_empty()).then(|| at.to_json())
}

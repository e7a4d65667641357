//! A topic of SNS and the queues that subscribe to it.

use crate::at::At;
use crate::limits;
use crate::suggest::unknown;

/// One topic.
#[derive(Debug, Clone, PartialEq)]
pub struct Topic {
    /// Its name, without `.fifo`.
    pub name: String,
    /// Whether order is kept per message group.
    pub fifo: bool,
    /// Whether the deduplication id is the hash of the body where the publisher gives none.
    pub content_based_deduplication: bool,
    /// Queues that get what is published. Others may subscribe from outside.
    pub subscriptions: Vec<Subscription>,
}

/// A queue that gets what is published.
#[derive(Debug, Clone, PartialEq)]
pub struct Subscription {
    /// The queue's name.
    pub queue: String,
    /// Whether the queue gets the bare message instead of SNS's envelope.
    pub raw: bool,
    /// What gets through; `None`: everything.
    pub filter_policy: Option<serde_json::Value>,
    /// What the policy looks at.
    pub filter_policy_scope: FilterPolicyScope,
}

/// What a filter policy looks at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FilterPolicyScope {
    /// The message attributes.
    Attributes,
    /// The body, which must be JSON.
    Body,
}

impl Topic {
    /// The name that SNS knows, with `.fifo` where it must be.
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

/// An empty policy is no policy: SNS would let everything through.
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

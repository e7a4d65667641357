//! The topology as JSON: the content of the file with every default filled in.
//!
//! Terraform reads the file into the same form, so the two results can be compared exactly.

use serde_json::{Map, Value, json};

use crate::environment::EnvironmentValue;
use crate::{
    FilterPolicyScope, Function, Grant, Index, Key, Parameter, Projection, Queue, QueueTrigger, RouteTrigger, Secret,
    StartingPosition, StreamTrigger, StreamView, Table, Topic, Topology, Trigger,
};

impl Topology {
    /// Returns the topology with every default filled in and `null` for absent values. Fields have
    /// the names of the file.
    #[must_use]
    pub fn to_json(&self) -> Value {
        json!({
            "name": self.name,
            "parameters": named(&self.parameters, |it| &it.name, parameter),
            "secrets": named(&self.secrets, |it| &it.name, secret),
            "websocket": self.websocket.as_ref().map(|it| json!({
                "route_selection_expression": it.route_selection_expression,
            })),
            "http": self.http.as_ref().map(|it| json!({ "optional": it.optional })),
            "functions": named(&self.functions, |it| &it.name, function),
            "queues": named(&self.queues, |it| &it.name, queue),
            "topics": named(&self.topics, |it| &it.name, topic),
            "tables": named(&self.tables, |it| &it.name, table),
        })
    }
}

fn named<T>(items: &[T], name: impl Fn(&T) -> &String, value: impl Fn(&T) -> Value) -> Value {
    Value::Object(items.iter().map(|item| (name(item).clone(), value(item))).collect())
}

fn parameter(parameter: &Parameter) -> Value {
    json!({ "description": parameter.description, "default": parameter.default })
}

fn secret(secret: &Secret) -> Value {
    json!({ "description": secret.description, "default": secret.default })
}

fn function(function: &Function) -> Value {
    let environment = function.environment.iter().map(|(name, value)| (name.clone(), environment(value)));
    json!({
        "description": function.description,
        "binary": function.binary,
        "memory_mb": function.memory_mb,
        "timeout_s": function.timeout_s,
        "reserved_concurrency": function.reserved_concurrency,
        "environment": environment.collect::<Map<_, _>>(),
        "triggers": by_kind(&TRIGGERS, function.triggers.iter().map(trigger)),
        "grants": by_kind(&GRANTS, function.grants.iter().map(grant)),
    })
}

const TRIGGERS: [&str; 6] = ["websocket", "http", "authorizer", "queue", "stream", "schedule"];
const GRANTS: [&str; 5] = ["table", "queue", "topic", "secret", "websocket"];

/// Returns one list for each kind, in the order of the file.
fn by_kind(kinds: &[&str], items: impl Iterator<Item = (&'static str, Value)>) -> Value {
    let mut lists: Map<String, Value> = kinds.iter().map(|kind| ((*kind).to_owned(), json!([]))).collect();
    for (kind, item) in items {
        if let Some(list) = lists.get_mut(kind).and_then(Value::as_array_mut) {
            list.push(item);
        }
    }
    Value::Object(lists)
}

fn environment(value: &EnvironmentValue) -> Value {
    match value {
        EnvironmentValue::Text(text) => json!({ "text": text }),
        EnvironmentValue::Table(name) => json!({ "table": name }),
        EnvironmentValue::QueueUrl(name) => json!({ "queue_url": name }),
        EnvironmentValue::TopicArn(name) => json!({ "topic_arn": name }),
        EnvironmentValue::Parameter(name) => json!({ "parameter": name }),
        EnvironmentValue::Secret(name) => json!({ "secret": name }),
        EnvironmentValue::ManagementUrl => json!({ "websocket": "management_url" }),
    }
}

fn trigger(trigger: &Trigger) -> (&'static str, Value) {
    match trigger {
        Trigger::Http { routes } => ("http", json!({ "routes": routes })),
        Trigger::Websocket(it) => ("websocket", route_trigger(it)),
        Trigger::Authorizer { identity_sources } => ("authorizer", json!({ "identity_sources": identity_sources })),
        Trigger::Queue(it) => ("queue", queue_trigger(it)),
        Trigger::Stream(it) => ("stream", stream_trigger(it)),
        Trigger::Schedule(rate) => ("schedule", json!({ "rate": rate.words() })),
    }
}

fn route_trigger(trigger: &RouteTrigger) -> Value {
    json!({
        "routes": trigger.routes,
        "response": trigger.response,
        "throttle": trigger.throttle.map(|it| json!({ "rate": it.rate, "burst": it.burst })),
    })
}

fn queue_trigger(trigger: &QueueTrigger) -> Value {
    json!({
        "queue": trigger.queue,
        "batch_size": trigger.batch_size,
        "batch_window_s": trigger.batch_window_s,
        "maximum_concurrency": trigger.maximum_concurrency,
        "report_batch_item_failures": trigger.report_batch_item_failures,
        "filters": trigger.filters,
    })
}

fn stream_trigger(trigger: &StreamTrigger) -> Value {
    json!({
        "table": trigger.table,
        "batch_size": trigger.batch_size,
        "batch_window_s": trigger.batch_window_s,
        "parallelization_factor": trigger.parallelization_factor,
        "starting_position": match trigger.starting_position {
            StartingPosition::TrimHorizon => "trim_horizon",
            StartingPosition::Latest => "latest",
        },
        "filters": trigger.filters,
        "maximum_retry_attempts": trigger.maximum_retry_attempts,
        "maximum_record_age_s": trigger.maximum_record_age_s,
        "bisect_batch_on_function_error": trigger.bisect_batch_on_function_error,
        "report_batch_item_failures": trigger.report_batch_item_failures,
        "on_failure": trigger.on_failure.as_ref().map(|it| json!({ "queue": it.queue })),
    })
}

fn grant(grant: &Grant) -> (&'static str, Value) {
    match grant {
        Grant::Table { table, actions, indexes } => {
            ("table", json!({ "table": table, "actions": actions, "indexes": indexes }))
        }
        Grant::Queue { queue, actions } => ("queue", json!({ "queue": queue, "actions": actions })),
        Grant::Topic { topic, actions } => ("topic", json!({ "topic": topic, "actions": actions })),
        Grant::Secret { secret, actions } => ("secret", json!({ "secret": secret, "actions": actions })),
        Grant::Websocket { actions } => ("websocket", json!({ "actions": actions })),
    }
}

fn queue(queue: &Queue) -> Value {
    json!({
        "fifo": queue.fifo,
        "high_throughput": queue.high_throughput,
        "content_based_deduplication": queue.content_based_deduplication,
        "visibility_timeout_s": queue.visibility_timeout_s,
        "retention_s": queue.retention_s,
        "delay_s": queue.delay_s,
        "dead_letter": queue.dead_letter.as_ref().map(|it| json!({
            "queue": it.queue,
            "maximum_receive_count": it.maximum_receive_count,
        })),
    })
}

fn topic(topic: &Topic) -> Value {
    let subscriptions = topic.subscriptions.iter().map(|it| {
        json!({
            "queue": it.queue,
            "raw": it.raw,
            "filter_policy": it.filter_policy,
            "filter_policy_scope": match it.filter_policy_scope {
                FilterPolicyScope::Attributes => "attributes",
                FilterPolicyScope::Body => "body",
            },
        })
    });
    json!({
        "fifo": topic.fifo,
        "content_based_deduplication": topic.content_based_deduplication,
        "subscriptions": subscriptions.collect::<Vec<_>>(),
    })
}

fn table(table: &Table) -> Value {
    json!({
        "partition_key": key(&table.partition_key),
        "sort_key": table.sort_key.as_ref().map(key),
        "indexes": named(&table.indexes, |it| &it.name, index),
        "stream": table.stream.map(|view| match view {
            StreamView::KeysOnly => "keys_only",
            StreamView::NewImage => "new_image",
            StreamView::OldImage => "old_image",
            StreamView::NewAndOldImages => "new_and_old_images",
        }),
        "ttl": table.ttl,
    })
}

fn index(index: &Index) -> Value {
    json!({
        "partition_key": key(&index.partition_key),
        "sort_key": index.sort_key.as_ref().map(key),
        "projection": match &index.projection {
            Projection::KeysOnly => json!({ "type": "keys_only", "include": [] }),
            Projection::All => json!({ "type": "all", "include": [] }),
            Projection::Include(attributes) => json!({ "type": "include", "include": attributes }),
        },
    })
}

fn key(key: &Key) -> Value {
    json!({ "name": key.name, "type": key.attribute_type.letter() })
}

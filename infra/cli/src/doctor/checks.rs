//! Checks of tables, queues and secrets: the same for the local stack and for AWS.

use aws_adapters::{QueueState, SecretStore, TableSettings};
use domain::ports::Secrets;
use futures::{StreamExt, TryStreamExt, stream};
use serde_json::Value;
use topology::{Queue, StreamView, Table};

use super::{Finding, Status};
use crate::deployment::Deployment;
use crate::error::Error;
use crate::letters::queue::DeadLetterQueue;

/// D1: expiry, stream and indexes of a table.
const TABLE: &str = "D1";
/// D2: the settings of a queue.
const QUEUE: &str = "D2";
/// D3: messages that wait in a queue.
const DEPTH: &str = "D3";
/// D4: dead letters.
const LETTERS: &str = "D4";
/// D5: secrets that can be read.
const SECRET: &str = "D5";

/// Calls that are made at the same time.
const CALLS_AT_ONCE: usize = 8;
/// Messages that a queue may have without a warning: a busy deployment works off as many in
/// seconds.
const DEPTH_NORMAL: u64 = 1_000;

/// Checks the settings of every table.
pub(crate) async fn tables(deployment: &Deployment) -> Result<Vec<Finding>, Error> {
    let tables = deployment.tables()?;
    let mut findings = Vec::new();
    for table in &deployment.topology.tables {
        let settings = tables.settings(deployment.table(&table.name)?).await?;
        findings.push(table_finding(table, &settings));
    }
    Ok(findings)
}

fn table_finding(table: &Table, settings: &TableSettings) -> Finding {
    let wanted = TableSettings {
        ttl_attribute: table.ttl.clone(),
        stream_view: table.stream.map(|view| view_name(view).to_owned()),
        indexes: {
            let mut names: Vec<String> = table.indexes.iter().map(|index| index.name.clone()).collect();
            names.sort();
            names
        },
    };
    let subject = format!("table {}", table.name);
    let mut wrong = Vec::new();
    let or_none = |text: &Option<String>| text.clone().unwrap_or_else(|| "none".to_owned());
    if settings.ttl_attribute != wanted.ttl_attribute {
        wrong.push(format!(
            "items expire by {} instead of {}",
            or_none(&settings.ttl_attribute),
            or_none(&wanted.ttl_attribute)
        ));
    }
    if settings.stream_view != wanted.stream_view {
        wrong.push(format!(
            "the stream has {} instead of {}",
            or_none(&settings.stream_view),
            or_none(&wanted.stream_view)
        ));
    }
    if settings.indexes != wanted.indexes {
        wrong.push(format!("the indexes are {:?} instead of {:?}", settings.indexes, wanted.indexes));
    }
    if wrong.is_empty() {
        return Finding::ok(TABLE, subject, "expiry, stream and indexes are those of the topology");
    }
    let fix = "terraform apply (a restored table has neither expiry nor stream: docs/operations/restore.md)";
    Finding::bad(TABLE, Status::Failure, subject, wrong.join("; "), fix)
}

fn view_name(view: StreamView) -> &'static str {
    match view {
        StreamView::KeysOnly => "KEYS_ONLY",
        StreamView::NewImage => "NEW_IMAGE",
        StreamView::OldImage => "OLD_IMAGE",
        StreamView::NewAndOldImages => "NEW_AND_OLD_IMAGES",
    }
}

/// Checks settings and depth of every queue, and that no dead-letter queue has a letter.
pub(crate) async fn queues(deployment: &Deployment) -> Result<Vec<Finding>, Error> {
    let dead = DeadLetterQueue::all(&deployment.topology);
    let operator = deployment.operator_queues();
    let states = stream::iter(&deployment.topology.queues).map(|queue| {
        let operator = &operator;
        async move { Ok::<_, Error>((queue, operator.state(deployment.queue_url(&queue.name)?).await?)) }
    });
    let states: Vec<(&Queue, QueueState)> = states.buffered(CALLS_AT_ONCE).try_collect().await?;
    let mut findings = Vec::new();
    for (queue, state) in states {
        findings.extend(settings_finding(queue, &state));
        let is_dead = dead.iter().any(|dead| dead.name == queue.name);
        findings.push(if is_dead { letters_finding(queue, &state) } else { depth_finding(queue, &state) });
    }
    Ok(findings)
}

/// Compares the settings of a queue with the topology. A queue that agrees causes no finding.
fn settings_finding(queue: &Queue, state: &QueueState) -> Option<Finding> {
    let mut wrong = Vec::new();
    let mut compare = |what: &str, found: u64, wanted: u32| {
        if found != u64::from(wanted) {
            wrong.push(format!("{what} is {found} s instead of {wanted} s"));
        }
    };
    compare("the visibility timeout", state.visibility_timeout_s, queue.visibility_timeout_s);
    compare("the retention", state.retention_s, queue.retention_s);
    let wanted = queue.dead_letter.as_ref().map(|dead| dead.queue.as_str());
    let is_target = match (wanted, &state.dead_letter_queue) {
        (None, None) => true,
        // The name in the account has a prefix, and a suffix if the queue is FIFO.
        (Some(wanted), Some(found)) => found.trim_end_matches(".fifo").ends_with(wanted),
        _ => false,
    };
    if !is_target {
        let found = state.dead_letter_queue.as_deref().unwrap_or("none");
        wrong.push(format!("the dead-letter queue is {found} instead of {}", wanted.unwrap_or("none")));
    }
    (!wrong.is_empty()).then(|| {
        Finding::bad(QUEUE, Status::Failure, format!("queue {}", queue.name), wrong.join("; "), "terraform apply")
    })
}

fn depth_finding(queue: &Queue, state: &QueueState) -> Finding {
    let subject = format!("queue {}", queue.name);
    let found = format!("{} wait, {} in flight, {} delayed", state.visible, state.in_flight, state.delayed);
    if state.visible <= DEPTH_NORMAL {
        return Finding::ok(DEPTH, subject, found);
    }
    let fix =
        "nothing is lost. Look for errors and throttles of the function that the queue invokes, and for a hot room";
    Finding::bad(DEPTH, Status::Warning, subject, found, fix)
}

fn letters_finding(queue: &Queue, state: &QueueState) -> Finding {
    let subject = format!("queue {}", queue.name);
    match state.visible + state.in_flight + state.delayed {
        0 => Finding::ok(LETTERS, subject, "no dead letter"),
        letters => {
            let fix = format!(
                "roomcast dead-letters show {0}; repair the cause; roomcast dead-letters redrive {0}",
                queue.name
            );
            Finding::bad(LETTERS, Status::Failure, subject, format!("{letters} dead letters"), fix)
        }
    }
}

/// Checks that every secret can be read and has the form of keys. Values are not shown.
pub(crate) async fn secrets(deployment: &Deployment) -> Vec<Finding> {
    let store = SecretStore::new(&deployment.account);
    let mut findings = Vec::new();
    for (name, stored) in deployment.secrets() {
        let subject = format!("secret {name}");
        findings.push(match store.read(stored).await {
            Err(error) => {
                let fix =
                    "allow secretsmanager:GetSecretValue; a deleted secret can be restored for secret_recovery_days";
                Finding::bad(SECRET, Status::Failure, subject, error.to_string(), fix)
            }
            Ok(value) => secret_finding(subject, &value),
        });
    }
    findings
}

fn secret_finding(subject: String, value: &str) -> Finding {
    let keys = match serde_json::from_str::<Value>(value) {
        Ok(Value::Object(set)) => set.get("keys").and_then(Value::as_array).map_or(set.len(), Vec::len),
        _ => {
            let found = "the value is not a JSON object; no token is accepted";
            return Finding::bad(
                SECRET,
                Status::Failure,
                subject,
                found,
                "put the keys again: infra/terraform/README.md, keys",
            );
        }
    };
    Finding::ok(SECRET, subject, format!("readable, {keys} keys"))
}

#[cfg(test)]
mod tests {
    use topology::Topology;

    use super::*;

    fn topology() -> Topology {
        Topology::parse(include_str!("../../../topology.yaml")).unwrap()
    }

    #[test]
    fn a_restored_table_without_expiry_and_stream_is_a_failure() {
        let topology = topology();
        let table = topology.table("outbox").unwrap();
        let good = TableSettings {
            ttl_attribute: Some("ttl".to_owned()),
            stream_view: Some("NEW_IMAGE".to_owned()),
            indexes: Vec::new(),
        };
        assert_eq!(table_finding(table, &good).status, Status::Ok);
        let restored = table_finding(table, &TableSettings { ttl_attribute: None, stream_view: None, ..good });
        assert_eq!(restored.status, Status::Failure);
        assert_eq!(restored.found, "items expire by none instead of ttl; the stream has none instead of NEW_IMAGE");
    }

    #[test]
    fn a_queue_with_other_settings_than_the_topology_is_a_failure() {
        let topology = topology();
        let queue = topology.queue("deliveries").unwrap();
        let good = QueueState {
            visible: DEPTH_NORMAL,
            in_flight: 0,
            delayed: 0,
            visibility_timeout_s: 30,
            retention_s: 1_209_600,
            dead_letter_queue: Some("chat-deliveries-dead.fifo".to_owned()),
        };
        assert_eq!(settings_finding(queue, &good), None);
        assert_eq!(depth_finding(queue, &good).status, Status::Ok);
        let deep = QueueState { visible: DEPTH_NORMAL + 1, ..good.clone() };
        assert_eq!(depth_finding(queue, &deep).status, Status::Warning);
        let wrong = QueueState { visibility_timeout_s: 5, dead_letter_queue: None, ..good };
        let found = settings_finding(queue, &wrong).unwrap().found;
        assert_eq!(
            found,
            "the visibility timeout is 5 s instead of 30 s; the dead-letter queue is none instead of deliveries-dead"
        );
    }

    #[test]
    fn a_secret_is_counted_and_never_shown() {
        let good = secret_finding("secret".to_owned(), r#"{"dev":"c2VjcmV0"}"#);
        assert_eq!((good.status, good.found.as_str()), (Status::Ok, "readable, 1 keys"));
        let bad = secret_finding("secret".to_owned(), "c2VjcmV0");
        assert!(bad.status == Status::Failure && !format!("{bad:?}").contains("c2VjcmV0"));
    }
}

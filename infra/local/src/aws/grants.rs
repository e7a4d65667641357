//! Evaluates the grants of the topology as IAM would.

use std::collections::HashMap;
use std::fs::File;
use std::io::Write as _;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use topology::{Permission, Resource, Topology};

use super::caller::Caller;
use crate::place::{
    connections_arn, index_arn, queue_arn, secret_arn, shown_connections_arn, stream_arn, table_arn, topic_arn,
};

/// An action of IAM on a resource, such as `dynamodb:PutItem` on a table's ARN.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Action {
    /// Name of the action with the service's prefix.
    pub(crate) name: String,
    /// ARN of the resource, or `*` if the action has no resource.
    pub(crate) resource: String,
}

impl Action {
    pub(crate) fn new(name: impl Into<String>, resource: impl Into<String>) -> Self {
        Self { name: name.into(), resource: resource.into() }
    }
}

/// The granted actions of every function, and which of them were used.
#[derive(Debug, Default)]
pub(crate) struct Grants {
    functions: HashMap<String, HashMap<Action, Grant>>,
    /// The file with a line for each permission that was used.
    record: Option<File>,
}

#[derive(Debug)]
struct Grant {
    permission: Permission,
    is_used: AtomicBool,
}

impl Grants {
    pub(crate) fn new(topology: &Topology) -> Self {
        let functions = topology
            .functions
            .iter()
            .map(|function| {
                let grants = function.permissions().into_iter().map(|permission| {
                    (allowed(&permission, topology), Grant { permission, is_used: AtomicBool::new(false) })
                });
                (function.name.clone(), grants.collect())
            })
            .collect();
        Self { functions, record: None }
    }

    /// Appends a line to a file at the first use of each permission. Several stacks may share the
    /// file.
    pub(crate) fn recorded_in(self, file: &Path) -> std::io::Result<Self> {
        Ok(Self { record: Some(File::options().create(true).append(true).open(file)?), ..self })
    }

    /// Returns the first of the actions that the caller may not perform. If there is none, all of
    /// them count as used.
    pub(crate) fn first_denied<'a>(&self, caller: &Caller, actions: &'a [Action]) -> Option<&'a Action> {
        let (Caller::Function(function) | Caller::Poller(function)) = caller else { return None };
        let granted = self.functions.get(&**function);
        let grant = |action: &Action| granted.and_then(|granted| granted.get(action));
        let denied = actions.iter().find(|action| grant(action).is_none());
        if denied.is_none() {
            actions.iter().filter_map(grant).for_each(|grant| self.note_use(function, grant));
        }
        denied
    }

    fn note_use(&self, function: &str, grant: &Grant) {
        // A load first: concurrent calls would otherwise contend for the cache line.
        let is_first = !grant.is_used.load(Ordering::Relaxed) && !grant.is_used.swap(true, Ordering::Relaxed);
        let Some(mut record) = self.record.as_ref().filter(|_| is_first) else { return };
        // A single write keeps lines of several processes apart.
        if let Err(error) = record.write_all(format!("{function}: {}\n", grant.permission).as_bytes()) {
            tracing::warn!(
                "recording used permissions failed: {error}; {} of {function} is not in the file",
                grant.permission
            );
        }
    }

    /// Returns the error text if the caller may not call `@connections` with this method.
    pub(crate) fn denial_of_connections(&self, caller: &Caller, method: &str) -> Option<String> {
        let Caller::Function(function) = caller else { return None };
        let manage = |arn: String| Action::new("execute-api:ManageConnections", arn);
        self.first_denied(caller, &[manage(connections_arn(method))])?;
        Some(denial(function, &manage(shown_connections_arn(method))))
    }
}

/// Builds the sentence with which AWS denies an action. In it, SQS writes its actions in lower
/// case, and SNS writes its own name in capitals.
///
/// Source: <https://docs.aws.amazon.com/IAM/latest/UserGuide/troubleshoot_access-denied.html>
pub(crate) fn denial(function: &str, action: &Action) -> String {
    let resource = &action.resource;
    let name = match action.name.split_once(':') {
        Some(("sqs", _)) => action.name.to_lowercase(),
        Some(("sns", operation)) => format!("SNS:{operation}"),
        _ => action.name.clone(),
    };
    let account = crate::place::ACCOUNT;
    format!(
        "User: arn:aws:sts::{account}:assumed-role/{function}/{function} is not authorized to perform: {name} on resource: \
         {resource} because no identity-based policy allows the {name} action"
    )
}

fn allowed(permission: &Permission, topology: &Topology) -> Action {
    let arn = match &permission.resource {
        Resource::Table(table) => table_arn(table),
        Resource::Index { table, index } => index_arn(table, index),
        Resource::Stream(table) => stream_arn(table),
        Resource::Queue(queue) => {
            queue_arn(&topology.queue(queue).map(topology::Queue::physical_name).unwrap_or_default())
        }
        Resource::Topic(topic) => {
            topic_arn(&topology.topic(topic).map(topology::Topic::physical_name).unwrap_or_default())
        }
        Resource::Secret(secret) => {
            secret_arn(&topology.secret(secret).map(|it| it.physical_name(&topology.name)).unwrap_or_default())
        }
        Resource::Connections(method) => connections_arn(method),
    };
    Action::new(permission.action.as_str(), arn)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grants() -> Grants {
        let topology = Topology::parse(
            "
version: 1
name: x
functions:
  reader: { binary: reader, memory_mb: 128, timeout_s: 1, grants: [
    { table: things, actions: [Query, GetItem], indexes: [by_kind] },
    { queue: work, actions: [SendMessage] }, { secret: keys, actions: [GetSecretValue] } ] }
  poller: { binary: poller, memory_mb: 128, timeout_s: 1, triggers: [
    { queue: { queue: work } }, { stream: { table: things, on_failure: { queue: lost }, maximum_retry_attempts: 1 } } ] }
  idle: { binary: idle, memory_mb: 128, timeout_s: 1 }
secrets: { keys: { description: Keys. } }
queues: { work: { fifo: true }, lost: {} }
tables:
  things:
    partition_key: { name: pk, type: S }
    stream: keys_only
    indexes:
      by_kind: { partition_key: { name: kind, type: S }, projection: all }
      by_size: { partition_key: { name: size, type: \"N\" }, projection: all }
",
        );
        Grants::new(&topology.unwrap())
    }

    fn denied(function: &str, name: &str, resource: &str) -> bool {
        let caller = Caller::Function(function.into());
        grants().first_denied(&caller, &[Action::new(name, resource)]).is_some()
    }

    #[test]
    fn what_is_not_granted_is_denied() {
        let things = table_arn("things");
        assert!(!denied("reader", "dynamodb:Query", &things));
        assert!(denied("reader", "dynamodb:Scan", &things));
        assert!(denied("reader", "dynamodb:Query", &table_arn("others")));
        assert!(denied("idle", "dynamodb:Query", &things));
        assert!(denied("nobody", "dynamodb:Query", &things));
    }

    #[test]
    fn a_permission_is_recorded_at_its_first_use_and_only_if_the_call_was_allowed() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("used");
        let grants = grants().recorded_in(&file).unwrap();
        let reader = Caller::Function("reader".into());
        let query = Action::new("dynamodb:Query", index_arn("things", "by_kind"));
        let scan = Action::new("dynamodb:Scan", table_arn("things"));
        let get = Action::new("dynamodb:GetItem", table_arn("things"));
        assert_eq!(grants.first_denied(&reader, &[get, scan.clone()]), Some(&scan));
        for _ in 0..2 {
            assert_eq!(grants.first_denied(&reader, std::slice::from_ref(&query)), None);
        }
        assert_eq!(grants.first_denied(&Caller::Developer, &[scan]), None);
        assert_eq!(std::fs::read_to_string(&file).unwrap(), "reader: dynamodb:Query on index by_kind of things\n");
    }

    #[test]
    fn an_index_is_granted_by_its_name() {
        let index = |name: &str| format!("{}/index/{name}", table_arn("things"));
        assert!(!denied("reader", "dynamodb:Query", &index("by_kind")));
        assert!(denied("reader", "dynamodb:Query", &index("by_size")));
    }

    #[test]
    fn a_queue_is_granted_by_its_physical_name() {
        assert!(!denied("reader", "sqs:SendMessage", &queue_arn("work.fifo")));
        assert!(denied("reader", "sqs:SendMessage", &queue_arn("work")));
        assert!(denied("reader", "sqs:ReceiveMessage", &queue_arn("work.fifo")));
    }

    #[test]
    fn what_polls_for_a_function_may_do_what_its_triggers_need_and_no_more() {
        let poller = |name: &str, resource: &str| {
            let caller = Caller::Poller("poller".into());
            grants().first_denied(&caller, &[Action::new(name, resource)]).is_none()
        };
        for action in ["sqs:ReceiveMessage", "sqs:DeleteMessage"] {
            assert!(poller(action, &queue_arn("work.fifo")), "{action}");
            assert!(!poller(action, &queue_arn("lost")), "{action}");
        }
        assert!(poller("dynamodb:GetRecords", &stream_arn("things")));
        assert!(poller("sqs:SendMessage", &queue_arn("lost")));
        assert!(!poller("sqs:SendMessage", &queue_arn("work.fifo")));
        assert!(denied("reader", "sqs:ReceiveMessage", &queue_arn("work.fifo")));
    }

    #[test]
    fn a_secret_is_granted_by_its_name_in_the_store() {
        assert!(!denied("reader", "secretsmanager:GetSecretValue", &secret_arn("x/keys")));
        assert!(denied("reader", "secretsmanager:GetSecretValue", &secret_arn("x/others")));
        assert!(denied("idle", "secretsmanager:GetSecretValue", &secret_arn("x/keys")));
    }

    #[test]
    fn the_developer_may_do_everything() {
        let everything = [Action::new("dynamodb:DeleteTable", table_arn("things"))];
        assert_eq!(grants().first_denied(&Caller::Developer, &everything), None);
    }

    #[test]
    fn a_denial_reads_as_that_of_aws() {
        let sentence = denial("reader", &Action::new("dynamodb:Scan", table_arn("things")));
        assert_eq!(
            sentence,
            "User: arn:aws:sts::000000000000:assumed-role/reader/reader is not authorized to perform: dynamodb:Scan on \
             resource: arn:aws:dynamodb:us-east-1:000000000000:table/things because no identity-based policy allows the \
             dynamodb:Scan action"
        );
    }
}

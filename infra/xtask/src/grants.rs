//! `cargo xtask grants`: compares what functions may do with what they did while the end-to-end
//! tests ran.
//!
//! A permission that is missing fails a test, because the local stack denies the call. This command
//! finds the permissions that no test used.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use topology::Topology;

use crate::topology::FILE;

/// Where the tests recorded what was used.
#[derive(Debug, clap::Args)]
#[command(after_help = "Record with: ROOMCAST_USED_PERMISSIONS=FILE cargo test -p e2e")]
pub(crate) struct Arguments {
    /// The file to which the tests appended
    #[arg(long, value_name = "FILE")]
    used: PathBuf,
}

/// Whether the tests may use a permission that is on the list of exceptions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Use {
    /// No test uses it. A use means that the exception is out of date.
    Never,
    /// It takes two calls at the same moment, which no test can force on processes. The simulation
    /// forces it.
    ByChance,
}

/// A permission that the end-to-end tests do not use.
#[derive(Debug)]
struct Exception {
    /// The function and the permission, as they are recorded.
    permission: &'static str,
    usage: Use,
    reason: &'static str,
}

const fn never(permission: &'static str, reason: &'static str) -> Exception {
    Exception { permission, usage: Use::Never, reason }
}

const fn by_chance(permission: &'static str, reason: &'static str) -> Exception {
    Exception { permission, usage: Use::ByChance, reason }
}

const MAPPING: &str = "Lambda checks for it when it makes an event source mapping; the local pollers never ask.";

const EXCEPTIONS: &[Exception] = &[
    never("events: sqs:GetQueueAttributes on queue commands", MAPPING),
    never("events: sqs:GetQueueAttributes on queue events", MAPPING),
    never("events: sqs:GetQueueAttributes on queue events-ordered", MAPPING),
    never("fanout: sqs:GetQueueAttributes on queue deliveries", MAPPING),
    never("fanout: sqs:GetQueueAttributes on queue deliveries-wide", MAPPING),
    never("presence: sqs:GetQueueAttributes on queue presence", MAPPING),
    never("sequencer: sqs:GetQueueAttributes on queue publications", MAPPING),
    never("sequencer: sqs:GetQueueAttributes on queue publications-held", MAPPING),
    never("outbox: dynamodb:ListStreams on stream of outbox", MAPPING),
    never("presence: dynamodb:ListStreams on stream of connections", MAPPING),
    by_chance(
        "membership: dynamodb:DeleteItem on table connections",
        "A token is replaced between the read of its connection and the write of a membership, which is then taken back.",
    ),
];

/// Reasons for which the grants are not those that are used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error(transparent)]
    Topology(#[from] topology::Error),
    #[error("cannot read {}: {source}; ROOMCAST_USED_PERMISSIONS=FILE cargo test -p e2e records it", path.display())]
    Unreadable { path: PathBuf, source: std::io::Error },
    #[error("{}", .0.join("\n"))]
    Wrong(Vec<String>),
}

/// Compares, and prints the exceptions.
///
/// # Errors
/// See [`Error`].
pub(crate) fn run(arguments: &Arguments) -> Result<(), Error> {
    let topology = Topology::read(Path::new(FILE))?;
    let path = &arguments.used;
    let used = std::fs::read_to_string(path).map_err(|source| Error::Unreadable { path: path.clone(), source })?;
    let (granted, used) = (granted(&topology), used.lines().collect::<BTreeSet<_>>());
    let wrong = wrong(&granted, &used, EXCEPTIONS);
    if !wrong.is_empty() {
        return Err(Error::Wrong(wrong));
    }
    for exception in EXCEPTIONS {
        println!("not used: {}. {}", exception.permission, exception.reason);
    }
    let count = granted.iter().filter(|line| used.contains(line.as_str())).count();
    println!("{count} of {} permissions of {} functions are used", granted.len(), topology.functions.len());
    Ok(())
}

/// Returns every permission of every function, in the words of the record.
fn granted(topology: &Topology) -> BTreeSet<String> {
    let lines = topology.functions.iter().flat_map(|function| {
        let permissions = function.permissions().into_iter();
        permissions.map(|permission| format!("{}: {permission}", function.name))
    });
    lines.collect()
}

/// Returns a sentence for each permission that is unused, or used in spite of its exception, and
/// for each exception of no permission.
fn wrong(granted: &BTreeSet<String>, used: &BTreeSet<&str>, exceptions: &[Exception]) -> Vec<String> {
    let mut wrong = Vec::new();
    for line in granted {
        let exception = exceptions.iter().find(|exception| exception.permission == line);
        match (used.contains(line.as_str()), exception) {
            (false, None) => wrong.push(format!("{line} is granted and never used: remove it from {FILE}, or test it")),
            (true, Some(exception)) if exception.usage == Use::Never => {
                wrong.push(format!("{line} is used: remove its exception from infra/xtask/src/grants.rs"));
            }
            _ => {}
        }
    }
    let without = exceptions.iter().filter(|exception| !granted.iter().any(|line| exception.permission == line));
    wrong.extend(without.map(|it| format!("{} is granted to no function: remove its exception", it.permission)));
    wrong
}

#[cfg(test)]
mod tests {
    use super::*;

    const POLLS: &str = "a: sqs:GetQueueAttributes on queue work";
    const SENDS: &str = "a: sqs:SendMessage on queue work";

    fn compare(granted: &[String], used: &[String], exceptions: &[Exception]) -> Vec<String> {
        wrong(&granted.iter().cloned().collect(), &used.iter().map(String::as_str).collect(), exceptions)
    }

    fn lines() -> Vec<String> {
        [POLLS, SENDS].map(str::to_owned).to_vec()
    }

    #[test]
    fn a_permission_that_no_test_used_is_named() {
        assert_eq!(compare(&lines(), &lines(), &[]), Vec::<String>::new());
        let found = compare(&lines(), &lines()[..1], &[]);
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(found[0].starts_with("a: sqs:SendMessage on queue work is granted and never used"), "{found:?}");
        assert_eq!(compare(&lines(), &lines()[1..], &[never(POLLS, "Lambda asks.")]), Vec::<String>::new());
    }

    #[test]
    fn the_use_by_another_function_is_another_permission() {
        let by_another: Vec<String> = lines().iter().map(|line| line.replacen("a: ", "b: ", 1)).collect();
        assert_eq!(compare(&lines(), &by_another, &[]).len(), 2);
    }

    #[test]
    fn an_exception_that_is_used_is_named_unless_it_is_used_by_chance() {
        let used = compare(&lines(), &lines(), &[never(POLLS, "Lambda asks.")]);
        assert!(used[0].contains("remove its exception"), "{used:?}");
        assert_eq!(compare(&lines(), &lines(), &[by_chance(POLLS, "A race.")]), Vec::<String>::new());
        assert_eq!(compare(&lines(), &lines()[1..], &[by_chance(POLLS, "A race.")]), Vec::<String>::new());
    }

    #[test]
    fn an_exception_of_no_permission_is_named() {
        let found = compare(&lines(), &lines(), &[never("a: sqs:PurgeQueue on queue work", "None.")]);
        assert_eq!(found, ["a: sqs:PurgeQueue on queue work is granted to no function: remove its exception"]);
    }

    #[test]
    fn every_exception_is_of_a_permission_in_the_topology_and_has_a_sentence() {
        let topology = Topology::read(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(FILE)).unwrap();
        for exception in EXCEPTIONS {
            assert!(granted(&topology).iter().any(|line| exception.permission == line), "{}", exception.permission);
            assert!(exception.reason.ends_with('.'), "{}", exception.reason);
        }
    }
}

//! The dependencies between the crates, read from `cargo metadata`. ARCHITECTURE.md has the
//! reasons.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests fail by panicking")]

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use cargo_metadata::{DependencyKind, MetadataCommand, Package};

/// What a package may use of the workspace, and nothing else.
const ALLOWED: &[(&str, &[&str])] = &[
    ("domain", &[]),
    ("telemetry", &[]),
    ("topology", &[]),
    ("secret-file", &[]),
    ("protocol", &["domain"]),
    ("testkit", &["domain"]),
    ("tokens", &["domain", "protocol"]),
    ("lambda-kit", &["domain", "protocol", "telemetry"]),
    ("aws-adapters", &["domain", "protocol"]),
    ("services", &["aws-adapters", "domain", "lambda-kit", "protocol", "telemetry", "tokens"]),
    ("local-invoke", &[]),
    ("local-faults", &[]),
    ("local-queues", &[]),
    ("local-gateway", &["local-invoke"]),
    ("local-lambda", &["local-invoke"]),
    ("local-event-sources", &["local-faults", "local-invoke"]),
    (
        "local",
        &[
            "topology",
            "secret-file",
            "local-event-sources",
            "local-faults",
            "local-gateway",
            "local-invoke",
            "local-lambda",
            "local-queues",
        ],
    ),
    ("bill", &["topology"]),
    ("roomcast-client", &["domain", "protocol", "secret-file"]),
    ("loadtest", &["domain", "protocol", "roomcast-client"]),
    ("baseline", &[]),
    ("launch", &[]),
    ("cli", &["aws-adapters", "bill", "domain", "protocol", "roomcast-client", "telemetry", "tokens", "topology"]),
    ("xtask", &["domain", "protocol", "roomcast-client", "topology"]),
    (
        "simulation",
        &[
            "authorizer",
            "connect",
            "disconnect",
            "domain",
            "events",
            "fanout",
            "ingest",
            "lambda-kit",
            "membership",
            "outbox",
            "presence",
            "protocol",
            "reaper",
            "roomcast-client",
            "sequencer",
            "telemetry",
            "testkit",
            "tokens",
        ],
    ),
    (
        "fuzz",
        &[
            "authorizer",
            "aws-adapters",
            "domain",
            "lambda-kit",
            "loadtest",
            "protocol",
            "roomcast-client",
            "tokens",
            "topology",
        ],
    ),
    ("e2e", &["aws-adapters", "bill", "domain", "local", "protocol", "roomcast-client", "topology"]),
];

/// The crates that may name an AWS SDK: the adapters, the runner (which provisions and polls
/// through it), the recipe, and the load test where it publishes from the outside.
const NAMES_AN_SDK: &[&str] = &["aws-adapters", "local", "local-event-sources", "baseline", "loadtest", "e2e"];

fn workspace() -> (PathBuf, Vec<Package>) {
    let metadata = MetadataCommand::new().no_deps().exec().unwrap();
    (metadata.workspace_root.clone().into(), metadata.packages)
}

fn is_service(package: &Package) -> bool {
    package.manifest_path.components().any(|part| part.as_str() == "services")
}

fn uses(package: &Package) -> impl Iterator<Item = &str> {
    let kinds = package.dependencies.iter().filter(|dependency| dependency.kind == DependencyKind::Normal);
    kinds.map(|dependency| dependency.name.as_str())
}

#[test]
fn dependencies_point_in_one_direction() {
    let (_, packages) = workspace();
    let ours: BTreeSet<&str> = packages.iter().map(|package| package.name.as_str()).collect();
    let allowed: BTreeMap<&str, &[&str]> = ALLOWED.iter().copied().collect();
    let mut wrong = Vec::new();
    for package in &packages {
        let name = if is_service(package) { "services" } else { package.name.as_str() };
        let Some(allowed) = allowed.get(name) else {
            panic!("{name} is in no layer: add it to this test and to the code map")
        };
        let forbidden = uses(package).filter(|used| ours.contains(used) && !allowed.contains(used));
        wrong.extend(forbidden.map(|used| format!("{} uses {used}", package.name)));
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn only_the_adapters_and_the_runner_name_an_aws_sdk() {
    let (_, packages) = workspace();
    let names_one = |package: &&Package| uses(package).any(|used| used.starts_with("aws-sdk-"));
    let named: Vec<&str> = packages.iter().filter(names_one).map(|package| package.name.as_str()).collect();
    let wrong: Vec<_> = named.iter().filter(|name| !NAMES_AN_SDK.contains(name)).collect();
    assert!(wrong.is_empty(), "{wrong:?}");
}

#[test]
fn only_a_services_main_names_the_adapters() {
    let (root, _) = workspace();
    let named: Vec<_> = sources(&root.join("services"))
        .into_iter()
        .filter(|(path, text)| !path.ends_with("src/main.rs") && text.contains("aws_adapters"))
        .map(|(path, _)| path)
        .collect();
    assert!(named.is_empty(), "{named:?}");
}

#[test]
fn a_services_main_wires_and_does_nothing_else() {
    let (root, _) = workspace();
    let long: Vec<_> = sources(&root.join("services"))
        .into_iter()
        .filter(|(path, text)| path.ends_with("src/main.rs") && text.lines().count() > 30)
        .map(|(path, _)| path)
        .collect();
    assert!(long.is_empty(), "{long:?}");
}

#[test]
fn nothing_ever_scans() {
    let (root, _) = workspace();
    let mut scans = Vec::new();
    for folder in ["services", "shared/aws-adapters", "shared/domain", "shared/lambda-kit"] {
        let found = sources(&root.join(folder)).into_iter().filter(|(_, text)| {
            text.contains(".scan()") || text.contains("operation::scan") || text.contains("execute_statement")
        });
        scans.extend(found.map(|(path, _)| path.display().to_string()));
    }
    let topology = std::fs::read_to_string(root.join("infra/topology.yaml")).unwrap();
    let granted = topology.lines().filter(|line| !line.trim_start().starts_with('#') && line.contains("Scan"));
    scans.extend(granted.map(str::to_owned));
    assert!(scans.is_empty(), "{scans:?}");
}

/// Every Rust source below a folder, with its text.
fn sources(folder: &Path) -> Vec<(PathBuf, String)> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(sources(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = std::fs::read_to_string(&path).unwrap();
            found.push((path, text));
        }
    }
    found
}

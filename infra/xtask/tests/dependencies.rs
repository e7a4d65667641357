//! The licences and the sources of every dependency are those that deny.toml allows.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests fail by panicking")]

use std::path::Path;

use cargo_metadata::{Metadata, MetadataCommand};
use serde::Deserialize;
use spdx::{Expression, ParseMode};

#[derive(Deserialize)]
struct Rules {
    licenses: Licences,
    sources: Sources,
}

#[derive(Deserialize)]
struct Licences {
    allow: Vec<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Sources {
    allow_registry: Vec<String>,
}

fn root() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn rules() -> Rules {
    toml::from_str(&std::fs::read_to_string(root().join("deny.toml")).unwrap()).unwrap()
}

/// Every package of the lock file.
fn metadata() -> Metadata {
    let locked = vec!["--locked".to_owned()];
    let metadata = MetadataCommand::new().current_dir(root()).other_options(locked).exec().unwrap();
    assert!(metadata.packages.len() > 300, "only {} packages were found", metadata.packages.len());
    metadata
}

#[test]
fn each_dependency_has_a_licence_that_is_allowed() {
    let allowed = rules().licenses.allow;
    let is_allowed = |licence: &str| {
        // Old packages write `MIT/Apache-2.0`.
        let expression = Expression::parse_mode(licence, ParseMode::LAX).unwrap();
        expression.evaluate(|wanted| wanted.license.id().is_some_and(|id| allowed.iter().any(|one| one == id.name)))
    };
    let found: Vec<String> = metadata()
        .packages
        .iter()
        .filter(|package| !package.license.as_deref().is_some_and(is_allowed))
        .map(|package| format!("{}: {}", package.name, package.license.as_deref().unwrap_or("no licence")))
        .collect();
    assert!(found.is_empty(), "deny.toml does not allow these licences:\n{}", found.join("\n"));
}

#[test]
fn each_dependency_comes_from_a_registry_that_is_allowed() {
    let allowed = rules().sources.allow_registry;
    let found: Vec<String> = metadata()
        .packages
        .iter()
        .filter_map(|package| Some((package, package.source.as_ref()?)))
        .filter(|(_, source)| !allowed.iter().any(|registry| source.repr == format!("registry+{registry}")))
        .map(|(package, source)| format!("{} from {source}", package.name))
        .collect();
    assert!(found.is_empty(), "deny.toml does not allow these sources:\n{}", found.join("\n"));
}

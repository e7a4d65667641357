//! The pages that name tests name tests that are there.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests fail by panicking")]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// Pages whose every promise or line names its test.
const PAGES: &[&str] = &["shared/protocol/GUARANTEES.md", "infra/local/FIDELITY.md"];
/// Shorter names in backticks are fields and files.
const SHORTEST_TEST_NAME: usize = 24;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

#[test]
fn every_test_that_a_page_names_is_there() {
    let mut functions = BTreeSet::new();
    for folder in ["shared", "services", "infra", "clients", "loadtest"] {
        collect(&root().join(folder), &mut functions);
    }
    let mut missing = Vec::new();
    for page in PAGES {
        let text = std::fs::read_to_string(root().join(page)).unwrap();
        for name in text.split('`').skip(1).step_by(2).map(|name| name.rsplit("::").next().unwrap_or(name)) {
            let is_test = name.len() >= SHORTEST_TEST_NAME
                && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_');
            if is_test && !functions.contains(name) {
                missing.push(format!("{page}: {name}"));
            }
        }
    }
    assert!(missing.is_empty(), "{missing:#?}");
}

#[test]
fn the_thirty_rules_are_where_the_page_finds_them() {
    let page = std::fs::read_to_string(root().join("docs/find-it.md")).unwrap();
    let rows = page.lines().filter_map(|line| {
        let cells: Vec<&str> = line.split('|').map(|cell| cell.trim().trim_matches('`')).collect();
        let number: usize = cells.get(1)?.parse().ok()?;
        Some((number, cells[3].to_owned(), cells[4].to_owned()))
    });
    let mut numbers = Vec::new();
    for (number, file, name) in rows {
        let text = std::fs::read_to_string(root().join(&file));
        let text = text.unwrap_or_else(|error| panic!("rule {number}: {file} cannot be read: {error}"));
        let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_';
        let is_there = text.split(|c| !is_word(c)).any(|word| word == name);
        assert!(is_there, "rule {number}: {file} has no {name}");
        numbers.push(number);
    }
    assert_eq!(numbers, (1..=30).collect::<Vec<_>>());
}

/// Collects the names of the functions in the Rust sources below a folder; contracts are listed by
/// name in a macro.
fn collect(folder: &Path, functions: &mut BTreeSet<String>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(&path, functions);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = std::fs::read_to_string(&path).unwrap();
            let names = text
                .split("fn ")
                .skip(1)
                .map(|rest| rest.chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '_').collect::<String>());
            functions.extend(names);
        }
    }
}

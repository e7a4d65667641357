//! Each promise of GUARANTEES.md has a sentence, one name and two proofs, and the kinds of
//! violation that it names exist.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests fail by panicking")]

use std::path::{Path, PathBuf};

/// Where the tests of a promise's name are: over many seeds, and on real processes.
const PROOFS: [&str; 2] = ["infra/simulation/tests", "infra/e2e/tests"];
/// The file with the kinds of violation.
const KINDS: &str = "infra/simulation/src/kind.rs";
/// How many promises there are.
const PROMISES: usize = 21;

/// A row of the table of proofs.
struct Promise {
    number: usize,
    name: String,
    kinds: Vec<String>,
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn promises() -> Vec<Promise> {
    let page = std::fs::read_to_string(root().join("shared/protocol/GUARANTEES.md")).unwrap();
    let table = page.split("\n## Proofs\n").nth(1).unwrap().split("\n## ").next().unwrap();
    let quoted = |cell: &str| cell.split('`').skip(1).step_by(2).map(str::to_owned).collect::<Vec<_>>();
    let rows = table.lines().filter_map(|line| {
        let cells: Vec<&str> = line.split('|').map(str::trim).collect();
        let number = cells.get(1)?.parse().ok()?;
        let mut names = quoted(cells[2]);
        assert_eq!(names.len(), 1, "promise {number} has one name: {names:?}");
        Some(Promise { number, name: names.remove(0), kinds: quoted(cells[3]) })
    });
    rows.collect()
}

/// Every Rust source below a folder, one after the other.
fn sources(folder: &Path) -> String {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let texts = entries.map(|path| match path {
        folder if folder.is_dir() => sources(&folder),
        file if file.extension().is_some_and(|extension| extension == "rs") => std::fs::read_to_string(file).unwrap(),
        _ => String::new(),
    });
    texts.collect()
}

#[test]
fn every_promise_has_one_name_and_two_proofs() {
    let promises = promises();
    let numbers: Vec<usize> = promises.iter().map(|promise| promise.number).collect();
    assert_eq!(numbers, (1..=PROMISES).collect::<Vec<_>>());
    for folder in PROOFS {
        let text = sources(&root().join(folder));
        for Promise { number, name, .. } in &promises {
            assert!(text.contains(&format!("fn {name}()")), "promise {number} has no test in {folder}: {name}");
        }
    }
}

#[test]
fn every_row_of_proofs_has_its_sentence() {
    let page = std::fs::read_to_string(root().join("shared/protocol/GUARANTEES.md")).unwrap();
    let list = page.split("\n## Promises\n").nth(1).unwrap().split("\n## ").next().unwrap();
    let numbers: Vec<usize> = list.lines().filter_map(|line| line.split_once(". **")?.0.parse().ok()).collect();
    assert_eq!(numbers, (1..=PROMISES).collect::<Vec<_>>());
}

#[test]
fn every_promise_is_reported_under_a_name_that_there_is() {
    let kinds = std::fs::read_to_string(root().join(KINDS)).unwrap();
    for Promise { number, kinds: names, .. } in promises() {
        assert!(!names.is_empty(), "promise {number} is not checked in simulation");
        for name in names {
            assert!(kinds.contains(&format!("    {name},\n")), "promise {number}: there is no {name} in {KINDS}");
        }
    }
}

//! Tests `plan` as a program, and the pages that show its output.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests fail by panicking")]

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;

/// The pages with blocks between these marks.
const PAGES: [&str; 2] = ["docs/scale.md", "docs/operations/cli.md"];
const BEGINS: &str = "<!-- plan -->\n```console\n$ roomcast ";
const ENDS: &str = "```\n<!-- end -->";

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn roomcast(arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_roomcast"));
    command.current_dir(root()).args(arguments);
    // A deployment is not asked: no variable of it is needed.
    command.env_remove("AWS_ENDPOINT_URL").env_remove("ROOMCAST_OUTPUTS");
    command.output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// Replaces the output after each command of a page.
fn with_outputs(page: &str) -> (String, usize) {
    let mut parts = page.split(BEGINS);
    let (mut fresh, mut count) = (parts.next().unwrap().to_owned(), 0);
    for part in parts {
        let (command, rest) = part.split_once('\n').unwrap();
        let (_, rest) = rest.split_once(ENDS).unwrap_or_else(|| panic!("no end of: {command}"));
        let arguments: Vec<&str> = command.split(' ').collect();
        let output = roomcast(&arguments);
        assert!(output.status.success(), "{command}: {}", text(&output.stderr));
        fresh.push_str(&format!("{BEGINS}{command}\n{}{ENDS}{rest}", text(&output.stdout)));
        count += 1;
    }
    (fresh, count)
}

/// `BLESS=1 cargo test --test plan` writes the pages.
#[test]
fn the_pages_have_what_the_planner_prints() {
    for page in PAGES {
        let path = root().join(page);
        let written = std::fs::read_to_string(&path).unwrap();
        let (fresh, count) = with_outputs(&written);
        assert!(count > 0, "{page} has no output of the planner");
        if std::env::var_os("BLESS").is_some() {
            std::fs::write(&path, fresh).unwrap();
        } else {
            assert_eq!(written, fresh, "BLESS=1 cargo test --test plan writes {page}");
        }
    }
}

#[test]
fn every_line_with_json_is_an_object_with_its_kind_and_costs_add_up() {
    let output = roomcast(&["--json", "plan", "infra/cli/plans/million.toml", "--cells", "8", "--day"]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    let objects: Vec<Value> = text(&output.stdout).lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let of = |kind: &str| objects.iter().filter(|object| object["kind"] == kind).collect::<Vec<_>>();
    assert!(objects.iter().all(|object| object["kind"].is_string()));
    assert_eq!((of("plan").len(), of("bottleneck").len(), of("hour").len()), (1, 1, 24));
    assert!(!of("request").is_empty() && !of("delivery").is_empty() && !of("executions").is_empty());
    let dollars = |total: bool| {
        let costs = of("cost").into_iter().filter(|cost| (cost["service"] == "total") == total);
        costs.map(|cost| cost["dollars_per_month"]["value"].as_f64().unwrap()).sum::<f64>()
    };
    assert!((dollars(true) / dollars(false) - 1.0).abs() < 1e-9);
}

#[test]
fn a_mistake_in_a_plan_is_reported_with_file_line_and_expectation() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("plan.toml");
    std::fs::write(&file, "name = \"x\"\n[[rooms]]\nname = \"a\"\nmembers = 0\nrate = 1\n").unwrap();
    let output = roomcast(&["plan", file.to_str().unwrap()]);
    let error = text(&output.stderr);
    assert_eq!((output.status.code(), output.stdout.len()), (Some(1), 0), "{error}");
    assert!(error.contains("plan.toml: line 4: members of rooms \"a\" is 0; it must be from 1 to"), "{error}");
    let nothing = roomcast(&["plan"]);
    assert_eq!(nothing.status.code(), Some(2), "{}", text(&nothing.stderr));
}

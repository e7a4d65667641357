//! The alarms and the dashboard of the deployment, the runbook, the saved queries and the telemetry
//! of the functions agree.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests fail by panicking")]

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use serde_json::Value;
use telemetry::{Summary, field, metric};
use topology::{Topology, Trigger};

const MODULE: &str = "infra/terraform/modules/observability";
/// The parts of each section of the runbook.
const PARTS: [&str; 4] = ["Meaning", "Impact", "Diagnosis", "Mitigation"];
/// Sections of the runbook that are about no alarm.
const OTHER_SECTIONS: [&str; 1] = ["before-you-start"];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn read(path: &str) -> String {
    std::fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path} cannot be read: {error}"))
}

fn runbook() -> String {
    read("docs/operations/runbook.md")
}

fn topology() -> Topology {
    Topology::read(&root().join("infra/topology.yaml")).unwrap()
}

/// The sections of the runbook: their text by their anchor.
fn sections() -> BTreeMap<String, String> {
    let page = runbook();
    let sections = page.split("\n## ").skip(1).map(|section| {
        let (title, text) = section.split_once('\n').unwrap();
        (title.trim().to_lowercase().replace(' ', "-"), text.to_owned())
    });
    sections.filter(|(anchor, _)| !OTHER_SECTIONS.contains(&anchor.as_str())).collect()
}

/// The strings that follow a text in a file: `kind = "…"` for `kind`.
fn values_of(name: &str, text: &str) -> BTreeSet<String> {
    let values = text.lines().filter_map(|line| {
        let rest = line.trim().strip_prefix(name)?.trim_start().strip_prefix('=')?;
        rest.trim().strip_prefix('"')?.split('"').next().map(str::to_owned)
    });
    values.collect()
}

/// The metrics of the dashboard and of the alarms, with the functions that count them.
fn listed_metrics() -> BTreeMap<String, BTreeSet<String>> {
    let catalogue: Value = serde_json::from_str(&read(&format!("{MODULE}/metrics.json"))).unwrap();
    let mut listed: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for chart in ["first_row", "charts"].iter().flat_map(|part| catalogue[part].as_array().unwrap()) {
        for (name, functions) in chart["metrics"].as_object().unwrap() {
            let functions: BTreeSet<String> =
                functions.as_array().unwrap().iter().map(|function| function.as_str().unwrap().to_owned()).collect();
            let known = listed.entry(name.clone()).or_insert_with(|| functions.clone());
            assert_eq!(*known, functions, "{name} has the same functions in each chart");
        }
    }
    listed
}

/// The saved queries: their text by their name.
fn queries() -> BTreeMap<String, String> {
    let folder = root().join(MODULE).join("queries");
    let files = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    files
        .map(|path| {
            let name = path.file_stem().unwrap().to_string_lossy().into_owned();
            (name, std::fs::read_to_string(path).unwrap())
        })
        .collect()
}

/// The Rust sources below a folder, as one text.
fn sources(folder: &Path, text: &mut String) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, text);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            text.push_str(&std::fs::read_to_string(&path).unwrap());
        }
    }
}

/// Whether a source counts a metric: a constant has the name of its metric in capitals.
fn counts(source: &str, name: &str) -> bool {
    let constant = format!("metric::{}", name.to_uppercase());
    source
        .match_indices(&constant)
        .any(|(at, _)| !source[at + constant.len()..].starts_with(|next: char| next == '_' || next.is_alphanumeric()))
}

#[test]
fn every_alarm_has_its_section_in_the_runbook_and_every_section_its_alarm() {
    let kinds = values_of("kind", &read(&format!("{MODULE}/alarms.tf")));
    let sections: BTreeSet<String> = sections().into_keys().collect();
    assert_eq!(kinds, sections);
}

#[test]
fn every_section_of_the_runbook_leads_from_the_alarm_to_the_remedy() {
    for (anchor, text) in sections() {
        let titles: Vec<&str> = text.lines().filter_map(|line| line.strip_prefix("### ")).collect();
        assert_eq!(titles, PARTS, "{anchor}");
        for part in text.split("### ").skip(1) {
            let (title, text) = part.split_once('\n').unwrap();
            assert!(text.trim().len() > 40, "{anchor}: {title} is empty");
            assert!(title != "Diagnosis" || text.contains("```sh\n"), "{anchor}: the diagnosis has no command");
        }
    }
}

#[test]
fn links_inside_the_runbook_lead_to_sections() {
    let page = runbook();
    let targets = page.split("](#").skip(1).map(|rest| rest.split(')').next().unwrap());
    let sections = sections();
    let broken: Vec<&str> = targets.filter(|target| !sections.contains_key(*target)).collect();
    assert!(broken.is_empty(), "{broken:?}");
}

#[test]
fn the_dashboard_lists_every_metric_of_the_functions_and_no_other() {
    let listed: BTreeSet<String> = listed_metrics().into_keys().collect();
    let counted: BTreeSet<String> = metric::ALL.iter().map(|metric| metric.name.to_owned()).collect();
    assert_eq!(listed, counted, "metrics.json, and the constants of the crate telemetry");
}

#[test]
fn metrics_are_listed_under_the_functions_that_count_them() {
    let topology = topology();
    let mut kit = String::new();
    sources(&root().join("shared/lambda-kit/src"), &mut kit);
    let services: BTreeMap<String, String> = topology
        .functions
        .iter()
        .map(|function| {
            let mut text = String::new();
            sources(&root().join("services").join(&function.name).join("src"), &mut text);
            (function.name.clone(), text)
        })
        .collect();
    let with = |is_wanted: &dyn Fn(&Trigger) -> bool| -> BTreeSet<String> {
        let found = topology.triggers().filter(|(_, trigger)| is_wanted(trigger));
        found.map(|(function, _)| function.name.clone()).collect()
    };
    for (name, functions) in listed_metrics() {
        let expected: BTreeSet<String> = match name.as_str() {
            // What the start code counts for every function of a kind.
            "messages_failed" => with(&|trigger| matches!(trigger, Trigger::Queue(_))),
            "records_failed" => with(&|trigger| matches!(trigger, Trigger::Stream(_))),
            "invocations_failed" => services.keys().cloned().collect(),
            "requests_rejected" => {
                let refuses = services
                    .iter()
                    .filter(|(_, source)| source.contains("Answer::refuse(") || source.contains("Response::refuse("));
                refuses.map(|(name, _)| name.clone()).collect()
            }
            _ => {
                assert!(!counts(&kit, &name), "{name} is counted for many functions: add its rule to this test");
                let counting = services.iter().filter(|(_, source)| counts(source, &name));
                counting.map(|(name, _)| name.clone()).collect()
            }
        };
        assert_eq!(functions, expected, "the functions of {name}");
    }
}

#[test]
fn metrics_are_looked_up_where_the_functions_write_them() {
    let catalogue: Value = serde_json::from_str(&read(&format!("{MODULE}/metrics.json"))).unwrap();
    let mut summary = Summary::new("fanout");
    summary.add(metric::POSTS_SENT, 1);
    let line: Value = serde_json::from_str(&summary.to_line(0)).unwrap();
    let directive = &line["_aws"]["CloudWatchMetrics"][0];
    assert_eq!(directive["Namespace"], catalogue["namespace"]);
    assert_eq!(directive["Dimensions"], serde_json::json!([[catalogue["dimension"]]]));
}

#[test]
fn alarms_watch_metrics_that_are_listed() {
    let text = read(&format!("{MODULE}/alarms.tf"));
    let watched: BTreeSet<&str> =
        text.split("local.metrics[\"").skip(1).map(|rest| rest.split('"').next().unwrap()).collect();
    let listed = listed_metrics();
    assert!(watched.len() >= 7, "only {watched:?} are watched");
    assert!(watched.iter().all(|name| listed.contains_key(*name)), "{watched:?}");
    // Patterns of log lines name metrics and fields, too.
    for name in text.split("{ $.").skip(1).map(|rest| rest.split(' ').next().unwrap()) {
        let is_field = name == "level" || field::ALL.iter().any(|field| field.0 == name);
        assert!(is_field || listed.contains_key(name), "{name} is in no log line");
    }
}

#[test]
fn saved_queries_ask_for_what_functions_write() {
    let columns = ["@message", "@timestamp", "level", "message", "bin", "count", "latest", "max", "pct", "sum"];
    let words = ["and", "or", "as", "by", "desc", "asc", "filter", "fields", "stats", "sort", "parse", "ispresent"];
    for (name, query) in queries() {
        let aliases: BTreeSet<&str> = query.split(" as ").skip(1).map(first_word).collect();
        let groups: BTreeSet<&str> = query.split("(?<").skip(1).map(|rest| rest.split('>').next().unwrap()).collect();
        // Not the text of patterns, then not that of comparisons.
        let code = query.split('/').step_by(2).collect::<Vec<_>>().join(" ");
        let code = code.split('"').step_by(2).collect::<Vec<_>>().join(" ");
        let names = code.split(|c: char| !(c.is_alphanumeric() || "_.@".contains(c)));
        for word in names.filter(|word| word.starts_with(|c: char| c.is_alphabetic() || c == '@')) {
            let is_written = field::ALL.iter().any(|field| field.0 == word)
                || metric::ALL.iter().any(|metric| metric.name == word)
                || columns.contains(&word)
                || words.contains(&word)
                || aliases.contains(word)
                || groups.contains(word);
            assert!(is_written, "{name}: no function writes {word}");
        }
    }
}

#[test]
fn saved_queries_are_used_by_the_runbook_and_explained_on_the_telemetry_page() {
    let page = runbook();
    let asked: BTreeSet<String> =
        page.lines().filter_map(|line| line.strip_prefix("ask ")).map(|rest| first_word(rest).to_owned()).collect();
    let saved = queries();
    let unknown: Vec<&String> = asked.iter().filter(|name| !saved.contains_key(*name)).collect();
    assert!(unknown.is_empty(), "the runbook asks for {unknown:?}");
    let unused: Vec<&String> = saved.keys().filter(|name| !asked.contains(*name)).collect();
    assert!(unused.is_empty(), "no section uses {unused:?}");
    let telemetry = read("shared/telemetry/TELEMETRY.md");
    let missing: Vec<&String> =
        saved.iter().filter(|(_, query)| !telemetry.contains(query.trim())).map(|(name, _)| name).collect();
    assert!(missing.is_empty(), "TELEMETRY.md does not have the text of {missing:?}");
}

#[test]
fn a_check_of_presence_may_be_as_late_as_it_is_meant_to_be() {
    let text = read(&format!("{MODULE}/main.tf"));
    let rest = text.lines().find_map(|line| line.trim().strip_prefix("presence ")).unwrap();
    let threshold: u64 = rest.trim().trim_start_matches('=').trim().parse().unwrap();
    let longest = domain::limits::PRESENCE_COMPARED.iter().max().unwrap().as_secs();
    assert_eq!(threshold, longest + 60, "the longest delay, and a minute");
}

#[test]
fn the_estimated_cost_has_the_prices_of_the_load_test() {
    let prices = read("loadtest/prices.toml");
    for file in [format!("{MODULE}/variables.tf"), "infra/terraform/variables.tf".to_owned()] {
        let variables = read(&file);
        for (variable, price) in [
            ("messages", "websocket_units_per_million"),
            ("write_units", "write_units_per_million"),
            ("read_units", "read_units_per_million"),
        ] {
            let expected = prices.lines().find_map(|line| line.strip_prefix(&format!("{price} = "))).unwrap();
            let default = variables.lines().find_map(|line| {
                let (name, rest) = line.trim().split_once('=')?;
                (name.trim() == variable)
                    .then(|| rest.trim().trim_start_matches("optional(number, ").trim_end_matches(')'))
            });
            assert_eq!(default, Some(expected), "{file}: {variable}");
        }
    }
}

fn first_word(text: &str) -> &str {
    text.split(|c: char| !(c.is_alphanumeric() || c == '-' || c == '_')).next().unwrap_or_default()
}

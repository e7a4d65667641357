//! The outputs: every scenario of the folder can be read, and a result is unchanged after it was
//! stored.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests fail by panicking")]

use std::path::Path;

use loadtest::cost::Cost;
use loadtest::counters::Usage;
use loadtest::report::{Report, SCHEMA, collect, compare, junit, merge, page, read, verdict, write};
use loadtest::run::Ended;
use loadtest::run::census::Census;
use loadtest::run::world::World;
use loadtest::scenario::{parse, read as read_scenario};
use loadtest::wire::target::Target;

const SECOND: i64 = 1_000_000;

/// A run of two members and 1,000 publications that was never carried out. If `fails`, the second
/// member lost the last publication.
fn report(fails: bool) -> Report {
    let text = "name = \"x\"\nabout = \"A <test> & no more.\"\n[[rooms]]\nmembers = 2\nrate = 50\n[[phases]]\nname = \"s\"\nseconds = 20";
    let target = Target::parse("ws://127.0.0.1:1/local?token=secret", None).unwrap();
    let world = World::new(target, parse(text, "x").unwrap(), "r", "load", loadtest::member::Patience::default());
    for member in 0..2 {
        world.room(0).join(member, "e", 0, 0);
        loadtest::run::world::add(&world.counts.joined, 1);
    }
    for n in 0..1_000_usize {
        let at = n as i64 * SECOND / 50;
        let number = world.room(0).publish(at, at, true);
        world.room(0).accept(number, at + 5_000);
        for member in 0..if fails && n == 999 { 1 } else { 2 } {
            let now = at + 10_000 + (n as i64 % 97) * 1_000;
            let heard = loadtest::ledger::Heard {
                number,
                at: n as u64 + 1,
                how: loadtest::ledger::How::Live,
                now,
                timed: true,
            };
            let latency = world.room(0).hear(member, heard).unwrap();
            world.recorder().deliver(now, latency);
            world.recorder().count(now, 1);
        }
    }
    let ended = Ended { phases: (0, 20 * SECOND), drained: 21 * SECOND, interrupted: false, census: Census::default() };
    collect(&world, &ended, Usage::unknown("no counter"), Cost::default())
}

#[test]
fn every_scenario_of_the_folder_can_be_run_and_says_what_it_is_for() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios");
    let mut names = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let scenario = read_scenario(&path).unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(path.file_stem().unwrap().to_str(), Some(scenario.name.as_str()));
        assert!(
            std::fs::read_to_string(&path).unwrap().starts_with("# "),
            "{} does not begin with why",
            path.display()
        );
        assert!(scenario.ramp.per_second < 500.0, "API Gateway takes 500 a second");
        names.push(scenario.name);
    }
    assert_eq!(names.len(), 8, "{names:?}");
}

#[test]
fn a_result_is_the_same_after_it_was_stored() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("result.json");
    let result = report(true);
    write(&path, &serde_json::to_string(&result).unwrap()).unwrap();
    let again = read(&path).unwrap();
    assert_eq!((again.schema.as_str(), &again.account), (SCHEMA, &result.account));
    assert_eq!(again.times.each.at(0.99), result.times.each.at(0.99));
    assert_eq!(serde_json::to_string(&again).unwrap(), serde_json::to_string(&result).unwrap());
    write(&path, &serde_json::to_string(&result).unwrap().replace(SCHEMA, "roomcast-load/9")).unwrap();
    assert!(read(&path).unwrap_err().to_string().contains("roomcast-load/9"));
}

#[test]
fn a_figure_is_the_same_to_the_last_bit_after_it_was_stored() {
    // A parser that does not round correctly reads each of these as its neighbour.
    for figure in [31.245270191439438_f64, 121.48791951161945, 101.88148857674413, 5e-324] {
        let stored = serde_json::to_string(&figure).unwrap();
        assert_eq!(serde_json::from_str::<f64>(&stored).unwrap().to_bits(), figure.to_bits(), "{stored}");
    }
}

#[test]
fn the_page_needs_no_network_is_small_and_shows_no_token() {
    let html = page::page(&report(true));
    assert!(page.len() < 1_000_000, "{}", page.len());
    assert!(!page.contains("http://") && !page.contains("https://") && !page.contains("<script"), "it loads nothing");
    assert!(page.contains("prefers-color-scheme: dark") && page.contains("<svg"));
    assert!(page.contains("A &lt;test&gt; &amp; no more.") && !page.contains("secret"));
    assert!(page.contains("NOT CORRECT") && page.contains("lost tail"));
}

#[test]
fn the_page_fits_small_and_large_screens_and_its_numbers_can_be_read() {
    let mut result = report(false);
    result.account.expected = 3_000_000;
    let html = page::page(&result);
    assert_eq!(
        page.matches("<table>").count(),
        page.matches("<div class=wide><table>").count(),
        "each table scrolls alone"
    );
    assert!(!page.contains("<pre") && page.contains("@media (max-width: 640px)"), "no line is wider than the page");
    for class in ["large", "small"] {
        assert_eq!(
            page.matches(&format!("<svg class={class} ")).count(),
            5,
            "each chart has a drawing for {class} screens"
        );
    }
    for axis in [
        ">milliseconds</text>",
        ">deliveries a second</text>",
        ">connections</text>",
        ">seconds since the run began</text>",
    ] {
        assert!(page.contains(axis), "{axis}");
    }
    assert!(page.contains("<td class=n>3,000,000"), "thousands stand apart");
    // 2,000 deliveries cannot distinguish p99.99 from the maximum.
    assert!(page.contains(">p90</text>") && !page.contains(">p99.99</text>"), "no percentile without samples for it");
}

#[test]
fn a_run_under_faults_names_those_that_fired_and_the_calls_that_failed() {
    let mut result = report(false);
    result.usage.faults.insert("F33 the account is throttled (429)".to_owned(), 1_412.0);
    result.usage.failed_calls.insert("@connections 429 (account)".to_owned(), 1_412.0);
    let text = verdict::text(&result);
    assert!(text.contains("  fault on demand         F33 the account is throttled (429): 1,412 times\n"), "{text}");
    assert!(text.contains("failed: @connections 429 (account)    1,412\n"), "{text}");
    let html = page::page(&result);
    assert!(page.contains("<tr><td>F33 the account is throttled (429)<td class=n>1,412"), "{page}");
    assert!(page.contains("<h2>Calls that failed</h2>"));
}

#[test]
fn the_verdict_names_what_is_lost_and_by_whom() {
    let text = verdict::text(&report(true));
    assert!(text.starts_with("NOT CORRECT\n"), "{text}");
    assert!(text.contains("publication 999 of load-r-0 never reached member 1 (lost tail)"), "{text}");
    assert!(text.contains("read units, write units               unknown, unknown"), "{text}");
    assert!(verdict::text(&report(false)).starts_with("PASS"));
}

#[test]
fn junit_has_a_case_for_each_thing_that_is_looked_for() {
    let xml = junit::xml(&report(true));
    assert!(xml.contains("failures=\"1\""), "{xml}");
    assert!(
        xml.contains(
            "<testcase classname=\"correctness\" name=\"lost tail\"><failure message=\"1 missing after the last"
        ),
        "{xml}"
    );
    assert!(xml.contains("name=\"phantom\"/>"));
}

#[test]
fn two_results_are_compared_line_by_line() {
    let text = compare::text(&report(false), &report(true));
    let missing = text.lines().find(|line| line.starts_with("missing")).unwrap();
    assert_eq!(missing.split_whitespace().collect::<Vec<_>>(), ["missing", "0.000", "1.000", "-"]);
    assert!(text.contains("each member p99, ms") && text.contains("same") || text.contains("+0.0%"), "{text}");
}

#[test]
fn generators_are_added_up_and_a_fault_of_one_is_a_fault_of_all() {
    let merged = merge::merge(vec![report(false), report(true)]).unwrap();
    assert_eq!((merged.run.generators, merged.account.members, merged.account.expected), (2, 4, 4_000));
    assert_eq!((merged.account.missing, merged.times.each.count()), (1, 3_999));
    assert!(merged.account.adds_up());
    assert_eq!(merged.judgement.verdict.exit_code(), 4);
    assert_eq!(merge::merge(vec![report(false), report(false)]).unwrap().judgement.verdict.exit_code(), 0);
}

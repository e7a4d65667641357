//! The outputs: every scenario of the folder can be read, and a result is unchanged after it was
//! stored.

use std::path::Path;

use loadtest::report::{SCHEMA, junit, merge, read, verdict, write};
use loadtest::scenario::read as read_scenario;

use crate::made::report;

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
fn generators_are_added_up_and_a_fault_of_one_is_a_fault_of_all() {
    let merged = merge::merge(vec![report(false), report(true)]).unwrap();
    assert_eq!((merged.run.generators, merged.account.members, merged.account.expected), (2, 4, 4_000));
    assert_eq!((merged.account.missing, merged.times.each.count()), (1, 3_999));
    assert!(merged.account.adds_up());
    assert_eq!(merged.judgement.verdict.exit_code(), 4);
    assert_eq!(merge::merge(vec![report(false), report(false)]).unwrap().judgement.verdict.exit_code(), 0);
}

//! JUnit XML, with one case for each kind of fault.

use std::fmt::Write;

use super::Report;
use super::judge::Finding;
use super::markup::escape;

/// Kinds that are always checked, so that a case that passes is shown too.
const CORRECTNESS: &[&str] = &[
    "lost prefix",
    "lost middle",
    "lost tail",
    "silent member",
    "lost everywhere",
    "duplicated",
    "misordered",
    "phantom",
    "foreign room",
    "late after leave",
    "other epoch",
    "ghost",
    "uncounted",
];
const VALIDITY: &[&str] =
    &["negative latency", "clock step", "saturated generator", "members missing", "nothing published"];

struct Case {
    class: &'static str,
    name: String,
    failed: Option<String>,
}

/// Renders the XML.
#[must_use]
pub fn xml(report: &Report) -> String {
    let cases = cases(report);
    let failures = cases.iter().filter(|case| case.failed.is_some()).count();
    let (name, seconds) = (escape(&report.scenario.name), report.run.seconds);
    let mut out = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
    // Writing to a string cannot fail.
    let _ = writeln!(
        out,
        "<testsuites><testsuite name=\"{name}\" tests=\"{}\" failures=\"{failures}\" time=\"{seconds:.3}\">",
        cases.len()
    );
    for Case { class, name, failed } in cases {
        let _ = match failed {
            None => writeln!(out, "  <testcase classname=\"{class}\" name=\"{}\"/>", escape(&name)),
            Some(why) => writeln!(
                out,
                "  <testcase classname=\"{class}\" name=\"{}\"><failure message=\"{}\"/></testcase>",
                escape(&name),
                escape(&why)
            ),
        };
    }
    out.push_str("</testsuite></testsuites>\n");
    out
}

fn cases(report: &Report) -> Vec<Case> {
    let judgement = &report.judgement;
    let looked_for = |class, names: &[&str], found: &[Finding]| -> Vec<Case> {
        let told = |name: &str| found.iter().find(|finding| finding.what == name).map(|finding| finding.told.clone());
        names.iter().map(|name| Case { class, name: (*name).to_owned(), failed: told(name) }).collect()
    };
    let mut cases = looked_for("correctness", CORRECTNESS, &judgement.violations);
    cases.extend(looked_for("validity", VALIDITY, &judgement.invalid));
    cases.extend(judgement.thresholds.iter().map(|threshold| Case {
        class: "threshold",
        name: threshold.name.clone(),
        failed: (!threshold.held()).then(|| {
            let was = threshold.was.map_or_else(|| "not measured".to_owned(), |was| was.to_string());
            format!("measured {was}; at most {} is allowed", threshold.at_most)
        }),
    }));
    cases
}

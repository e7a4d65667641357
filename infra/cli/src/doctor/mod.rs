//! `roomcast doctor`: coded checks, each with its fix. The exit status is for schedulers: 0 if all
//! is well, 1 for warnings, 2 for failures.

mod checks;
mod local;

use std::process::ExitCode;

use serde::Serialize;

use crate::deployment::Deployment;
use crate::error::Error;
use crate::output::{Output, Row};

/// The checks take no arguments.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Exit status: 0 if all is well, 1 for warnings, 2 for failures. Checks that need the local stack\n\
    are skipped for a deployment on AWS, and named.\n\nExamples:\n  roomcast doctor\n  \
    roomcast --json doctor | jq -c 'select(.status != \"ok\")'"
)]
pub(crate) struct Arguments {}

/// The judgement of a check.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Status {
    Ok,
    /// The check needs something that this deployment does not offer to this program.
    Skipped,
    Warning,
    Failure,
}

/// The result of a check.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Finding {
    /// The code of the check. It stays the same over releases.
    pub(crate) code: &'static str,
    pub(crate) status: Status,
    /// The part that was checked.
    pub(crate) subject: String,
    /// What was found.
    pub(crate) found: String,
    /// What to do; empty if nothing is to be done.
    pub(crate) fix: String,
}

impl Finding {
    pub(crate) fn ok(code: &'static str, subject: impl Into<String>, found: impl Into<String>) -> Self {
        Self { code, status: Status::Ok, subject: subject.into(), found: found.into(), fix: String::new() }
    }

    pub(crate) fn bad(
        code: &'static str,
        status: Status,
        subject: impl Into<String>,
        found: impl Into<String>,
        fix: impl Into<String>,
    ) -> Self {
        Self { code, status, subject: subject.into(), found: found.into(), fix: fix.into() }
    }
}

impl Row for Finding {
    const COLUMNS: &'static [&'static str] = &["code", "status", "subject", "found"];

    fn cells(&self) -> Vec<String> {
        let status = match self.status {
            Status::Ok => "ok",
            Status::Skipped => "skipped",
            Status::Warning => "WARNING",
            Status::Failure => "FAILURE",
        };
        vec![self.code.to_owned(), status.to_owned(), self.subject.clone(), self.found.clone()]
    }
}

/// Runs every check, and prints the results and the fixes.
pub(crate) async fn run(deployment: &Deployment, output: &Output) -> Result<ExitCode, Error> {
    let mut findings = checks::tables(deployment).await?;
    findings.extend(checks::queues(deployment).await?);
    findings.extend(checks::secrets(deployment).await);
    findings.extend(local::findings(deployment).await?);
    output.rows(&findings)?;
    if !output.is_json() {
        for finding in findings.iter().filter(|finding| !finding.fix.is_empty()) {
            output
                .text(&format!("\n{} {}: {}\n  fix: {}", finding.code, finding.subject, finding.found, finding.fix))?;
        }
    }
    Ok(exit_code(&findings))
}

fn exit_code(findings: &[Finding]) -> ExitCode {
    match findings.iter().map(|finding| finding.status).max() {
        Some(Status::Failure) => ExitCode::from(2),
        Some(Status::Warning) => ExitCode::from(1),
        Some(Status::Ok | Status::Skipped) | None => ExitCode::SUCCESS,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_worst_finding_decides_the_exit_status() {
        let of = |statuses: &[Status]| {
            let findings: Vec<_> = statuses.iter().map(|status| Finding::bad("D0", *status, "", "", "")).collect();
            format!("{:?}", exit_code(&findings))
        };
        let code = |code: u8| format!("{:?}", ExitCode::from(code));
        assert_eq!(of(&[Status::Ok, Status::Skipped]), code(0));
        assert_eq!(of(&[Status::Warning, Status::Skipped, Status::Ok]), code(1));
        assert_eq!(of(&[Status::Failure, Status::Warning]), code(2));
    }
}

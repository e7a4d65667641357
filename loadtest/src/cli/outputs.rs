//! The output files of a run.

use std::fs::OpenOptions;
use std::path::Path;

use super::{Error, Outputs};
use crate::report::{self, Report};

/// Checks before the run that every requested file can be written. Existing content stays.
pub(super) fn check(json_out: Option<&Path>, outputs: &Outputs) -> Result<(), Error> {
    let named = [("--json-out", json_out), ("--html", outputs.html.as_deref()), ("--junit", outputs.junit.as_deref())];
    for (option, path) in named.into_iter().filter_map(|(option, path)| Some((option, path?))) {
        let existed = path.exists();
        OpenOptions::new().create(true).append(true).open(path).map_err(|error| {
            let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty() && !folder.is_dir());
            let why =
                folder.map_or_else(|| error.to_string(), |folder| format!("there is no folder {}", folder.display()));
            Error::Usage(format!("{option} {} cannot be written: {why}", path.display()))
        })?;
        if !existed {
            // This check created the file.
            let _ = std::fs::remove_file(path);
        }
    }
    Ok(())
}

/// Prints the verdict, and writes the requested files.
pub(super) fn write(report: &Report, json_out: Option<&Path>, outputs: &Outputs) -> Result<(), Error> {
    print!("{}", report::verdict::text(report));
    if let Some(path) = json_out {
        let json = serde_json::to_string_pretty(report).map_err(|error| Error::Internal(error.to_string()))?;
        report::write(path, &json)?;
    }
    if let Some(path) = &outputs.html {
        report::write(path, &report::page::page(report))?;
    }
    if let Some(path) = &outputs.junit {
        report::write(path, &report::junit::xml(report))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_that_cannot_be_written_is_told_before_the_run_and_the_check_leaves_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| Outputs { html: Some(folder.path().join(name)), junit: None };
        assert!(check(None, &at("page.html")).is_ok());
        assert!(!folder.path().join("page.html").exists());
        let missing = check(None, &at("none/page.html")).unwrap_err().to_string();
        assert!(
            missing.starts_with("--html ") && missing.contains("cannot be written: there is no folder "),
            "{missing}"
        );
        assert!(check(None, &at("")).unwrap_err().to_string().contains("cannot be written: "), "a folder");
        let kept = folder.path().join("result.json");
        std::fs::write(&kept, "kept").unwrap();
        assert!(check(Some(&kept), &Outputs { html: None, junit: None }).is_ok());
        assert_eq!(std::fs::read_to_string(&kept).unwrap(), "kept");
    }
}

//! What is written when a run is over.

use std::path::Path;

use super::{Error, Outputs};
use crate::report::{self, Report};

/// Prints the verdict, and writes whatever was asked for.
pub(super) fn write(report: &Report, json_out: Option<&Path>, outputs: &Outputs) -> Result<(), Error> {
    print!("{}", report::verdict::text(report));
    if let Some(path) = json_out {
        let json = serde_json::to_string_pretty(report).map_err(|error| Error::Internal(error.to_string()))?;
        report::write(path, &json)?;
    }
    if let Some(path) = &outputs.html {
        report::write(path, &report::html::page(report))?;
    }
    if let Some(path) = &outputs.junit {
        report::write(path, &report::junit::xml(report))?;
    }
    Ok(())
}

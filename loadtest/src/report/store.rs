//! Reads and writes `result.json`.

use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::{Report, SCHEMA};

/// Why a result cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The file.
    #[error("{} cannot be read or written: {source}", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// It is something else.
    #[error("{} is no result of {SCHEMA}: {why}", path.display())]
    Other {
        /// Which.
        path: PathBuf,
        /// Why.
        why: String,
    },
}

/// Reads a result of this version.
///
/// # Errors
/// [`Error`] when it is not there, or something else.
pub fn read(path: &Path) -> Result<Report, Error> {
    #[derive(Deserialize)]
    struct Version {
        schema: String,
    }
    let other = |why: String| Error::Other { path: path.to_owned(), why };
    let text = std::fs::read_to_string(path).map_err(|source| Error::File { path: path.to_owned(), source })?;
    let version: Version = serde_json::from_str(&text).map_err(|error| other(error.to_string()))?;
    if version.schema != SCHEMA {
        return Err(other(format!("its schema is {:?}", version.schema)));
    }
    serde_json::from_str(&text).map_err(|error| other(error.to_string()))
}

/// Writes a file of the results.
///
/// # Errors
/// [`Error`] when it cannot be written.
pub fn write(path: &Path, text: &str) -> Result<(), Error> {
    std::fs::write(path, text).map_err(|source| Error::File { path: path.to_owned(), source })
}

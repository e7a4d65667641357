//! Reads and writes `result.json`.

use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::{Report, SCHEMA};

/// The reason why a result cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The file cannot be read or written.
    #[error("{} cannot be read or written: {source}", path.display())]
    File {
        /// The path of the file.
        path: PathBuf,
        /// The error of the file system.
        source: std::io::Error,
    },
    /// The file is not a result of this schema.
    #[error("{} is not a result of {SCHEMA}: {why}", path.display())]
    Other {
        /// The path of the file.
        path: PathBuf,
        /// The mistake in the file.
        why: String,
    },
}

/// Reads a result of this schema.
///
/// # Errors
/// [`Error`] when the file is missing, or not a result.
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

/// Writes an output file.
///
/// # Errors
/// [`Error`] when the file cannot be written.
pub fn write(path: &Path, text: &str) -> Result<(), Error> {
    std::fs::write(path, text).map_err(|source| Error::File { path: path.to_owned(), source })
}

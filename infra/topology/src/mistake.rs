//! The mistakes in a topology, with their places and corrections.

use std::fmt;
use std::path::PathBuf;

/// The reason why a topology cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The file does not exist or is not readable text.
    #[error("cannot read the topology {}: {source}", file.display())]
    Unreadable {
        /// Path of the file.
        file: PathBuf,
        /// The error of the operating system.
        source: std::io::Error,
    },
    /// The file was read and has mistakes.
    #[error("{}", describe(file, mistakes))]
    Mistaken {
        /// Path of the file.
        file: PathBuf,
        /// All mistakes in the file.
        mistakes: Mistakes,
    },
}

fn describe(file: &std::path::Path, mistakes: &Mistakes) -> String {
    let count = mistakes.0.len();
    let noun = if count == 1 { "mistake" } else { "mistakes" };
    let mut text = format!("the topology {} has {count} {noun}", file.display());
    for mistake in &mistakes.0 {
        text.push_str(&format!("\n  {}:{mistake}", file.display()));
    }
    text
}

/// At least one mistake, in the order of the text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mistakes(Vec<Mistake>);

impl Mistakes {
    pub(crate) fn new(mut mistakes: Vec<Mistake>) -> Self {
        mistakes.sort_by_key(|mistake| mistake.place);
        mistakes.dedup();
        Self(mistakes)
    }

    /// Returns all mistakes.
    #[must_use]
    pub fn as_slice(&self) -> &[Mistake] {
        &self.0
    }
}

impl std::error::Error for Mistakes {}

impl fmt::Display for Mistakes {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, mistake) in self.0.iter().enumerate() {
            if index > 0 {
                formatter.write_str("\n")?;
            }
            write!(formatter, "{mistake}")?;
        }
        Ok(())
    }
}

/// One mistake in a topology.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mistake {
    /// The place in the text.
    pub place: Place,
    /// The path in the structure, such as `functions.fanout.triggers[0].queue.batch_size`. Empty at
    /// the root.
    pub path: String,
    /// A sentence that names the mistake and its correction.
    pub message: String,
}

impl fmt::Display for Mistake {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}: ", self.place)?;
        if !self.path.is_empty() {
            write!(formatter, "{}: ", self.path)?;
        }
        formatter.write_str(&self.message)
    }
}

/// An item that is allowed but looks forgotten.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding(pub Mistake);

impl fmt::Display for Finding {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}

/// A line and a column, both counted from one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Place {
    /// Number of the line, from 1.
    pub line: u64,
    /// Number of the column in characters, from 1.
    pub column: u64,
}

impl fmt::Display for Place {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}:{}", self.line, self.column)
    }
}

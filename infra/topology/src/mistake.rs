//! What is wrong with a topology, where, and what would be right.

use std::fmt;
use std::path::PathBuf;

/// Why there is no topology.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The file does not exist or is not readable text.
    #[error("cannot read the topology {}: {source}", file.display())]
    Unreadable {
        /// The file that was asked for.
        file: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The file was read and says something impossible.
    #[error("{}", describe(file, mistakes))]
    Mistaken {
        /// The file that was read.
        file: PathBuf,
        /// Everything that is wrong with it.
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

    /// Each of them.
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

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mistake {
    /// Where in the text.
    pub place: Place,
    /// Where in the structure, such as `functions.fanout.triggers[0].queue.batch_size`; empty at the root.
    pub path: String,
    /// What is wrong and what would be right.
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

/// Something that is allowed and yet looks forgotten.
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
    /// Line, from 1.
    pub line: u64,
    /// Column in characters, from 1.
    pub column: u64,
}

impl fmt::Display for Place {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}:{}", self.line, self.column)
    }
}

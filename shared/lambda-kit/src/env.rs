//! The environment, typed: read once, before the first event, with every mistake named.

use std::fmt::Display;
use std::str::FromStr;

/// Why a function cannot start.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// Not set, or empty.
    #[error("environment variable {name} is missing: {hint}")]
    Missing {
        /// Which.
        name: &'static str,
        /// What it should hold.
        hint: &'static str,
    },
    /// Set to something else than it should be.
    #[error("environment variable {name} is {value:?}: {problem}; it takes {hint}")]
    Invalid {
        /// Which.
        name: &'static str,
        /// What it holds; left out for secrets.
        value: String,
        /// What is wrong with it.
        problem: String,
        /// What it should hold.
        hint: &'static str,
    },
}

/// A variable that must be set.
///
/// # Errors
/// [`Error::Missing`] when it is not, or is empty.
pub fn required(name: &'static str, hint: &'static str) -> Result<String, Error> {
    optional(name).ok_or(Error::Missing { name, hint })
}

/// A variable that may be set; empty is not set.
#[must_use]
pub fn optional(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// A variable that may be set, and then must parse.
///
/// # Errors
/// [`Error::Invalid`] when it does not.
pub fn parsed<T: FromStr<Err: Display>>(name: &'static str, hint: &'static str) -> Result<Option<T>, Error> {
    let parse = |value: String| {
        value.parse().map_err(|problem: T::Err| Error::Invalid { name, value, problem: problem.to_string(), hint })
    };
    optional(name).map(parse).transpose()
}

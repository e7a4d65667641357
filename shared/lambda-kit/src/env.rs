//! Typed environment variables. A function reads them once, before its first event, and an error
//! names its variable.

use std::fmt::Display;
use std::str::FromStr;

/// An environment variable with which a function cannot start.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The variable is not set, or is empty.
    #[error("environment variable {name} is missing: {hint}")]
    Missing {
        /// The name of the variable.
        name: &'static str,
        /// A description of the right value.
        hint: &'static str,
    },
    /// The variable has a value that it does not take.
    #[error("environment variable {name} is {value:?}: {problem}; it takes {hint}")]
    Invalid {
        /// The name of the variable.
        name: &'static str,
        /// The value; left out for secrets.
        value: String,
        /// The mistake in the value.
        problem: String,
        /// A description of the right value.
        hint: &'static str,
    },
}

/// Reads a variable that must be set.
///
/// # Errors
/// [`Error::Missing`] when it is not, or is empty.
pub fn required(name: &'static str, hint: &'static str) -> Result<String, Error> {
    optional(name).ok_or(Error::Missing { name, hint })
}

/// Reads a variable that may be set. An empty variable counts as not set.
#[must_use]
pub fn optional(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// Reads a variable that may be set, and must parse if it is.
///
/// # Errors
/// [`Error::Invalid`] when it does not.
pub fn parsed<T: FromStr<Err: Display>>(name: &'static str, hint: &'static str) -> Result<Option<T>, Error> {
    let parse = |value: String| {
        value.parse().map_err(|problem: T::Err| Error::Invalid { name, value, problem: problem.to_string(), hint })
    };
    optional(name).map(parse).transpose()
}

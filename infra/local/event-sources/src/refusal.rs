//! The errors of mappings that AWS would refuse.

use crate::filter::InvalidFilter;

/// A mapping that AWS would refuse.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// A number is outside its limits.
    #[error("{source_name} for {function}: {what} is {value} and must be {allowed}")]
    OutOfRange {
        /// ARN of the source, or name of the schedule.
        source_name: String,
        /// Name of the function that the mapping invokes.
        function: String,
        /// Name of the setting.
        what: &'static str,
        /// Value of the setting.
        value: u64,
        /// The values that are allowed.
        allowed: &'static str,
    },
    /// The batch size needs a batch window. The message is AWS's own sentence.
    #[error(
        "{source_name} for {function}: Maximum batch window in seconds must be greater than 0 if maximum batch size \
         is greater than 10"
    )]
    WindowNeeded {
        /// ARN of the queue.
        source_name: String,
        /// Name of the function that the mapping invokes.
        function: String,
    },
    /// A filter pattern is not valid.
    #[error("{source_name} for {function}: {error}")]
    Filter {
        /// ARN of the source.
        source_name: String,
        /// Name of the function that the mapping invokes.
        function: String,
        /// The mistake in the pattern.
        error: InvalidFilter,
    },
    /// The input of a schedule is not JSON.
    #[error("schedule {0}: its input is not JSON")]
    Input(String),
}

/// Checks the numbers of one mapping against AWS's limits.
pub(crate) struct Limits<'a> {
    pub(crate) source_name: &'a str,
    pub(crate) function: &'a str,
}

impl Limits<'_> {
    pub(crate) fn check(
        &self,
        what: &'static str,
        value: u64,
        allowed: std::ops::RangeInclusive<u64>,
        says: &'static str,
    ) -> Result<(), ConfigError> {
        if allowed.contains(&value) {
            return Ok(());
        }
        let (source_name, function) = (self.source_name.to_owned(), self.function.to_owned());
        Err(ConfigError::OutOfRange { source_name, function, what, value, allowed: says })
    }

    pub(crate) fn filter(&self, error: InvalidFilter) -> ConfigError {
        ConfigError::Filter { source_name: self.source_name.to_owned(), function: self.function.to_owned(), error }
    }
}

//! The error of a port.

/// The reason why a port failed. The operation may still have been carried out.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The service received too many calls: wait, then retry.
    #[error("{operation} was throttled")]
    Throttled {
        /// The operation of the service, such as `DynamoDB TransactWriteItems`.
        operation: &'static str,
    },
    /// Another writer wrote at the same moment, or the response was late, or the service asked to
    /// retry later.
    #[error("{operation} is unavailable: {source}")]
    Unavailable {
        /// The operation of the service.
        operation: &'static str,
        /// The error of the service or of the transport.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A retry cannot succeed: a missing grant, a missing table, an item that cannot be parsed.
    #[error("{operation} was refused: {source}")]
    Refused {
        /// The operation of the service.
        operation: &'static str,
        /// The error of the service.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

impl Error {
    /// Returns true if the same call may succeed later.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        !matches!(self, Self::Refused { .. })
    }

    /// Copies the error. One failed call is the failure of everything that it carried.
    #[must_use]
    pub fn again(&self) -> Self {
        match self {
            Self::Throttled { operation } => Self::Throttled { operation },
            Self::Unavailable { operation, source } => {
                Self::Unavailable { operation, source: source.to_string().into() }
            }
            Self::Refused { operation, source } => Self::Refused { operation, source: source.to_string().into() },
        }
    }

    /// The error of an item that was not tried, because an earlier item of its group failed for
    /// now.
    #[must_use]
    pub fn held_back(operation: &'static str) -> Self {
        Self::Unavailable { operation, source: "an earlier item of the same group failed".into() }
    }
}

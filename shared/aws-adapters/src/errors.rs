//! The only table that translates errors of the SDKs into errors of the ports.

use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use domain::ports::Error;

/// The codes by which the services throttle a caller.
const THROTTLED: &[&str] = &[
    "ProvisionedThroughputExceededException",
    "RequestLimitExceeded",
    "RequestThrottled",
    "Throttling",
    "ThrottlingException",
    "TooManyRequestsException",
    "LimitExceededException",
    "OverLimit",
    "KmsThrottled",
];

/// The codes by which the services ask for a later try.
const LATER: &[&str] = &[
    "InternalServerError",
    "InternalFailure",
    "InternalError",
    "ServiceUnavailable",
    "TransactionConflictException",
    "TransactionInProgressException",
    "TransactionCanceledException",
    "ReplicatedWriteConflictException",
];

/// Translates an SDK's error for a caller of `operation`. An error that is neither throttled nor
/// for later is refused: a missing grant, a missing table, a call that should not have been made.
pub(crate) fn translate<E, R>(operation: &'static str, error: &SdkError<E, R>) -> Error
where
    E: ProvideErrorMetadata + std::error::Error + Send + Sync + 'static,
    R: std::fmt::Debug + Send + Sync + 'static,
{
    let code = error.as_service_error().and_then(ProvideErrorMetadata::code).unwrap_or_default().to_owned();
    let answered = error.as_service_error().is_some();
    if THROTTLED.contains(&code.as_str()) {
        return Error::Throttled { operation };
    }
    let server_side = answered && (code.is_empty() || LATER.contains(&code.as_str()));
    let source: Box<dyn std::error::Error + Send + Sync> = Described::from(error).into();
    match error {
        SdkError::ConstructionFailure(_) => Error::Refused { operation, source },
        _ if answered && !server_side => Error::Refused { operation, source },
        _ => Error::Unavailable { operation, source },
    }
}

/// The whole chain of an SDK error in one line. The error's own display is only "service error".
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Described(String);

impl<E, R> From<&SdkError<E, R>> for Described
where
    E: std::error::Error + 'static,
    R: std::fmt::Debug,
{
    fn from(error: &SdkError<E, R>) -> Self {
        let mut text = error.to_string();
        let mut source = std::error::Error::source(error);
        while let Some(cause) = source {
            text = format!("{text}: {cause}");
            source = cause.source();
        }
        Self(text)
    }
}

/// Builds the error for an item or answer that cannot be read: no retry will help.
pub(crate) fn unreadable(operation: &'static str, problem: impl std::fmt::Display) -> Error {
    Error::Refused { operation, source: Described(problem.to_string()).into() }
}

/// Builds the error for an answer that asks for a later try without being an error of the SDK:
/// entries of a batch that were not done.
pub(crate) fn undone(operation: &'static str, problem: impl std::fmt::Display) -> Error {
    Error::Unavailable { operation, source: Described(problem.to_string()).into() }
}

//! The timeout and the error text that all calls to the endpoint share.

use std::error::Error;
use std::io;
use std::time::Duration;

/// Timeout of a call. Without it, an endpoint that accepts a call and never answers would stop a
/// mapping for ever.
pub(crate) const CALL_LIMIT: Duration = Duration::from_secs(10);

/// Joins the texts of an error and of all its sources. The SDK's errors contain the cause only in
/// their sources.
pub(crate) fn chain(error: &(dyn Error + 'static)) -> io::Error {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    io::Error::other(text)
}

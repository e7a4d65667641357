//! What every call to the endpoint has in common.

use std::error::Error;
use std::io;
use std::time::Duration;

/// A call that takes longer has failed: an endpoint that accepts and hangs must not stop a mapping for ever.
pub(crate) const CALL_LIMIT: Duration = Duration::from_secs(10);

/// The SDK's errors say what happened only further down the chain.
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

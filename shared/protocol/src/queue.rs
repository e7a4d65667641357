//! What the queues carry, function to function: JSON with a version, so that two deployments can overlap.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

/// The version this code writes, and the only one it reads.
const VERSION: u32 = 1;

/// Why a message's body cannot be read. It never will be: it belongs in the dead-letter queue.
#[derive(Debug, thiserror::Error)]
pub enum Poison {
    /// Not JSON, or not the shape.
    #[error("the body is not a message of version {VERSION}: {0}")]
    Malformed(#[from] serde_json::Error),
    /// Written by another version.
    #[error("the body is of version {0}; this function reads version {VERSION}")]
    Version(u32),
}

#[derive(Serialize)]
struct Envelope<'a, T> {
    v: u32,
    #[serde(flatten)]
    message: &'a T,
}

#[derive(Deserialize)]
struct Stamp {
    v: u32,
}

/// The body of a message.
///
/// # Errors
/// When the message cannot be written as JSON.
pub fn encode<T: Serialize>(message: &T) -> Result<String, serde_json::Error> {
    // Not flattened through a map: payloads are raw JSON and would be re-parsed.
    let body = serde_json::to_string(message)?;
    match body.strip_prefix('{') {
        Some("}") | None => serde_json::to_string(&Envelope { v: VERSION, message }),
        Some(rest) => Ok(format!("{{\"v\":{VERSION},{rest}")),
    }
}

/// The message of a body.
///
/// # Errors
/// [`Poison`].
pub fn decode<T: DeserializeOwned>(body: &str) -> Result<T, Poison> {
    let Stamp { v } = serde_json::from_str(body)?;
    if v != VERSION {
        return Err(Poison::Version(v));
    }
    Ok(serde_json::from_str(body)?)
}

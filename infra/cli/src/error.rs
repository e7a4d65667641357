//! Errors, each with its cause and the next command.

use domain::{Reject, RoomId, ports};

/// The reason why a command failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// A call to the deployment failed.
    #[error("{0}\n  next: roomcast doctor")]
    Port(#[from] ports::Error),
    /// The command cannot be carried out.
    #[error("{cause}\n  next: {next}")]
    Failed {
        /// What was found, and what was expected.
        cause: String,
        /// The command to run next.
        next: String,
    },
    /// Standard output cannot be written.
    #[error("cannot write the output: {0}")]
    Output(#[from] std::io::Error),
}

impl Error {
    /// Builds an error with its cause and the next command.
    pub(crate) fn new(cause: impl Into<String>, next: impl Into<String>) -> Self {
        Self::Failed { cause: cause.into(), next: next.into() }
    }

    /// The error of a room that has no head.
    pub(crate) fn no_head(room: &RoomId) -> Self {
        Self::new(
            format!("room {room} has no head: it never had a member or a publication, or none for 8 days"),
            format!("roomcast publish {room} '{{\"text\":\"hello\"}}', or check the name"),
        )
    }
}

impl From<Reject> for Error {
    fn from(reject: Reject) -> Self {
        Self::new(reject.message.clone(), format!("roomcast code {}", reject.code.as_str()))
    }
}

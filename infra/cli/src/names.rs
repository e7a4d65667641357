//! Names on the command line, parsed as the protocol does.

use domain::{Reject, RoomId, UserId};

/// Parses the name of a room.
pub(crate) fn room(name: &str) -> Result<RoomId, String> {
    RoomId::parse(name).map_err(rule)
}

/// Parses the name of a user.
pub(crate) fn user(name: &str) -> Result<UserId, String> {
    UserId::parse(name).map_err(rule)
}

/// Returns the mistake and the rule, without the code.
pub(crate) fn rule(reject: Reject) -> String {
    reject.message
}

//! The wire formats: between clients and functions ([`request`], [`reply`], [`block`], [`classic`],
//! [`server`]), from the authorizer to functions ([`context`]), from backends to functions
//! ([`backend`]), from function to function ([`queue`]), from a table to functions ([`stream`]),
//! and the token ([`token`]). `PROTOCOL.md` beside this crate is the specification for people. The
//! golden files in `tests/golden` hold both the code and the page.

pub mod backend;
pub mod block;
pub mod classic;
pub mod context;
pub mod queue;
pub mod reply;
pub mod request;
pub mod server;
pub mod stream;
pub mod token;

/// The WebSocket subprotocol whose frames are blocks.
pub const SUBPROTOCOL: &str = "rooms.v1";
/// Prefix of the subprotocol that carries a token. It is never echoed.
pub const TOKEN_SUBPROTOCOL: &str = "token.";
/// Query parameter of the secret that identifies a guest.
pub const GUEST_PARAMETER: &str = "guest";
/// The room of a classic connection that names none.
pub const CLASSIC_ROOM: &str = "lobby";

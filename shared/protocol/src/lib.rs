//! The bytes: client to us ([`request`], [`reply`], [`block`], [`classic`], [`server`]), authorizer to functions
//! ([`context`]), backends to us ([`backend`]), function to function ([`queue`]), table to function ([`stream`]), and the token ([`token`]). `PROTOCOL.md` beside this crate is the
//! specification for people; the golden files in `tests/golden` are what both are held to.

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
/// Prefix of the subprotocol that carries a token; never echoed.
pub const TOKEN_SUBPROTOCOL: &str = "token.";
/// The query parameter of the secret by which a guest is known.
pub const GUEST_PARAMETER: &str = "guest";
/// The room of a classic connection that names none.
pub const CLASSIC_ROOM: &str = "lobby";

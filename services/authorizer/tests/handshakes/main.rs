//! Handshakes: who comes in, with which token and from which page, and who does not.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests fail by panicking")]

mod bad_tokens;
mod credentials;
mod desk;
mod origins;
mod secrecy;
mod tokens;

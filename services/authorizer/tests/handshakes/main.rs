//! Handshakes with all kinds of tokens and pages: those that are accepted and those that are
//! refused.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests fail by panicking")]

mod bad_tokens;
mod credentials;
mod desk;
mod origins;
mod secrecy;
mod tokens;

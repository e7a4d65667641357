//! The client rules of rooms.v1 as a library, and a terminal chat.
//!
//! [`rules`] has the rules without I/O, clock or randomness; a simulation can drive them.
//! [`connection`] drives them over sockets; applications use this module. PROTOCOL.md of the
//! `protocol` crate specifies both. With the feature `development-token`, `development` signs
//! tokens for the local stack.

pub mod connection;
#[cfg(feature = "development-token")]
pub mod development;
pub mod rules;

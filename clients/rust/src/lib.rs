//! The client rules of rooms.v1 as a library, and a terminal chat.
//!
//! [`rules`] are the rules themselves, without I/O, clock or randomness: what a simulation drives. [`connection`] drives
//! them over sockets: what an application uses. PROTOCOL.md beside the `protocol` crate is the specification of both.
//! With the feature `development-token`, `development` signs tokens that the local stack takes.

pub mod connection;
#[cfg(feature = "development-token")]
pub mod development;
pub mod rules;

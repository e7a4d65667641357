//! The client rules of rooms.v1 as a library, and a terminal chat.
//!
//! [`rules`] are the rules themselves, without I/O, clock or randomness: what a simulation drives. [`connection`] drives
//! them over sockets: what an application uses. PROTOCOL.md beside the `protocol` crate is the specification of both.

pub mod connection;
pub mod rules;

//! Code that every function needs: start ([`start`]), typed environment ([`mod@env`]), events as
//! types of this crate ([`websocket`], [`http`], [`batch`], records of a stream), unreadable messages
//! ([`poison`]), the deadline ([`deadline`]), the machine's clock and random numbers ([`system`]).

pub mod batch;
pub mod deadline;
pub mod env;
pub mod http;
pub mod poison;
mod records;
pub mod start;
pub mod system;
pub mod websocket;

pub use deadline::Deadline;
pub use system::{SystemChance, SystemClock};

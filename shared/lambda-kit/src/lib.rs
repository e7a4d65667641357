//! What every function needs and none should write: start ([`start`]), typed environment ([`mod@env`]), events in our
//! words ([`websocket`], [`batch`], records of a stream), what nobody can read ([`poison`]), the deadline ([`deadline`]), the machine's clock and chance ([`system`]).

pub mod batch;
pub mod deadline;
pub mod env;
pub mod poison;
mod records;
pub mod start;
pub mod system;
pub mod websocket;

pub use deadline::Deadline;
pub use system::{SystemChance, SystemClock};

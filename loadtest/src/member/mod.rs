//! Members that only listen.

mod goodbye;
mod hearing;
pub mod listener;
mod listening;
pub mod npm;
pub mod task;

pub use listener::{Listener, Patience};

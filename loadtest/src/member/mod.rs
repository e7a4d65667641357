//! Members that only listen.

mod goodbye;
mod hearing;
pub mod listener;
pub mod task;

pub use listener::{Listener, Patience};

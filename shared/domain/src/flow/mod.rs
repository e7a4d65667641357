//! Steps that several functions take, in the one order that keeps the promises. Over the ports: still no I/O here.

mod enter;
mod forget;
mod read_log;

pub use enter::{Entered, Entrance, Joiner, NotEntered, Place, enter, place};
pub use forget::{forget, leave_all};
pub use read_log::{read_run, read_run_backwards};

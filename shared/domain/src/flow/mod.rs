//! Use cases that several functions share, each in the one order that keeps the promises. They call
//! ports, and do no I/O themselves.

mod admit;
mod charge;
mod enter;
mod evict;
mod forget;
mod read_log;

pub use admit::{Admitted, admit, is_full};
pub use charge::{Allowance, charge, charge_while};
pub use enter::{Entered, Entrance, Joiner, NotEntered, Place, enter, place};
pub use evict::connections_kept_out;
pub use forget::{forget, leave_all};
pub use read_log::{read_page_backwards, read_run, read_run_backwards};

//! Hostile inputs for every parser that reads bytes from outside: texts of clients, tokens,
//! handshakes, names, messages of queues and topics, stream records, frames of servers, and files.
//!
//! ```text
//! cargo run --release --package fuzz                             # every target for a minute
//! cargo run --release --package fuzz -- token --seconds 600      # one target for ten minutes
//! ```
//!
//! Inputs are mutated seeds. Seeds are the examples of PROTOCOL.md and the files of
//! `corpus/TARGET`. The mutations know the shape of JSON: they repeat, nest, splice and grow. No coverage guides
//! them, so this runs on stable Rust. A target fails if it panics, if one of its checks fails, or
//! if an input exceeds the [`Budget`]. The failing input is written into `corpus/TARGET`, where the
//! short run of the test suite finds it again.
//!
//! | file | content |
//! | --- | --- |
//! | `targets` | the parsers with their seeds and checks |
//! | `mutate` | the mutations |
//! | `session` | the loop, and the measurement of each input |

mod mutate;
mod session;
mod targets;

use peak_alloc::PeakAlloc;

pub use mutate::{INPUT_BYTES, Mutator};
pub use session::{Budget, Failure, Outcome, Session};
pub use targets::{TARGETS, Target};

/// Counts what is allocated, for the budget of memory.
#[global_allocator]
static ALLOCATOR: PeakAlloc = PeakAlloc;

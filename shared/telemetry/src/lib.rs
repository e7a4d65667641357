//! Log fields and metrics as data.
//!
//! Each invocation writes one line: the request, its outcome, the tally, and the duration. The line
//! is JSON that is complete by itself. The same line is a record of CloudWatch's embedded metric
//! format, so that no call is spent on metrics. Failures are logged once, where they are handled.
//! Payloads, tokens and addresses are never logged. `TELEMETRY.md` beside this crate lists every
//! field and metric; a test compares the list with the code.

pub mod field;
pub mod metric;
mod summary;

pub use field::Field;
pub use metric::{Metric, Unit};
pub use summary::{LISTED, Summary};

/// Writes the events of `tracing` to standard output as JSON lines, where Lambda collects them.
/// `RUST_LOG` filters them. A second call changes nothing.
pub fn init() {
    let filter = tracing_subscriber::EnvFilter::try_from_default_env()
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new("info"));
    let lines = tracing_subscriber::fmt().json().flatten_event(true).with_current_span(false).with_span_list(false);
    // This fails only if a subscriber was set before: then that one stays.
    drop(lines.with_env_filter(filter).with_target(false).try_init());
}

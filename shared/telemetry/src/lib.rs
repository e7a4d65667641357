//! Log fields and metrics as data.
//!
//! Each invocation says one line: what was asked, what came of it, the tally, how long it took. The line is JSON that
//! reads alone, and in the same breath a record of CloudWatch's embedded metric format, so that no call is spent on
//! metrics. Failures are logged once, where they are handled. Payloads, tokens and addresses never are.
//! `TELEMETRY.md` beside this crate lists every field and metric; a test holds it to that.

pub mod field;
pub mod metric;
mod summary;

pub use field::Field;
pub use metric::{Metric, Unit};
pub use summary::{LISTED, Summary};

/// Sends what `tracing` collects to standard output as JSON lines, which is where Lambda looks. `RUST_LOG` filters.
/// A second call changes nothing.
pub fn init() {
    let filter = tracing_subscriber::EnvFilter::try_from_default_env()
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new("info"));
    let lines = tracing_subscriber::fmt().json().flatten_event(true).with_current_span(false).with_span_list(false);
    // Refused only when somebody has set a subscriber before: then that one stays.
    drop(lines.with_env_filter(filter).with_target(false).try_init());
}

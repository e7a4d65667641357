//! Log fields and metrics as data.
//!
//! Each invocation writes one line: the request, its outcome, the tally, and the duration. The line
//! is JSON that is complete by itself. The same line is a record of CloudWatch's embedded metric
//! format, so that no call is spent on metrics. Failures are logged once, where they are handled.
//! Payloads, tokens and addresses are never logged. `TELEMETRY.md` beside this crate lists every
//! field and metric; a test compares the list with the code.

pub mod field;
pub mod metric;
mod printable;
mod summary;

pub use field::Field;
pub use metric::{Metric, Unit};
pub use printable::printable;
pub use summary::{LISTED, Summary};

use std::panic::PanicHookInfo;

use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::fmt;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

use crate::printable::Printable;

/// Writes the events of `tracing` to standard output as JSON lines, where Lambda collects them.
/// `RUST_LOG` filters them by target and level: `warn,fanout=debug`. A panic becomes such a line
/// too. A second call changes nothing.
///
/// The texts of all lines are printable ASCII ([`printable`]). The runtime's own line for a failed
/// invocation is left out: it is an ERROR line that a client could cause at will with a handshake
/// that is refused. Functions write their own line for a failure.
pub fn init() {
    let asked = std::env::var("RUST_LOG").unwrap_or_default();
    let wanted = read_filter(&asked);
    let is_wrong = wanted.is_none();
    let filter = wanted.unwrap_or_else(|| Targets::new().with_default(LevelFilter::INFO));
    let filter = filter.with_target(REPEATED_BY_RUNTIME, LevelFilter::OFF);
    let lines = fmt::layer().json().flatten_event(true).with_current_span(false).with_span_list(false);
    let lines = lines.with_writer(|| Printable(std::io::stdout())).with_target(false);
    // This fails only if a subscriber was set before: then that one stays.
    if tracing_subscriber::registry().with(lines).with(filter).try_init().is_ok() {
        std::panic::set_hook(Box::new(log_panic));
        if is_wrong {
            tracing::warn!(
                asked,
                "could not read RUST_LOG, which is like warn,fanout=debug; lines of INFO and above are written"
            );
        }
    }
}

/// Reads a filter of log lines; `None` if it cannot be read. An empty text asks for INFO.
fn read_filter(text: &str) -> Option<Targets> {
    let parts: Vec<&str> = text.split(',').map(str::trim).filter(|part| !part.is_empty()).collect();
    if parts.is_empty() { Some(Targets::new().with_default(LevelFilter::INFO)) } else { parts.join(",").parse().ok() }
}

/// The target of the runtime's lines about errors that a function returned.
const REPEATED_BY_RUNTIME: &str = "lambda_runtime::layers::panic";

fn log_panic(panic: &PanicHookInfo<'_>) {
    let place = panic.location().map(ToString::to_string).unwrap_or_default();
    let reason = panic.payload_as_str().unwrap_or_default();
    tracing::error!({ field::ERROR.0 } = reason, place, "the function panicked; the invocation fails");
}

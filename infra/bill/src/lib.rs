//! Counts of what is used of AWS, its prices, and the bill of both.
//!
//! [`Usage`] has the counts, by function and by call. [`Prices`] is the file
//! `infra/terraform/prices.toml`. [`Prices::bill`] multiplies them, and adds the time for which
//! Lambda bills. `cargo xtask costs` prices what it counted on the local stack, and `roomcast plan`
//! prices what it computed for a plan.

mod prices;
mod usage;

pub use prices::{Bill, Held, Malformed, Prices, SERVICES};
pub use usage::{
    BYTES_OUT, GATEWAY, INVOCATIONS, LOG_BYTES, POLLS, POSTS, READ_UNITS, REPLIES, REQUESTS, TOPIC_CALLS, Usage,
    WRITE_UNITS,
};

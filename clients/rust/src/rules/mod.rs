//! The client rules of rooms.v1 without I/O, clock or randomness. Time is an argument, and random
//! numbers come from a seed or from the caller.
//!
//! A [`Client`] takes inputs: a connection opened, a text message arrived, the application joins a
//! room. It returns actions ([`Client::poll_output`]) and the time of the next call
//! ([`Client::next_wakeup_ms`], [`Client::tick`]). The module [`connection`](crate::connection)
//! drives it over sockets; a simulation can drive thousands in one thread.
//!
//! These rules hold for every room, whatever is lost, repeated, late or out of order:
//! - the application receives each publication at most once, in order;
//! - a gap is filled from the log, or reported ([`Event::Missed`]);
//! - a publication is sent under one id until the server accepts or refuses it.
//!
//! Times are milliseconds since any fixed start, as long as they never decrease.

mod answers;
mod chance;
mod client;
mod duties;
mod event;
mod held;
mod link;
mod outbox;
mod questions;
mod renewal;
mod request;
mod room;
pub mod times;

pub use chance::{Draw, Seeded};
pub use client::Client;
pub use event::{Event, LinkId, Loss, Message, NoAnswer, NotTaken, Output, Ticket};

//! The client rules of rooms.v1, without I/O, clock or randomness: time is an argument, chance from a seed or the caller.
//!
//! A [`Client`] is told what happens (a connection opened, a text message came, the application wants to join) and says
//! what to do ([`Client::poll_output`]) and when to come back ([`Client::next_wakeup_ms`], [`Client::tick`]). The
//! [`connection`](crate::connection) module drives it over sockets; a simulation can drive thousands in one thread.
//!
//! What holds for every room, whatever is lost, repeated, late or out of order:
//! - the application hears each publication at most once, in order;
//! - a gap is filled from the log, or told ([`Event::Missed`]);
//! - a publication that was taken is sent until it is accepted or refused, under the same id.
//!
//! Times are milliseconds since whenever the caller likes, as long as they never run backwards.

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

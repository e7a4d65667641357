//! The wire: connections, requests, and what the server says.

pub mod frame;
pub mod pid;
pub mod preflight;
pub mod request;
pub mod socket;
pub mod target;

//! The wire: connections, requests, and frames of the server.

pub mod frame;
pub mod pid;
pub mod preflight;
pub mod request;
pub mod socket;
pub mod target;

//! Tests the gateway over real sockets, with functions whose handlers come from the test.
//!
//! The modules are marked as tests one by one, so that their helpers may panic too.

#[cfg(test)]
mod disconnect;
#[cfg(test)]
mod events;
#[cfg(test)]
mod faults;
#[cfg(test)]
mod functions;
#[cfg(test)]
mod handshake;
#[cfg(test)]
mod hostile;
#[cfg(test)]
mod http_api;
#[cfg(test)]
mod limits;
#[cfg(test)]
mod management;
#[cfg(test)]
mod messages;
#[cfg(test)]
mod stop;
#[cfg(test)]
mod support;

//! The gateway over real sockets, with functions that do what the test says.

mod disconnect;
mod events;
mod faults;
mod handshake;
mod hostile;
mod limits;
mod management;
mod messages;
mod stop;
mod support;

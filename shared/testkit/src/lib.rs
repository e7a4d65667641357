//! Contracts, in-memory adapters, faults and a clock that the test turns.
//!
//! [`World`] contains every port of a use case, in memory. A test of a service makes a world,
//! passes its parts to the use case as ports, and inspects them afterwards. [`contracts`] states
//! the promises of each port once, and [`contract_tests!`] checks them over any adapter. [`faults`]
//! wraps any port and makes calls fail before or after their effect. [`samples`] makes values of
//! the domain with little text.
//!
//! The crate is for tests only: wrong use of it panics.

pub mod chance;
pub mod clock;
pub mod contracts;
pub mod faults;
pub mod keys;
pub mod memory;
pub mod samples;
mod world;

pub use world::World;

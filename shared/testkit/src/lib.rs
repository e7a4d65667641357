//! Contracts, in-memory adapters, faults and a clock that the test turns.
//!
//! [`World`] is everything a use case needs of the world, in memory: a test of a service builds one, hands its parts
//! to the use case as ports, and looks at what became of them. [`contracts`] says once what every adapter of a port
//! promises; [`contract_tests!`] runs it over any of them. [`faults`] wraps any port and lets calls fail before or
//! after their effect. [`samples`] spells values of the domain in few words.
//!
//! For tests only: what is asked of it wrongly panics.

pub mod chance;
pub mod clock;
pub mod contracts;
pub mod faults;
pub mod keys;
pub mod memory;
pub mod samples;
mod world;

pub use world::World;

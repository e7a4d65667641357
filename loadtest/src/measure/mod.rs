//! Measurements of times, and of the load test itself.

pub mod clock;
pub mod generator;
pub mod recorder;
pub mod times;

pub use clock::Clock;
pub use generator::{Generator, Health};
pub use recorder::{Bucket, FaultMark, Recorder};
pub use times::Times;

//! What is measured, and by what.

pub mod clock;
pub mod generator;
pub mod recorder;
pub mod times;

pub use clock::Clock;
pub use generator::{Generator, Health};
pub use recorder::{Bucket, Recorder};
pub use times::Times;

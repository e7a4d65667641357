//! Faults on demand: which faults are enabled, their rates, and their counts.
//!
//! Each component that can fail consults [`Faults`] at each occasion: the gateway, the functions'
//! host, queues, streams, tables. [`Faults`] decides by a seed and counts. It can be changed at run
//! time. Without faults an occasion costs one load of an atomic.
//!
//! ```
//! use local_faults::{Fault, Faults, Spec};
//!
//! let spec: Spec = "F33=0.5,F19=0..2000ms".parse()?;
//! let faults = Faults::new(&spec, 7);
//! let answered = if faults.fires(Fault::AccountThrottled) { 429 } else { 200 };
//! # let _ = answered;
//! faults.set(&Spec::default());
//! assert!(!faults.fires(Fault::AccountThrottled));
//! # Ok::<(), local_faults::BadSpec>(())
//! ```

mod chance;
mod fault;
mod faults;
mod spec;

pub use fault::{Fault, Kind};
pub use faults::{Count, Faults};
pub use spec::{BadSpec, Setting, Spec};

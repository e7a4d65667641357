//! Faults on demand: which of them happen, how often, and how often they did.
//!
//! [`Faults`] is asked by whoever can do something wrong, at each occasion: the gateway, the functions' host, queues,
//! streams, tables. It decides by a seed, it counts, and it can be changed while everything runs. Without faults an
//! occasion costs one load of an atomic.
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

//! Promises, proved on real processes.

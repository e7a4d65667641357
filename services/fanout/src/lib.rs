//! The fanout function.

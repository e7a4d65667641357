//! The membership function.

//! The reaper function.

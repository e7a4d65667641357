//! The reaper function.

fn main() {}

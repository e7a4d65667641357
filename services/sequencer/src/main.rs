//! The sequencer function.

fn main() {}

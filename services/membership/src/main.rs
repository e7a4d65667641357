//! The membership function.

fn main() {}

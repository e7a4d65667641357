//! roomcast-load.

fn main() {}

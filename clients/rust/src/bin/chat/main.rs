//! A terminal member.

fn main() {}

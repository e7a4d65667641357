//! The recipe that everyone copies: one function, a table scan, a post to each connection.

fn main() {}

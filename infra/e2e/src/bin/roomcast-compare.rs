//! `cargo load compare-baseline`: Roomcast beside the recipe that everyone copies.

use std::time::Duration;

use clap::Parser;
use e2e::compare::{Plan, run};

/// Runs Roomcast and the recipe that everyone copies (`loadtest/baseline`) in the same local runner, alternating, and prints
/// what the last member waits, what the functions use of a CPU, and what is read of the table.
#[derive(Debug, Parser)]
#[command(name = "cargo load compare-baseline", bin_name = "cargo load compare-baseline")]
struct Arguments {
    /// Sizes of the room, growing
    #[arg(long, value_delimiter = ',', default_value = "100,1000,5000")]
    members: Vec<usize>,
    /// Milliseconds that a post takes by itself
    #[arg(long, value_delimiter = ',', default_value = "0,10")]
    latencies: Vec<u64>,
    /// Connections of others in the table, growing
    #[arg(long, value_delimiter = ',', default_value = "0,1000,10000,100000")]
    unrelated: Vec<usize>,
    /// Times each pair is run as A B B A
    #[arg(long, default_value_t = 3)]
    quartets: usize,
}

#[tokio::main]
async fn main() {
    let Arguments { members, latencies, unrelated, quartets } = Arguments::parse();
    let latencies = latencies.into_iter().map(Duration::from_millis).collect();
    println!("{}", run(&Plan { members, latencies, unrelated, quartets: quartets.max(1) }).await);
}

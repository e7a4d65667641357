//! `cargo load compare-baseline`: compares Roomcast with the well-known recipe.

use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use e2e::compare::{ARGUMENT, Plan, run, serve};
use e2e::descriptors;

/// Runs Roomcast and the well-known recipe (`loadtest/baseline`) in the same local runner,
/// alternating. Prints the time until the last member receives a broadcast, the CPU time of the
/// functions, and the read units of the tables.
#[derive(Debug, Parser)]
#[command(name = "cargo load compare-baseline", bin_name = "cargo load compare-baseline")]
struct Arguments {
    /// Sizes of the room, in ascending order
    #[arg(long, value_delimiter = ',', default_value = "100,1000,5000")]
    members: Vec<usize>,
    /// Latencies of a post in milliseconds
    #[arg(long, value_delimiter = ',', default_value = "0,10")]
    latencies: Vec<u64>,
    /// Numbers of connections of other rooms in the table, in ascending order
    #[arg(long, value_delimiter = ',', default_value = "0,1000,10000,100000")]
    unrelated: Vec<usize>,
    /// Number of times that each pair runs as A B B A
    #[arg(long, default_value_t = 3)]
    quartets: usize,
}

#[tokio::main]
async fn main() -> ExitCode {
    let own: Vec<String> = std::env::args().collect();
    if let [_, side, name, latency] = own.as_slice()
        && side == ARGUMENT
    {
        serve(name, Duration::from_millis(latency.parse().unwrap_or_default())).await;
        return ExitCode::SUCCESS;
    }
    let Arguments { members, latencies, unrelated, quartets } = Arguments::parse();
    if let Err(error) = descriptors::provide(members.iter().max().copied().unwrap_or(0)) {
        eprintln!("{error}");
        return ExitCode::from(2);
    }
    let latencies = latencies.into_iter().map(Duration::from_millis).collect();
    println!("{}", run(&Plan { members, latencies, unrelated, quartets: quartets.max(1) }).await);
    ExitCode::SUCCESS
}

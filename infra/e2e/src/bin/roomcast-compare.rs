//! `cargo load compare-baseline`: compares Roomcast with the well-known recipe.

use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use e2e::compare::{ARGUMENT, Plan, run, serve};
use nix::sys::resource::{Resource, getrlimit, setrlimit};

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

/// File descriptors of each member: both ends of its connection are in one process.
const DESCRIPTORS_A_MEMBER: u64 = 2;
/// File descriptors for everything else.
const OTHER_DESCRIPTORS: u64 = 1_000;

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
    let most = members.iter().max().copied().unwrap_or(0) as u64;
    let needed = most * DESCRIPTORS_A_MEMBER + OTHER_DESCRIPTORS;
    let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE).unwrap_or((0, 0));
    if soft < needed && setrlimit(Resource::RLIMIT_NOFILE, needed, hard.max(needed)).is_err() {
        eprintln!(
            "{most} members need {needed} file descriptors, which this process may not have; raise the limit with \
             `ulimit -n {needed}` (and, for good, nofile in /etc/security/limits.conf), or take fewer with --members"
        );
        return ExitCode::from(2);
    }
    let latencies = latencies.into_iter().map(Duration::from_millis).collect();
    println!("{}", run(&Plan { members, latencies, unrelated, quartets: quartets.max(1) }).await);
    ExitCode::SUCCESS
}

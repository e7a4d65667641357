//! `cargo xtask chaos`: injects all faults, then checks that every publication arrived.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use e2e::chaos::{FAULTS, Plan, run};
use local::faults::Spec;

/// Runs the functions' binaries under faults with members that join, publish, leave, disconnect and
/// return. Then disables the faults, and checks every required pair of a publication and a member,
/// ghost connections, and counts.
///
/// Exit status: 0 if everything holds, 1 if something does not, 2 for a usage error.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask chaos", bin_name = "cargo xtask chaos")]
struct Arguments {
    /// Least number of required pairs of a publication and a member
    #[arg(long, default_value_t = 200_000)]
    pairs: u64,
    /// Number of members
    #[arg(long, default_value_t = 240)]
    members: usize,
    /// Number of rooms
    #[arg(long, default_value_t = 12)]
    rooms: usize,
    /// Publications a second, of all members together
    #[arg(long, default_value_t = 60.0)]
    rate: f64,
    /// Members a second that leave or join a room, restart, or lose their connection
    #[arg(long, default_value_t = 8.0)]
    changes: f64,
    /// Faults to inject, in the form of `cargo dev -- --fault`
    #[arg(long = "fault", value_name = "FAULTS", default_value = FAULTS)]
    faults: Spec,
    /// Seed of the random decisions
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Writes every line of the functions to a file
    #[arg(long, value_name = "FILE")]
    log: Option<PathBuf>,
}

#[tokio::main]
async fn main() -> ExitCode {
    let Arguments { pairs, members, rooms, rate, changes, faults, seed, log } = Arguments::parse();
    let plan = Plan {
        members: members.max(1),
        rooms: rooms.max(1),
        publications_per_second: rate.max(0.1),
        changes_per_second: changes.max(0.001),
        log,
        ..Plan::new(pairs, faults, seed)
    };
    let report = run(&plan).await;
    println!("{report}");
    if report.holds() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

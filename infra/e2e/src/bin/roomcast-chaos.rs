//! `cargo xtask chaos`: everything goes wrong, then everything must have arrived.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use e2e::chaos::{FAULTS, Plan, run};
use local::faults::Spec;

/// Runs the functions' binaries under faults with members that join, publish, leave, drop and return; heals; and accounts
/// for every pair of a publication and a member that was owed it, for ghosts, and for counts.
///
/// Exit status: 0 everything holds, 1 something does not, 2 usage.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask chaos", bin_name = "cargo xtask chaos")]
struct Arguments {
    /// Required pairs of a publication and a member, at the least
    #[arg(long, default_value_t = 200_000)]
    pairs: u64,
    /// Members
    #[arg(long, default_value_t = 240)]
    members: usize,
    /// Rooms
    #[arg(long, default_value_t = 12)]
    rooms: usize,
    /// Publications a second, all members together
    #[arg(long, default_value_t = 60.0)]
    rate: f64,
    /// Members a second that leave or join a room, restart, or lose their connection
    #[arg(long, default_value_t = 8.0)]
    changes: f64,
    /// What goes wrong, as `cargo dev -- --fault` takes it
    #[arg(long = "fault", value_name = "FAULTS", default_value = FAULTS)]
    faults: Spec,
    /// Decides what is decided by chance
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

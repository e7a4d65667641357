//! `cargo xtask restore-drill`: restores the rooms table while members are connected.

use std::process::ExitCode;

use clap::Parser;
use e2e::restore::drill;

/// Runs the functions' binaries with connected members and takes a backup of the rooms table.
/// Publishes more, restores the table, raises the generation, and checks which publications each
/// member received.
///
/// Exit status: 0 if everything holds, 1 if something does not, 2 for a usage error.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask restore-drill", bin_name = "cargo xtask restore-drill")]
struct Arguments {
    /// Number of members that stay connected
    #[arg(long, default_value_t = 50)]
    members: usize,
}

#[tokio::main]
async fn main() -> ExitCode {
    let report = drill(Arguments::parse().members.max(1)).await;
    println!("{report}");
    if report.holds() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

//! `cargo xtask restore-drill`: the rooms table is put back while members are connected.

use std::process::ExitCode;

use clap::Parser;
use e2e::restore::drill;

/// Runs the functions' binaries with connected members, takes a backup of the rooms table, publishes on, puts the table back,
/// raises the generation, and accounts for what each member was given.
///
/// Exit status: 0 everything holds, 1 something does not, 2 usage.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask restore-drill", bin_name = "cargo xtask restore-drill")]
struct Arguments {
    /// Members that stay connected
    #[arg(long, default_value_t = 50)]
    members: usize,
}

#[tokio::main]
async fn main() -> ExitCode {
    let report = drill(Arguments::parse().members.max(1)).await;
    println!("{report}");
    if report.holds() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

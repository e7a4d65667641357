//! `cargo load`: members of one room, publications into it, and an account of every pair of the two.

use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use loadtest::{Door, Error, Plan, Report, broadcast};

/// Joins members to one room, publishes to it, and accounts for every publication and every member. It knows only the
/// public protocol (and SNS and DynamoDB, if asked to publish through them): the same command works against a laptop and
/// against AWS.
///
/// Exit status: 0 everything arrived once and in order, 1 it could not be run, 2 usage, 4 something was lost,
/// repeated to the application, or out of order.
#[derive(Debug, Parser)]
#[command(name = "cargo load", bin_name = "cargo load")]
struct Cli {
    /// Where to connect
    #[arg(long, env = "ROOMCAST_WS_URL", default_value = "ws://127.0.0.1:3001/local")]
    url: String,
    /// The room
    #[arg(long, default_value = "load")]
    room: String,
    /// Members of the room
    #[arg(long, default_value_t = 2_000)]
    members: usize,
    /// The ways in, taken in turn: client, events (SNS), outbox (DynamoDB)
    #[arg(long, value_delimiter = ',', default_value = "client", value_name = "DOORS")]
    doors: Vec<Door>,
    /// Publications, all in all
    #[arg(long, default_value_t = 100)]
    publications: usize,
    /// Publications a second, by a schedule that waits for nobody
    #[arg(long, default_value_t = 5.0)]
    rate: f64,
    /// New connections a second; AWS takes 500
    #[arg(long, default_value_t = 200)]
    connect_rate: u32,
    /// Seconds to wait for the last delivery
    #[arg(long, default_value_t = 60)]
    drain: u64,
}

#[tokio::main]
async fn main() -> ExitCode {
    let cli = Cli::parse();
    let plan = Plan {
        url: cli.url,
        room: cli.room,
        members: cli.members,
        doors: cli.doors,
        publications: cli.publications,
        every: Duration::from_secs_f64(1.0 / cli.rate.max(0.001)),
        connect_every: Duration::from_secs(1) / cli.connect_rate.max(1),
        drain: Duration::from_secs(cli.drain),
    };
    match broadcast(&plan).await {
        Ok(report) => conclude(&report),
        Err(error) => fail(&error),
    }
}

fn conclude(report: &Report) -> ExitCode {
    println!("{report}");
    if report.is_correct() { ExitCode::SUCCESS } else { ExitCode::from(4) }
}

fn fail(error: &Error) -> ExitCode {
    eprintln!("cargo load: {error}");
    ExitCode::FAILURE
}

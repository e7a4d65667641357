//! `cargo xtask costs`: counts what each operation uses of AWS, and prices it.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use e2e::costs;

/// Does fixed work on the local stack, and prints what each operation uses of AWS and costs.
///
/// Operations that are not counted are shown with the counts of docs/costs.json. Exit status: 0
/// done, 1 counts differ.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask costs", bin_name = "cargo xtask costs")]
struct Arguments {
    /// Counts the operations of small rooms, and fails if a count is not that of docs/costs.json
    #[arg(long, conflicts_with_all = ["write", "large", "price"])]
    check: bool,
    /// Writes docs/costs.json and the tables of the pages
    #[arg(long)]
    write: bool,
    /// Counts busy rooms, and rooms of 1,000 and 5,000 members, instead of small rooms: about 15
    /// minutes
    #[arg(long)]
    large: bool,
    /// Counts nothing: writes the tables with the prices of infra/terraform/prices.toml
    #[arg(long, conflicts_with_all = ["write", "large"])]
    price: bool,
    /// The folder with the functions' binaries, such as target/x86_64-unknown-linux-gnu/release
    /// after `cargo xtask package`; those of `cargo dev` if not given
    #[arg(long, value_name = "FOLDER")]
    binaries: Option<PathBuf>,
}

#[tokio::main]
async fn main() -> ExitCode {
    let own: Vec<String> = std::env::args().collect();
    if let [_, stand, speed, binaries] = own.as_slice()
        && stand == costs::ARGUMENT
    {
        costs::serve(speed, binaries.into()).await;
        return ExitCode::SUCCESS;
    }
    let Arguments { check, write, large, price, binaries } = Arguments::parse();
    let result = if price {
        costs::price()
    } else if check {
        costs::check(&costs::binaries(binaries)).await
    } else {
        costs::count(&costs::binaries(binaries), large, write).await
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

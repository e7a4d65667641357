//! `cargo load`: see the library's page, and README.md beside it.

use std::process::ExitCode;

#[tokio::main]
async fn main() -> ExitCode {
    loadtest::cli::run(std::env::args_os()).await
}

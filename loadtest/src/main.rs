//! The program of `cargo load`. The library has the code, and README.md beside it explains the
//! usage.

use std::process::ExitCode;

#[tokio::main]
async fn main() -> ExitCode {
    loadtest::cli::run(std::env::args_os()).await
}

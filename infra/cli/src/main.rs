//! `roomcast`: parses the command line, and runs the command.

use std::process::ExitCode;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    cli::run(cli::Arguments::from_process()).await
}

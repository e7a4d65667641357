//! The authorizer function: wires and starts.

use std::process::ExitCode;

use authorizer::{Authorizer, Config};
use lambda_kit::SystemClock;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let wire = || Config::from_environment().map(|config| Authorizer::new(config, SystemClock));
    lambda_kit::start::run("authorizer", wire, async |authorizer, event, summary| authorizer.handle(&event, summary))
        .await
}

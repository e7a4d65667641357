//! The ingest function: wires and starts.

use std::process::ExitCode;

use aws_adapters::{Account, Queues};
use ingest::{Config, Ingest};
use lambda_kit::{SystemClock, env, start};

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let wire = || {
        let config = Config::from_environment().map_err(|error| error.to_string())?;
        let account = Account::from_environment(env::optional).map_err(|error| error.to_string())?;
        Ok(Ingest::new(Queues::new(&account).with_publications(config.publications_queue), SystemClock))
    };
    start::routes("ingest", wire).await
}

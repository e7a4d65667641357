//! Wires the disconnect function and starts it.

use std::process::ExitCode;

use aws_adapters::{Account, Tables};
use disconnect::{Config, Disconnect};
use lambda_kit::{SystemClock, env, start};

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let wire = async || {
        let config = Config::from_environment().map_err(|error| error.to_string())?;
        let account = Account::from_environment(env::optional).map_err(|error| error.to_string())?;
        Ok(Disconnect::new(Tables::new(&account, config.connections_table, ""), SystemClock))
    };
    start::routes("disconnect", wire).await
}

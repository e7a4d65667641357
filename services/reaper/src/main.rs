//! Wires the reaper and starts it.

use std::process::ExitCode;

use aws_adapters::{Account, Management, Tables};
use lambda_kit::{SystemClock, env, start};
use reaper::{Config, Reaper};

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let wire = async || {
        let config = Config::from_environment().map_err(|error| error.to_string())?;
        let account = Account::from_environment(env::optional).map_err(|error| error.to_string())?;
        let tables = Tables::new(&account, config.connections_table, config.rooms_table);
        Ok(Reaper::new(tables, Management::new(&account), SystemClock, config.stale_after))
    };
    start::run("reaper", wire, async |reaper, event, summary| reaper::handle(reaper, &event, summary).await).await
}

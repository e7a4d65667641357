//! Wires the ingest function and starts it.

use std::process::ExitCode;

use aws_adapters::{Account, Management, Queues, Tables};
use ingest::{Config, Ingest};
use lambda_kit::{SystemClock, env, start};

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let wire = async || {
        let config = Config::from_environment().map_err(|error| error.to_string())?;
        let account = Account::from_environment(env::optional).map_err(|error| error.to_string())?;
        let tables = Tables::new(&account, config.connections_table, config.rooms_table);
        let queues = Queues::new(&account).with_publications(config.publications_queue);
        let gateway = Management::new(&account);
        Ok(Ingest::new(tables, queues, gateway, SystemClock, config.management_endpoint))
    };
    start::routes("ingest", wire).await
}

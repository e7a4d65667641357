//! Wires the outbox function and starts it.

use std::process::ExitCode;

use aws_adapters::{Account, Queues, Tables};
use lambda_kit::{SystemClock, env, start};
use outbox::{Config, Outbox};

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let wire = || {
        let config = Config::from_environment().map_err(|error| error.to_string())?;
        let account = Account::from_environment(env::optional).map_err(|error| error.to_string())?;
        let tables = Tables::new(&account, "", config.rooms_table);
        let queues = Queues::new(&account)
            .with_publications(config.publications_queue)
            .with_publications_held(config.publications_held_queue)
            .with_dead(config.dead_queue);
        Ok(Outbox::new(tables, queues, SystemClock))
    };
    start::records("outbox", wire).await
}

//! Wires the events function and starts it.

use std::process::ExitCode;

use aws_adapters::{Account, Management, Queues, Tables};
use events::{Config, Events, Source};
use lambda_kit::{SystemChance, SystemClock, env, start};

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let wire = || {
        let config = Config::from_environment()?;
        let account = Account::from_environment(env::optional).map_err(|error| error.to_string())?;
        let tables =
            Tables::new(&account, &config.connections_table, &config.rooms_table).in_generation(config.generation);
        let source = Source::of_queue(&config.commands_queue, config.wrapping);
        let queues = Queues::new(&account)
            .with_publications(config.publications_queue)
            .with_publications_held(config.publications_held_queue)
            .with_dead_of(&config.commands_queue, config.commands_dead_queue)
            .with_dead(config.events_dead_queue)
            .with_own(vec![config.events_queue, config.events_ordered_queue, config.commands_queue]);
        let gateway = Management::new(&account);
        Ok((Events::new(tables, queues.clone(), gateway, SystemClock, SystemChance, source), queues))
    };
    start::batches("events", wire).await
}

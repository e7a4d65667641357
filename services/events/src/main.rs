//! The events function: wires and starts.

use std::process::ExitCode;

use aws_adapters::{Account, Management, Queues, Tables};
use events::{Config, Events};
use lambda_kit::{SystemChance, SystemClock, env, start};

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let wire = || {
        let config = Config::from_environment().map_err(|error| error.to_string())?;
        let account = Account::from_environment(env::optional).map_err(|error| error.to_string())?;
        let tables =
            Tables::new(&account, &config.connections_table, &config.rooms_table).in_generation(config.generation);
        let own = vec![config.events_queue, config.events_ordered_queue];
        let queues = Queues::new(&account).with_publications(config.publications_queue);
        let queues = queues.with_publications_held(config.publications_held_queue);
        let queues = queues.with_dead(config.dead_queue).with_own(own);
        let gateway = Management::new(&account);
        let topics = config.command_topics;
        Ok((Events::new(tables, queues.clone(), gateway, SystemClock, SystemChance, topics), queues))
    };
    start::batches("events", wire).await
}

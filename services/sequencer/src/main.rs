//! The sequencer function: wires and starts.

use std::process::ExitCode;

use aws_adapters::{Account, Queues, Tables};
use lambda_kit::{SystemChance, SystemClock, env, start};
use sequencer::{Config, Sequencer};

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let wire = || {
        let config = Config::from_environment().map_err(|error| error.to_string())?;
        let account = Account::from_environment(env::optional).map_err(|error| error.to_string())?;
        let queues = Queues::new(&account)
            .with_deliveries(config.deliveries_queue, config.deliveries_wide_queue)
            .with_publications(config.publications_queue.clone())
            .with_dead_of(&config.publications_queue, config.publications_dead_queue)
            .with_dead_of(&config.publications_held_queue, config.publications_held_dead_queue)
            .with_own(vec![config.publications_queue, config.publications_held_queue]);
        let tables = Tables::new(&account, "", config.rooms_table).in_generation(config.generation);
        Ok((Sequencer::new(tables, queues.clone(), SystemClock, SystemChance), queues))
    };
    start::batches("sequencer", wire).await
}

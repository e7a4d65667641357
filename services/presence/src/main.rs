//! Wires the presence function and starts it.

use std::process::ExitCode;

use aws_adapters::{Account, Queues, Tables, Topics, change_of};
use lambda_kit::{SystemChance, SystemClock, env, start};
use presence::{Config, Keeper};

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let wire = || {
        let config = Config::from_environment().map_err(|error| error.to_string())?;
        let account = Account::from_environment(env::optional).map_err(|error| error.to_string())?;
        let tables = Tables::new(&account, config.connections_table, config.rooms_table);
        let queues = Queues::new(&account)
            .with_deliveries(config.deliveries_queue, config.deliveries_wide_queue)
            .with_checks(config.presence_queue.clone())
            .with_own(vec![config.presence_queue]);
        let topics = Topics::new(&account, config.activity_topic);
        let read = |record: &_| change_of(record).map_err(|error| error.to_string());
        let keeper = Keeper::new(tables, queues.clone(), topics, SystemClock, SystemChance, read);
        Ok((keeper.telling(config.activity), queues))
    };
    start::records_and_batches("presence", wire).await
}

//! Wires the fanout function and starts it.

use std::process::ExitCode;

use aws_adapters::{Account, Management, Queues, Tables};
use domain::Limits;
use fanout::{Config, Fanout};
use lambda_kit::{SystemChance, SystemClock, env, start};

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let wire = || {
        let config = Config::from_environment().map_err(|error| error.to_string())?;
        let account = Account::from_environment(env::optional).map_err(|error| error.to_string())?;
        let tables = Tables::new(&account, &config.connections_table, &config.rooms_table);
        let own = vec![config.deliveries_queue.clone(), config.deliveries_wide_queue.clone()];
        let queues = Queues::new(&account)
            .with_dead_of(&config.deliveries_queue, config.deliveries_dead_queue)
            .with_dead_of(&config.deliveries_wide_queue, config.deliveries_wide_dead_queue)
            .with_deliveries(config.deliveries_queue, config.deliveries_wide_queue)
            .with_own(own);
        let gateway = Management::new(&account);
        let limits = Limits { post_rate: config.post_rate, ..Limits::default() };
        let fanout = Fanout::new(tables, queues.clone(), gateway, SystemClock, SystemChance).with_limits(limits);
        Ok((fanout, queues))
    };
    start::batches("fanout", wire).await
}

//! Wires the publish-api function and starts it.

use std::process::ExitCode;

use aws_adapters::{Account, CommandTopic, Queues, SecretStore, Tables};
use domain::ports::Clock;
use lambda_kit::{SystemClock, env, start};
use publish_api::{Config, PublishApi};
use tokens::Keyring;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let wire = async || {
        let config = Config::from_environment().map_err(|error| error.to_string())?;
        let account = Account::from_environment(env::optional).map_err(|error| error.to_string())?;
        let tables = Tables::new(&account, "", config.rooms_table).in_generation(config.generation);
        let queues = Queues::new(&account)
            .with_publications(config.publications_queue)
            .with_publications_held(config.publications_held_queue);
        let commands = CommandTopic::new(&account, config.commands_topic);
        let keyring = Keyring::load(SecretStore::new(&account), config.keys, SystemClock.now()).await;
        let keyring = keyring.map_err(|error| error.to_string())?;
        Ok(PublishApi::new(tables, queues, commands, keyring, SystemClock))
    };
    start::endpoints("publish-api", wire).await
}

//! Wires the membership function and starts it.

use std::process::ExitCode;

use aws_adapters::{Account, SecretStore, Tables};
use domain::ports::Clock;
use lambda_kit::{SystemChance, SystemClock, env, start};
use membership::{Config, Membership};
use tokens::Keyring;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let wire = async || {
        let config = Config::from_environment()?;
        let account = Account::from_environment(env::optional).map_err(|error| error.to_string())?;
        let tables =
            Tables::new(&account, &config.connections_table, &config.rooms_table).in_generation(config.generation);
        let keyring = Keyring::load(SecretStore::new(&account), config.keys, SystemClock.now()).await;
        let keyring = keyring.map_err(|error| error.to_string())?;
        let membership = Membership::new(tables, keyring, SystemClock, SystemChance, config.management_endpoint);
        Ok(membership.with_room_members(config.room_members))
    };
    start::routes("membership", wire).await
}

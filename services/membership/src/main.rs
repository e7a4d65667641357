//! The membership function: wires and starts.

use std::process::ExitCode;

use aws_adapters::{Account, Tables};
use lambda_kit::{SystemChance, SystemClock, env, start};
use membership::{Config, Membership};

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let wire = || {
        let config = Config::from_environment()?;
        let account = Account::from_environment(env::optional).map_err(|error| error.to_string())?;
        let tables =
            Tables::new(&account, &config.connections_table, &config.rooms_table).in_generation(config.generation);
        let membership =
            Membership::new(tables, config.verifier, SystemClock, SystemChance, config.management_endpoint);
        Ok(membership.with_room_members(config.room_members))
    };
    start::routes("membership", wire).await
}

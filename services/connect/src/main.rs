//! Wires the connect function and starts it.

use std::process::ExitCode;

use aws_adapters::{Account, Management, Tables};
use connect::{Config, Connect};
use lambda_kit::{SystemClock, env, start};

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let wire = async || {
        let config = Config::from_environment().map_err(|error| error.to_string())?;
        let account = Account::from_environment(env::optional).map_err(|error| error.to_string())?;
        let tables = Tables::new(&account, &config.connections_table, &config.rooms_table);
        let connect = Connect::new(tables, Management::new(&account), SystemClock, config.management_endpoint);
        Ok(connect.with_room_members(config.room_members).with_user_connections(config.user_connections))
    };
    start::routes("connect", wire).await
}

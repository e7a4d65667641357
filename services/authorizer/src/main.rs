//! Wires the authorizer function and starts it.

use std::process::ExitCode;

use authorizer::{Authorizer, Config};
use aws_adapters::{Account, SecretStore};
use domain::ports::Clock;
use lambda_kit::{SystemClock, env};
use tokens::Keyring;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let wire = async || {
        let config = Config::from_environment()?;
        let account = Account::from_environment(env::optional).map_err(|error| error.to_string())?;
        let keyring = Keyring::load(SecretStore::new(&account), config.verifier.clone(), SystemClock.now()).await;
        let keyring = keyring.map_err(|error| error.to_string())?;
        Ok(Authorizer::new(config.with_verifier(keyring), SystemClock))
    };
    let handle = async |authorizer: &Authorizer<_, _>, event, summary: &mut _| authorizer.handle(&event, summary).await;
    lambda_kit::start::run("authorizer", wire, handle).await
}

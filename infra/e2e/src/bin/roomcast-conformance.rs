//! `cargo xtask conformance`: asks a real API the questions that the local stack answers by
//! assumption.

use std::process::ExitCode;

use clap::Parser;
use e2e::conformance::{Api, Target, ask_all};
use roomcast_client::development::Keys;

/// Asks a deployment of Roomcast, or the local stack, what FIDELITY.md assumes about API Gateway,
/// and prints the differences. It opens some forty connections, one or two at a time.
///
/// The credentials come from the environment variables of AWS. They need
/// `execute-api:ManageConnections`. Exit status: 0 no difference, 1 differences or questions
/// without an answer, 2 usage.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask conformance", bin_name = "cargo xtask conformance")]
struct Arguments {
    /// The WebSocket URL, such as `terraform output -raw websocket_url` prints
    #[arg(long)]
    url: String,
    /// The management endpoint, such as `terraform output -raw management_endpoint` prints
    #[arg(long)]
    api: String,
    /// Keys that the deployment verifies tokens with, {"key id":"base64url"}; without keys, clients
    /// connect as guests
    #[arg(long, env = "ROOMCAST_TOKEN_KEYS", hide_env_values = true)]
    keys: Option<String>,
}

#[tokio::main]
async fn main() -> ExitCode {
    let Arguments { url, api, keys } = Arguments::parse();
    let target = (|| {
        let keys = keys.as_deref().map(Keys::parse).transpose().map_err(|error| error.to_string())?;
        let api = Api::new(&api, |name| std::env::var(name).ok()).map_err(|error| error.to_string())?;
        Ok::<_, String>(Target { url, api, keys })
    })();
    match target {
        Ok(target) => {
            let report = ask_all(&target).await;
            println!("{report}");
            if report.holds() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
        }
        Err(problem) => {
            eprintln!("{problem}");
            ExitCode::from(2)
        }
    }
}

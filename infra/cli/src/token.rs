//! `roomcast token`: prints a development token, or checks a token with the keys of a deployment.

use std::io::Read;
use std::process::ExitCode;
use std::time::Duration;

use aws_adapters::SecretStore;
use clap::Subcommand;
use domain::ports::Secrets;
use domain::{Identity, Pattern};
use roomcast_client::development::TokenArguments;
use serde_json::json;
use tokens::Verifier;

use crate::deployment::Deployment;
use crate::error::Error;
use crate::output::Output;
use crate::time::{moment, now, rounded};

/// The secrets with keys, in the topology.
const KEY_SECRETS: [&str; 2] = ["token_keys", "token_jwks"];

/// The token to print or to check.
#[derive(Debug, clap::Args)]
#[command(subcommand_negates_reqs = true, args_conflicts_with_subcommands = true)]
#[command(after_help = "Printed tokens are signed with the key of infra/local.yaml: they are for the local stack.\n\n\
    Examples:\n  roomcast token --user ada --join 'team:*' --expires 1h\n  roomcast token check eyJhbGciOi…\n  \
    pbpaste | roomcast token check -")]
pub(crate) struct Arguments {
    #[command(subcommand)]
    check: Option<Command>,
    #[command(flatten)]
    token: Option<TokenArguments>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Checks a token with the keys of the deployment, and shows what it allows
    #[command(after_help = "Example:\n  roomcast token check -")]
    Check {
        /// The token; - reads it from standard input, so that no list of processes shows it
        #[arg(value_name = "TOKEN")]
        token: String,
    },
}

impl Arguments {
    /// True if the keys of a deployment are needed.
    pub(crate) fn needs_deployment(&self) -> bool {
        self.check.is_some()
    }
}

/// Prints a development token.
pub(crate) fn mint(asked: &Arguments, output: &Output) -> Result<ExitCode, Error> {
    let Some(asked) = &asked.token else { return Err(Error::new("no user is named", "roomcast token --user ada")) };
    let token = asked.mint(Duration::from_millis(now().as_ms()));
    let token = token.map_err(|error| Error::new(error.to_string(), "run this inside the repository"))?;
    output.line(&token, &json!({ "token": token }))?;
    Ok(ExitCode::SUCCESS)
}

/// Checks a token as the authorizer does, except for its issuer and audience.
pub(crate) async fn check(deployment: &Deployment, asked: &Arguments, output: &Output) -> Result<ExitCode, Error> {
    let Some(Command::Check { token }) = &asked.check else { return mint(asked, output) };
    let token = if token == "-" { read_token()? } else { token.clone() };
    let store = SecretStore::new(&deployment.account);
    let mut keys = [None, None];
    for (place, wanted) in keys.iter_mut().zip(KEY_SECRETS) {
        if let Some((_, stored)) = deployment.secrets().find(|(name, _)| *name == wanted) {
            *place = Some(store.read(stored).await?);
        }
    }
    let [secret, public] = &keys;
    let verifier = Verifier::new(secret.as_deref(), public.as_deref(), None, None)
        .map_err(|error| Error::new(error.to_string(), "roomcast doctor"))?;
    let identity = verifier.identify(&token, None, now()).map_err(|bad| {
        Error::new(
            format!("refused: {bad}"),
            "get another token; roomcast token --user NAME prints one for the local stack",
        )
    })?;
    print_identity(&identity, output)?;
    output.remark("issuer and audience were not compared: the parameters token_issuer and token_audience name them");
    Ok(ExitCode::SUCCESS)
}

fn read_token() -> Result<String, Error> {
    let mut token = String::new();
    std::io::stdin().lock().read_to_string(&mut token)?;
    Ok(token.trim().to_owned())
}

fn print_identity(identity: &Identity, output: &Output) -> Result<(), Error> {
    let permissions = &identity.permissions;
    if output.is_json() {
        let rooms = json!({
            "join": permissions.join, "publish": permissions.publish,
            "history": permissions.history, "presence": permissions.presence,
        });
        return output.object(&json!({
            "user": identity.user, "device": identity.device, "admin": identity.admin,
            "expires_at": identity.expires_at, "rooms": rooms,
            "token_id": identity.stamp.id, "issued_at": identity.stamp.issued_at,
        }));
    }
    output.text(&format!("good       user {}{}", identity.user, if identity.admin { ", an admin" } else { "" }))?;
    if let Some(at) = identity.expires_at {
        output.text(&format!("expires    {} (in {})", moment(at), rounded(at.since(now()))))?;
    }
    if let Some(at) = identity.stamp.issued_at {
        output.text(&format!("issued     {}", moment(at)))?;
    }
    if let Some(id) = &identity.stamp.id {
        output.text(&format!("id         {id}"))?;
    }
    let listed = |patterns: &[Pattern]| match patterns {
        [] => "nothing".to_owned(),
        patterns => patterns
            .iter()
            .map(|pattern| json!(pattern).as_str().unwrap_or("*").to_owned())
            .collect::<Vec<_>>()
            .join(" "),
    };
    output.text(&format!("join       {}", listed(&permissions.join)))?;
    output.text(&format!("publish    {}", listed(&permissions.publish)))?;
    output.text(&format!("history    {}", listed(&permissions.history)))?;
    output.text(&format!("presence   {}", listed(&permissions.presence)))
}

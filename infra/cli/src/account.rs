//! The account of a deployment on AWS: from the environment, or from a profile of the AWS CLI.
//!
//! The AWS CLI resolves profiles of every kind (static keys, roles, single sign-on), and prints the
//! keys. So no part of this program parses the files of the CLI.

use std::collections::HashMap;

use aws_adapters::Account;
use serde::Deserialize;
use tokio::process::Command;

use crate::error::Error;

/// The answer of `aws configure export-credentials --format process`.
/// <https://docs.aws.amazon.com/cli/latest/reference/configure/export-credentials.html>
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Exported {
    access_key_id: String,
    secret_access_key: String,
    #[serde(default)]
    session_token: String,
}

/// Returns the account with the keys of the environment, or of the profile if one is named or the
/// environment has no keys.
pub(crate) async fn of_profile(profile: Option<&str>, region: Option<String>) -> Result<Account, Error> {
    let mut variables: HashMap<String, String> = std::env::vars().collect();
    let has_keys = variables.contains_key("AWS_ACCESS_KEY_ID") && variables.contains_key("AWS_SECRET_ACCESS_KEY");
    if profile.is_some() || !has_keys {
        let keys = exported(profile).await?;
        variables.insert("AWS_ACCESS_KEY_ID".to_owned(), keys.access_key_id);
        variables.insert("AWS_SECRET_ACCESS_KEY".to_owned(), keys.secret_access_key);
        variables.insert("AWS_SESSION_TOKEN".to_owned(), keys.session_token);
    }
    let region = region.or_else(|| variables.get("AWS_REGION").or(variables.get("AWS_DEFAULT_REGION")).cloned());
    variables.extend(region.map(|region| ("AWS_REGION".to_owned(), region)));
    Account::from_environment(|name| variables.get(name).cloned())
        .map_err(|_| Error::new("the Region of the deployment is not known", "export AWS_REGION=eu-west-1, and repeat"))
}

async fn exported(profile: Option<&str>) -> Result<Exported, Error> {
    let mut command = Command::new("aws");
    command.args(["configure", "export-credentials", "--format", "process"]);
    command.args(profile.into_iter().flat_map(|profile| ["--profile", profile]));
    let next = "aws sso login, or export AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY";
    let failed = |why: String| Error::new(format!("there are no AWS credentials: {why}"), next);
    let answer = command.output().await.map_err(|error| failed(format!("the AWS CLI did not start ({error})")))?;
    if !answer.status.success() {
        return Err(failed(String::from_utf8_lossy(&answer.stderr).trim().to_owned()));
    }
    serde_json::from_slice(&answer.stdout)
        .map_err(|_| failed("the AWS CLI printed no credentials (version 2 is needed)".to_owned()))
}

//! Options of every command.

use std::path::PathBuf;

/// Options of every command.
#[derive(Debug, clap::Args)]
pub(crate) struct Global {
    /// Prints one JSON object a line on standard output
    #[arg(long, global = true)]
    pub(crate) json: bool,
    /// The AWS port of the local stack
    #[arg(long, global = true, value_name = "URL", env = "AWS_ENDPOINT_URL", default_value = "http://127.0.0.1:4566")]
    pub(crate) endpoint: String,
    /// A deployment on AWS: the file that `terraform output -json` printed
    #[arg(long, global = true, value_name = "FILE", env = "ROOMCAST_OUTPUTS")]
    pub(crate) outputs: Option<PathBuf>,
    /// The profile of the AWS CLI that has the keys; without it the keys of the environment
    #[arg(long, global = true, value_name = "NAME", requires = "outputs")]
    pub(crate) profile: Option<String>,
}

//! `cargo xtask chaos`: the binary of `infra/e2e` that does it, built like everything else.

use std::ffi::OsString;
use std::process::{Command, ExitStatus};

/// Handed on as they are.
#[derive(Debug, clap::Args)]
#[command(disable_help_flag = true)]
pub(crate) struct Arguments {
    /// Options, such as `--pairs 2000000 --seed 7`; `--help` lists them
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, value_name = "OPTIONS")]
    options: Vec<OsString>,
}

/// Runs it and gives its status.
pub(crate) fn run(arguments: &Arguments) -> std::io::Result<ExitStatus> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    Command::new(cargo).args(["run", "--quiet", "--bin", "roomcast-chaos", "--"]).args(&arguments.options).status()
}

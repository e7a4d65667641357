//! `cargo xtask chaos`, `restore-drill`, `conformance` and `costs`: binaries of `infra/e2e`, built
//! with the features of the whole workspace.

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

/// Runs a binary of `infra/e2e` and gives its status.
pub(crate) fn run(binary: &str, arguments: &Arguments, no_color: bool) -> std::io::Result<ExitStatus> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let workspace = concat!(env!("CARGO_MANIFEST_DIR"), "/../../Cargo.toml");
    let mut run = Command::new(cargo);
    // The launcher removes the variables of this package, which would make build scripts run again.
    run.args(["run", "--quiet", "--manifest-path", workspace, "--package", "launch", "--", "--quiet", binary]);
    // clap does not see it behind the command.
    let (plain, options): (Vec<_>, Vec<_>) = arguments.options.iter().partition(|option| *option == "--no-color");
    if no_color || !plain.is_empty() {
        run.env("NO_COLOR", "1");
    }
    run.args(options).status()
}

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
pub(crate) fn run(arguments: &Arguments, no_color: bool) -> std::io::Result<ExitStatus> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let workspace = concat!(env!("CARGO_MANIFEST_DIR"), "/../../Cargo.toml");
    let mut run = Command::new(cargo);
    run.args(["run", "--quiet", "--manifest-path", workspace, "--bin", "roomcast-chaos", "--"]);
    // clap does not see it behind the command.
    let (plain, options): (Vec<_>, Vec<_>) = arguments.options.iter().partition(|option| *option == "--no-color");
    if no_color || !plain.is_empty() {
        run.env("NO_COLOR", "1");
    }
    run.args(options).status()
}

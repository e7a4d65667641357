//! Starts a binary of the workspace from any of its folders: what `cargo dev` and the other aliases
//! run.
//!
//! `cargo run --bin NAME` finds NAME only in the root of a workspace. With `--package` it works in
//! every folder, and compiles the dependencies once more with the features of that package alone.
//! So the aliases run this program, which has no dependencies, and this program runs cargo on the
//! manifest of the workspace. The current folder stays.

use std::ffi::OsString;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, ExitCode};

/// How the names of the variables start that [cargo sets](https://doc.rust-lang.org/cargo/reference/environment-variables.html)
/// for a program that it runs. Build scripts of other packages would run again because of them.
const OF_THIS_PACKAGE: [&str; 6] =
    ["CARGO_PKG_", "CARGO_MANIFEST_", "CARGO_BIN_", "CARGO_CRATE_", "CARGO_PRIMARY_", "CARGO_RUSTC_CURRENT_"];

fn main() -> ExitCode {
    let arguments: Vec<OsString> = std::env::args_os().skip(1).collect();
    if arguments.is_empty() {
        eprintln!("usage: launch [--quiet] BINARY [ARGUMENTS]; .cargo/config.toml has the aliases that use it");
        return ExitCode::from(2);
    }
    let error = cargo_run(&arguments).exec();
    eprintln!("cannot run cargo: {error}");
    ExitCode::FAILURE
}

/// `cargo run` of a binary of the workspace; a leading `--quiet` is cargo's.
fn cargo_run(arguments: &[OsString]) -> Command {
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    for (name, _) in std::env::vars_os().filter(|(name, _)| is_of_this_package(name)) {
        cargo.env_remove(name);
    }
    let is_quiet = arguments.first().is_some_and(|first| first == "--quiet");
    let (options, rest) = arguments.split_at(usize::from(is_quiet));
    cargo.arg("run").args(options).arg("--manifest-path").arg(root().join("Cargo.toml"));
    if let Some((binary, rest)) = rest.split_first() {
        cargo.arg("--bin").arg(binary).arg("--").args(rest);
    }
    cargo
}

/// The folder of the workspace that this program was built in.
fn root() -> &'static Path {
    let own = Path::new(env!("CARGO_MANIFEST_DIR"));
    own.ancestors().nth(2).unwrap_or(own)
}

fn is_of_this_package(name: &OsString) -> bool {
    name.to_str().is_some_and(|name| OF_THIS_PACKAGE.iter().any(|prefix| name.starts_with(prefix)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(arguments: &[&str]) -> Vec<String> {
        let arguments: Vec<OsString> = arguments.iter().map(OsString::from).collect();
        cargo_run(&arguments).get_args().map(|word| word.to_string_lossy().into_owned()).collect()
    }

    #[test]
    fn cargo_runs_the_binary_of_the_workspace_with_the_arguments_as_they_are() {
        let manifest = root().join("Cargo.toml").to_string_lossy().into_owned();
        assert!(Path::new(&manifest).is_file(), "{manifest}");
        assert_eq!(
            words(&["roomcast-local", "--", "--run", "a b"]),
            ["run", "--manifest-path", &manifest, "--bin", "roomcast-local", "--", "--", "--run", "a b"]
        );
        assert_eq!(
            words(&["--quiet", "chat", "lobby", "--quiet"]),
            ["run", "--quiet", "--manifest-path", &manifest, "--bin", "chat", "--", "lobby", "--quiet"]
        );
    }

    #[test]
    fn every_alias_goes_through_this_program_and_so_works_in_every_folder() {
        let config = std::fs::read_to_string(root().join(".cargo/config.toml")).unwrap();
        let (_, aliases) = config.split_once("[alias]").unwrap();
        let aliases: Vec<&str> = aliases.lines().filter(|line| line.contains(" = ")).collect();
        assert!(aliases.len() >= 5, "{aliases:?}");
        for alias in aliases {
            assert!(alias.contains("\"run --quiet --package launch -- "), "{alias}");
        }
    }

    #[test]
    fn variables_of_this_package_are_not_for_others() {
        assert!(is_of_this_package(&"CARGO_PKG_NAME".into()) && is_of_this_package(&"CARGO_MANIFEST_DIR".into()));
        assert!(!is_of_this_package(&"CARGO_TARGET_DIR".into()) && !is_of_this_package(&"PATH".into()));
        let removed = cargo_run(&["x".into()]).get_envs().filter(|(_, value)| value.is_none()).count();
        assert!(removed > 0, "cargo gives every test the variables of its package");
    }
}

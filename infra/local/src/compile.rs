//! Builds the functions of a topology with cargo, and finds their binaries.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;

use topology::Topology;

use crate::cli::Binaries;

/// The reason why binaries are missing.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Cargo could not be started.
    #[error("cannot run cargo to build the functions: {0}; with --no-build nothing is built")]
    NoCargo(std::io::Error),
    /// Cargo failed. Its errors are on standard error.
    #[error("cargo could not build the functions: its errors are above this line")]
    Failed,
    /// The folder lacks the binary of a function.
    #[error("the binary {} of the function `{function}` does not exist: build it, or leave out --no-build and --bin-dir", path.display())]
    Missing {
        /// Name of the function.
        function: String,
        /// Expected path of its binary.
        path: PathBuf,
    },
}

/// Builds the functions if necessary. Returns the folder with every binary of the topology. Cargo's
/// own output has colours only if `has_colours`.
///
/// # Errors
/// See [`Error`].
pub fn folder(binaries: &Binaries, topology: &Topology, has_colours: bool) -> Result<PathBuf, Error> {
    let folder = match binaries {
        Binaries::In(folder) => folder.clone(),
        Binaries::OfProfile { profile } => target_folder().join(profile_folder(profile)),
        Binaries::Built { profile } => {
            build(topology, profile, has_colours)?;
            target_folder().join(profile_folder(profile))
        }
    };
    check(&folder, topology)?;
    Ok(folder)
}

/// Checks that every function's binary is in the folder.
///
/// # Errors
/// [`Error::Missing`] for the first missing binary.
pub(crate) fn check(folder: &Path, topology: &Topology) -> Result<(), Error> {
    for function in &topology.functions {
        let path = folder.join(&function.binary);
        if !path.is_file() {
            return Err(Error::Missing { function: function.name.clone(), path });
        }
    }
    Ok(())
}

/// Builds all binaries with one call of cargo, which builds shared crates once. Cargo prints its
/// progress to the terminal.
fn build(topology: &Topology, profile: &str, has_colours: bool) -> Result<(), Error> {
    let mut command = cargo();
    command.args(["build", "--profile", profile, "--workspace"]);
    if !has_colours {
        command.args(["--color", "never"]);
    }
    let mut names: Vec<&str> = topology.functions.iter().map(|function| function.binary.as_str()).collect();
    names.sort_unstable();
    names.dedup();
    for name in names {
        command.args(["--bin", name]);
    }
    match command.status() {
        Ok(status) if status.success() => Ok(()),
        Ok(_) => Err(Error::Failed),
        Err(error) => Err(Error::NoCargo(error)),
    }
}

/// Returns a command that calls cargo as the user at the terminal would.
#[must_use]
pub fn cargo() -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| OsString::from("cargo")));
    for name in variables_of_the_package() {
        command.env_remove(name);
    }
    command
}

/// Returns the variables in which cargo describes this program's package to this program. Child
/// processes must not have them: build scripts depend on these variables, and would run again each
/// time.
pub fn variables_of_the_package() -> impl Iterator<Item = OsString> {
    let of_the_package =
        |name: &OsString| name.to_str().is_some_and(|name| PACKAGE.iter().any(|prefix| name.starts_with(prefix)));
    std::env::vars_os().map(|(name, _)| name).filter(of_the_package)
}

/// Prefixes of the variables that [cargo
/// sets](https://doc.rust-lang.org/cargo/reference/environment-variables.html) for a program that
/// it runs.
const PACKAGE: [&str; 6] =
    ["CARGO_PKG_", "CARGO_MANIFEST_", "CARGO_BIN_", "CARGO_CRATE_", "CARGO_PRIMARY_", "CARGO_RUSTC_CURRENT_"];

/// Returns the target folder. It is derived from this program's own path:
/// `target/debug/roomcast-local` is in `target/debug`.
fn target_folder() -> PathBuf {
    if let Some(folder) = std::env::var_os("CARGO_TARGET_DIR") {
        return folder.into();
    }
    let own = std::env::current_exe().ok();
    let profile = own.as_deref().and_then(Path::parent);
    profile.and_then(Path::parent).map_or_else(|| PathBuf::from("target"), Path::to_owned)
}

/// Returns the folder of a profile. Cargo names the folder of its profile `dev` `debug`.
fn profile_folder(profile: &str) -> &str {
    if profile == "dev" { "debug" } else { profile }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_cargo_hears_nothing_of_our_package() {
        assert!(std::env::var_os("CARGO_PKG_NAME").is_some(), "cargo sets the variables of the package for every test");
        let command = cargo();
        let removed: Vec<_> = command.get_envs().filter(|(_, value)| value.is_none()).map(|(name, _)| name).collect();
        for name in ["CARGO_PKG_NAME", "CARGO_PKG_VERSION", "CARGO_MANIFEST_DIR"] {
            assert!(removed.contains(&std::ffi::OsStr::new(name)), "{name} stays");
        }
    }
}

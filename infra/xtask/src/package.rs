//! `cargo xtask package`: one zip for each function, as Lambda takes it.
//!
//! The same commit gives the same bytes in any folder: paths are remapped, times in the zip are
//! fixed. A binary that needs a newer glibc than that of Amazon Linux 2023 is refused, and so is a
//! package that is too large.

use std::collections::BTreeSet;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use clap::ValueEnum;
use sha2::{Digest, Sha256};
use topology::Topology;
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, DateTime, ZipWriter};

use crate::topology::FILE;

/// glibc 2.34 of Amazon Linux 2023, on which `provided.al2023` runs.
/// <https://docs.aws.amazon.com/linux/al2023/ug/compare-with-al2.html>
const GLIBC: (u32, u32) = (2, 34);
/// Larger packages load slowly. docs/measured.md has the size of `events`, the largest.
const PACKAGE_BYTES: usize = 3_000_000;
/// Zopfli, with 3 iterations: 3% smaller than zlib at its best, for 16 s of each function. Levels
/// above 9 are of Zopfli; 15 iterations save 0.03% more.
const COMPRESSION_LEVEL: i64 = 9 + 3;
/// Keeps one of several equal functions: 1.5% smaller. It is an option of lld, with which rustc
/// links for x86_64; zig does not know it.
const FOLD: &str = "-Clink-arg=-Wl,--icf=all";
/// The file that Lambda starts.
const BOOTSTRAP: &str = "bootstrap";

/// What to build, and where to put it.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// The processor of the functions.
    #[arg(long, value_enum, default_value_t = Architecture::X86_64)]
    arch: Architecture,
    /// The folder for the zips; target/packages/ARCH if not given.
    #[arg(long)]
    out: Option<PathBuf>,
}

/// A processor that Lambda has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Architecture {
    /// Intel and AMD.
    #[value(name = "x86_64")]
    X86_64,
    /// Graviton processors of AWS.
    Arm64,
}

impl Architecture {
    fn name(self) -> &'static str {
        match self {
            Self::X86_64 => "x86_64",
            Self::Arm64 => "arm64",
        }
    }

    fn target(self) -> &'static str {
        match self {
            Self::X86_64 => "x86_64-unknown-linux-gnu",
            Self::Arm64 => "aarch64-unknown-linux-gnu",
        }
    }

    /// Whether this machine runs what it builds.
    fn is_native(self) -> bool {
        let processor = match self {
            Self::X86_64 => "x86_64",
            Self::Arm64 => "aarch64",
        };
        cfg!(all(target_os = "linux", target_env = "gnu")) && std::env::consts::ARCH == processor
    }
}

/// Why there are no packages.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error(transparent)]
    Topology(#[from] topology::Error),
    #[error("the standard library of {0} is missing: install it with `rustup target add {0}`")]
    NoStandardLibrary(&'static str),
    #[error("this machine has no linker for {0}; `pip install cargo-zigbuild ziglang` brings one, then run this again")]
    NoZig(&'static str),
    #[error("{0} failed: its own lines above say why")]
    Failed(&'static str),
    #[error("{what} {}: {source}", path.display())]
    File { what: &'static str, path: PathBuf, source: std::io::Error },
    #[error("{binary} needs glibc {}.{}, and Lambda has {}.{}: build with `pip install cargo-zigbuild ziglang` on the path", found.0, found.1, GLIBC.0, GLIBC.1)]
    NewGlibc { binary: String, found: (u32, u32) },
    #[error("the package of {binary} has {bytes} bytes, more than {PACKAGE_BYTES}")]
    TooLarge { binary: String, bytes: usize },
    #[error("the zip of {binary} cannot be written: {source}")]
    Zip { binary: String, source: zip::result::ZipError },
    #[error("cannot start {0}: {1}")]
    NotStarted(&'static str, std::io::Error),
}

/// Builds every function of the topology and packs it.
///
/// # Errors
/// See [`Error`]. Packages of an earlier run stay where they are then.
pub(crate) fn run(arguments: &Arguments) -> Result<(), Error> {
    let topology = Topology::read(Path::new(FILE))?;
    let binaries: BTreeSet<&str> = topology.functions.iter().map(|function| function.binary.as_str()).collect();
    let folder = build(arguments.arch, &binaries)?;
    let out = arguments.out.clone().unwrap_or_else(|| Path::new("target/packages").join(arguments.arch.name()));
    fs::create_dir_all(&out).map_err(|source| Error::File { what: "cannot create", path: out.clone(), source })?;
    println!("{:<12} {:>9} {:>9}  glibc  sha256", "package", "binary", "zip");
    for binary in binaries {
        let path = folder.join(binary);
        let bytes = fs::read(&path).map_err(|source| Error::File { what: "cannot read", path, source })?;
        let glibc = newest_glibc(&bytes).unwrap_or_default();
        if glibc > GLIBC {
            return Err(Error::NewGlibc { binary: binary.to_owned(), found: glibc });
        }
        let zip = pack(&bytes).map_err(|source| Error::Zip { binary: binary.to_owned(), source })?;
        if zip.len() > PACKAGE_BYTES {
            return Err(Error::TooLarge { binary: binary.to_owned(), bytes: zip.len() });
        }
        let hash: String = Sha256::digest(&zip).iter().map(|byte| format!("{byte:02x}")).collect();
        println!("{binary:<12} {:>9} {:>9}  {}.{}   {hash}", bytes.len(), zip.len(), glibc.0, glibc.1);
        let path = out.join(format!("{binary}.zip"));
        fs::write(&path, zip).map_err(|source| Error::File { what: "cannot write", path, source })?;
    }
    println!("in {}", out.display());
    Ok(())
}

/// Builds the binaries; returns their folder.
fn build(architecture: Architecture, binaries: &BTreeSet<&str>) -> Result<PathBuf, Error> {
    let target = architecture.target();
    if !has_standard_library(target)? {
        return Err(Error::NoStandardLibrary(target));
    }
    let with_zig = has_zig();
    if !architecture.is_native() && !with_zig {
        return Err(Error::NoZig(target));
    }
    let mut command = Command::new("cargo");
    if with_zig {
        command.args(["zigbuild", "--target", &format!("{target}.{}.{}", GLIBC.0, GLIBC.1)]);
    } else {
        command.args(["build", "--target", target]);
    }
    command.args(["--release", "--locked"]);
    for binary in binaries {
        command.args(["--package", binary, "--bin", binary]);
    }
    let mut flags = remapped_paths();
    if !with_zig && architecture == Architecture::X86_64 {
        flags.push(FOLD.to_owned());
    }
    command.env("CARGO_ENCODED_RUSTFLAGS", flags.join("\u{1f}"));
    let status = command.status().map_err(|error| Error::NotStarted("cargo", error))?;
    if !status.success() {
        return Err(Error::Failed("the build of the functions"));
    }
    let folder = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| PathBuf::from("target"), PathBuf::from);
    Ok(folder.join(target).join("release"))
}

/// Names of this machine's folders in panics would make packages differ from machine to machine.
fn remapped_paths() -> Vec<String> {
    let root = std::env::current_dir().ok();
    let home = std::env::var_os("CARGO_HOME").map(PathBuf::from);
    let home = home.or_else(|| std::env::home_dir().map(|home| home.join(".cargo")));
    // Sources that build scripts write are there.
    let target = std::env::var_os("CARGO_TARGET_DIR").and_then(|path| std::path::absolute(path).ok());
    [(root, "/roomcast"), (home, "/cargo"), (target, "/roomcast/target")]
        .into_iter()
        .filter_map(|(path, name)| path.map(|path| format!("--remap-path-prefix={}={name}", path.display())))
        .collect()
}

fn has_standard_library(target: &'static str) -> Result<bool, Error> {
    let output = Command::new("rustc").args(["--print", "target-libdir", "--target", target]).output();
    let output = output.map_err(|error| Error::NotStarted("rustc", error))?;
    let folder = PathBuf::from(String::from_utf8_lossy(&output.stdout).trim());
    Ok(output.status.success() && folder.is_dir())
}

/// Whether cargo-zigbuild is here, and zig, which it finds on the path or as a package of Python.
fn has_zig() -> bool {
    let answers = |program: &str, arguments: &[&str]| {
        Command::new(program).args(arguments).output().is_ok_and(|output| output.status.success())
    };
    answers("cargo", &["zigbuild", "--version"])
        && (answers("zig", &["version"]) || answers("python3", &["-m", "ziglang", "version"]))
}

/// A zip with one file that may be executed, and the time that zips begin with.
fn pack(binary: &[u8]) -> zip::result::ZipResult<Vec<u8>> {
    let mut zip = ZipWriter::new(std::io::Cursor::new(Vec::new()));
    let options = SimpleFileOptions::default()
        .compression_method(CompressionMethod::Deflated)
        .compression_level(Some(COMPRESSION_LEVEL))
        .last_modified_time(DateTime::default())
        .unix_permissions(0o755);
    zip.start_file(BOOTSTRAP, options)?;
    zip.write_all(binary)?;
    Ok(zip.finish()?.into_inner())
}

/// The newest version of glibc that a binary names a symbol of.
fn newest_glibc(binary: &[u8]) -> Option<(u32, u32)> {
    const NAME: &[u8] = b"GLIBC_2.";
    let versions = binary.windows(NAME.len()).enumerate().filter(|(_, window)| *window == NAME);
    let minor = |begins: usize| -> Option<u32> {
        let digits: String =
            binary[begins..].iter().map(|byte| char::from(*byte)).take_while(char::is_ascii_digit).take(4).collect();
        digits.parse().ok()
    };
    versions.filter_map(|(at, _)| minor(at + NAME.len())).max().map(|minor| (2, minor))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_binary_is_the_same_zip() {
        let binary = b"\x7fELF and so on".repeat(1_000);
        assert_eq!(pack(&binary).unwrap(), pack(&binary).unwrap());
    }

    #[test]
    fn a_zip_holds_the_binary_as_an_executable_bootstrap() {
        let zip = pack(b"binary").unwrap();
        let mut archive = zip::ZipArchive::new(std::io::Cursor::new(zip)).unwrap();
        assert_eq!(archive.len(), 1);
        let mut file = archive.by_name(BOOTSTRAP).unwrap();
        assert_eq!(file.unix_mode().map(|mode| mode & 0o777), Some(0o755));
        let mut content = String::new();
        std::io::Read::read_to_string(&mut file, &mut content).unwrap();
        assert_eq!(content, "binary");
    }

    #[test]
    fn the_newest_glibc_that_a_binary_names_is_found() {
        assert_eq!(newest_glibc(b"..GLIBC_2.2.5\0GLIBC_2.34\0GLIBC_2.9\0"), Some((2, 34)));
        assert_eq!(newest_glibc(b"..GLIBC_2.36"), Some((2, 36)));
        assert_eq!(newest_glibc(b"nothing of it"), None);
        assert!((2, 36) > GLIBC && (2, 34) <= GLIBC);
    }
}

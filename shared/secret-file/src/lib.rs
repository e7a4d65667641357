//! A file with a secret of one checkout. It is made at its first use, and only its owner may read
//! it.
//!
//! The local stack and the programs that sign development tokens read the same file. The first of
//! them makes it.

use std::fs::{self, DirBuilder, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;

/// Random bytes of a new secret.
const RANDOM_BYTES: usize = 32;
/// The place of the random bytes in the text of a new secret.
const PLACE: &str = "{random}";

/// A secret as settings name it: its value, or the file that holds it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(untagged)]
pub enum Secret {
    /// The value itself.
    Text(String),
    /// A file that holds the value.
    File(SecretFile),
}

/// The file of a secret.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SecretFile {
    /// Path of the file, relative to the folder of the settings.
    pub file: PathBuf,
    /// The text of a new file. `{random}` is replaced by 32 random bytes in base64url.
    pub made_of: String,
}

impl Secret {
    /// Returns the value. `folder` is the folder of the settings. A missing file is made.
    ///
    /// # Errors
    /// The file cannot be read or made. The text names the file and not its content.
    pub fn read(&self, folder: &Path) -> io::Result<String> {
        match self {
            Self::Text(value) => Ok(value.clone()),
            Self::File(SecretFile { file, made_of }) => read_or_make(&folder.join(file), made_of),
        }
    }
}

fn read_or_make(file: &Path, made_of: &str) -> io::Result<String> {
    let named = |error: io::Error| io::Error::new(error.kind(), format!("{}: {error}", file.display()));
    match fs::read_to_string(file) {
        Err(error) if error.kind() == ErrorKind::NotFound => make(file, made_of).map_err(named)?,
        Err(error) => return Err(named(error)),
        Ok(_) => {}
    }
    close_to_others(file).map_err(named)?;
    fs::read_to_string(file).map_err(named)
}

/// Makes the file whole or not at all. If two processes make it at the same moment, one of them
/// does, and both read the same secret.
fn make(file: &Path, made_of: &str) -> io::Result<()> {
    let random: [u8; RANDOM_BYTES] = rand::random();
    let text = made_of.replace(PLACE, &URL_SAFE_NO_PAD.encode(random));
    let folder = file.parent().unwrap_or_else(|| Path::new("."));
    private_folder().recursive(true).create(folder)?;
    let draft = folder.join(format!(".draft-{:032x}", rand::random::<u128>()));
    let written = private_file().open(&draft).and_then(|mut draft| {
        draft.write_all(text.as_bytes())?;
        draft.sync_all()
    });
    // A link to an existing name fails, so the first file stays.
    let linked = written.and_then(|()| match fs::hard_link(&draft, file) {
        Err(error) if error.kind() != ErrorKind::AlreadyExists => Err(error),
        _ => Ok(()),
    });
    drop(fs::remove_file(&draft));
    linked
}

#[cfg(unix)]
fn private_folder() -> DirBuilder {
    use std::os::unix::fs::DirBuilderExt;
    let mut builder = DirBuilder::new();
    builder.mode(0o700);
    builder
}

#[cfg(unix)]
fn private_file() -> OpenOptions {
    use std::os::unix::fs::OpenOptionsExt;
    let mut options = OpenOptions::new();
    options.write(true).create_new(true).mode(0o600);
    options
}

/// Takes the rights of other users away, which a copied file may have.
#[cfg(unix)]
fn close_to_others(file: &Path) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    let mode = fs::metadata(file)?.permissions().mode();
    if mode & 0o077 == 0 { Ok(()) } else { fs::set_permissions(file, fs::Permissions::from_mode(0o600)) }
}

#[cfg(not(unix))]
fn private_folder() -> DirBuilder {
    DirBuilder::new()
}

#[cfg(not(unix))]
fn private_file() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    options
}

#[cfg(not(unix))]
fn close_to_others(_: &Path) -> io::Result<()> {
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    fn secret(file: &str) -> Secret {
        Secret::File(SecretFile { file: file.into(), made_of: r#"{"dev":"{random}"}"#.to_owned() })
    }

    #[test]
    fn a_missing_file_is_made_once_and_is_another_one_in_each_folder() {
        let folders = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
        let [one, other] = folders.each_ref().map(|folder| secret("keys/dev.json").read(folder.path()).unwrap());
        assert_ne!(one, other);
        assert_eq!(secret("keys/dev.json").read(folders[0].path()).unwrap(), one);
        let random = one.trim_start_matches(r#"{"dev":""#).trim_end_matches(r#""}"#);
        assert_eq!(URL_SAFE_NO_PAD.decode(random).unwrap().len(), RANDOM_BYTES);
        assert_eq!(Secret::Text("x".to_owned()).read(folders[0].path()).unwrap(), "x");
    }

    #[test]
    fn many_that_make_it_at_the_same_moment_read_the_same_secret() {
        let folder = tempfile::tempdir().unwrap();
        let read = || secret("keys/dev.json").read(folder.path()).unwrap();
        let secrets: BTreeSet<String> = std::thread::scope(|scope| {
            let readers: Vec<_> = (0..16).map(|_| scope.spawn(read)).collect();
            readers.into_iter().map(|reader| reader.join().unwrap()).collect()
        });
        assert_eq!(secrets.len(), 1);
        let left: Vec<_> = fs::read_dir(folder.path().join("keys")).unwrap().collect();
        assert_eq!(left.len(), 1, "no draft is left: {left:?}");
    }

    #[cfg(unix)]
    #[test]
    fn only_the_owner_may_read_it_even_if_it_was_open_to_others() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("keys/dev.json");
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        let made = secret("keys/dev.json").read(folder.path()).unwrap();
        assert_eq!((mode(&file), mode(file.parent().unwrap())), (0o600, 0o700));
        fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
        assert_eq!(secret("keys/dev.json").read(folder.path()).unwrap(), made);
        assert_eq!(mode(&file), 0o600);
    }

    #[test]
    fn a_file_that_cannot_be_read_is_named() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("keys")).unwrap();
        let error = secret("keys").read(folder.path()).unwrap_err().to_string();
        assert!(error.contains("keys: "), "{error}");
    }
}

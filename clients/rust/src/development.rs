//! Development tokens, signed with the key that `infra/local.yaml` gives to the local authorizer.
//! Each checkout has a key of its own, in a file that is made at its first use.
//!
//! In a deployment, a backend that authenticates users issues the tokens. This module is not for
//! that.

#[cfg(feature = "token-arguments")]
mod token;

use std::fmt;
use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use protocol::token::Claims;
use secret_file::Secret;
use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};

#[cfg(feature = "token-arguments")]
pub use token::TokenArguments;

/// The file that names the keys, relative to the root of the repository.
pub const SETTINGS: &str = "infra/local.yaml";
/// The secret's name in that file.
const PARAMETER: &str = "token_keys";
/// Minimum bytes of an HS256 key: the length of the hash (RFC 7518, 3.2).
const SECRET_BYTES: usize = 32;

/// Signing keys, in the order of the file.
#[derive(Clone)]
pub struct Keys(Vec<Key>);

#[derive(Clone)]
struct Key {
    id: String,
    secret: Vec<u8>,
}

/// The reason why no token can be minted. Never contains a key.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Neither the current folder nor one above it has a settings file.
    #[error("cannot find {SETTINGS} in this folder or in one above it; run this inside the repository")]
    NotFound,
    /// The settings file cannot be read.
    #[error("cannot read {}: {source}", file.display())]
    Unreadable {
        /// The settings file.
        file: PathBuf,
        /// The error of the file system.
        source: std::io::Error,
    },
    /// The file is not YAML, or has another structure than expected.
    #[error("{} is malformed: {problem}", file.display())]
    Malformed {
        /// The settings file.
        file: PathBuf,
        /// The mistake, with line and column.
        problem: String,
    },
    /// The file of the keys cannot be read or made.
    #[error("cannot read or make the file of the keys: {0}")]
    KeyFile(std::io::Error),
    /// The keys are missing or malformed.
    #[error("the parameter {PARAMETER} of {SETTINGS} {0}; expected {{\"key id\":\"base64url of at least 32 bytes\"}}")]
    Keys(String),
    /// The requested key does not exist.
    #[error("unknown key {wanted:?}; the keys are {known}")]
    UnknownKey {
        /// The id of the requested key.
        wanted: String,
        /// The ids of the existing keys.
        known: String,
    },
    /// The claims cannot be signed.
    #[error("the token cannot be signed: {0}")]
    Unsigned(#[from] jsonwebtoken::errors::Error),
}

impl Keys {
    /// Reads the keys of the repository that contains the current folder.
    ///
    /// # Errors
    /// [`Error`], with the mistake and the expected form.
    pub fn find() -> Result<Self, Error> {
        let here = std::env::current_dir().map_err(|_| Error::NotFound)?;
        let file = here.ancestors().map(|folder| folder.join(SETTINGS)).find(|file| file.is_file());
        Self::read(&file.ok_or(Error::NotFound)?)
    }

    /// Reads the keys of a settings file.
    ///
    /// # Errors
    /// [`Error`], with the mistake and the expected form.
    pub fn read(file: &Path) -> Result<Self, Error> {
        #[derive(Deserialize)]
        struct Settings {
            #[serde(default)]
            secrets: Secrets,
        }
        #[derive(Deserialize, Default)]
        struct Secrets {
            token_keys: Option<Secret>,
        }
        let text =
            std::fs::read_to_string(file).map_err(|source| Error::Unreadable { file: file.to_owned(), source })?;
        let settings: Settings = serde_saphyr::from_str(&text).map_err(|error| Error::Malformed {
            file: file.to_owned(),
            problem: error.without_snippet().to_string(),
        })?;
        let keys = settings.secrets.token_keys.ok_or_else(|| Error::Keys("is missing".to_owned()))?;
        let folder = file.parent().unwrap_or_else(|| Path::new(""));
        Self::parse(&keys.read(folder).map_err(Error::KeyFile)?)
    }

    /// Parses a JSON object from key id to base64url secret.
    ///
    /// # Errors
    /// [`Error::Keys`] for text of another form.
    pub fn parse(json: &str) -> Result<Self, Error> {
        let not_json = |error: serde_json::Error| {
            Error::Keys(format!("is not a JSON object of strings (line {}, column {})", error.line(), error.column()))
        };
        let Entries(entries) = serde_json::from_str(json).map_err(not_json)?;
        if entries.is_empty() {
            return Err(Error::Keys("holds no key".to_owned()));
        }
        let parse = |(id, text): (String, String)| match URL_SAFE_NO_PAD.decode(text.trim_end_matches('=')) {
            Ok(secret) if secret.len() >= SECRET_BYTES => Ok(Key { id, secret }),
            _ => Err(Error::Keys(format!("has a key {id:?} that is not base64url of at least {SECRET_BYTES} bytes"))),
        };
        Ok(Self(entries.into_iter().map(parse).collect::<Result<_, _>>()?))
    }

    /// Mints a JWT (HS256) with these claims, signed with the named key, or with the first one.
    ///
    /// # Errors
    /// [`Error::UnknownKey`] for an unknown `key_id`.
    pub fn mint(&self, claims: &Claims, key_id: Option<&str>) -> Result<String, Error> {
        let chosen = match key_id {
            Some(wanted) => self.0.iter().find(|key| key.id == wanted),
            None => self.0.first(),
        };
        let key = chosen.ok_or_else(|| Error::UnknownKey {
            wanted: key_id.unwrap_or_default().to_owned(),
            known: self.0.iter().map(|key| key.id.as_str()).collect::<Vec<_>>().join(", "),
        })?;
        let header = Header { kid: Some(key.id.clone()), ..Header::new(Algorithm::HS256) };
        Ok(jsonwebtoken::encode(&header, claims, &EncodingKey::from_secret(&key.secret))?)
    }
}

impl fmt::Debug for Keys {
    /// Shows the key ids, and hides the secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.0.iter().map(|key| &key.id)).finish()
    }
}

/// A JSON object of strings, in the order of the text.
struct Entries(Vec<(String, String)>);

impl<'de> Deserialize<'de> for Entries {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct InOrder;
        impl<'de> Visitor<'de> for InOrder {
            type Value = Entries;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object from key id to base64url secret")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Entries, A::Error> {
                let mut entries = Vec::new();
                while let Some(entry) = map.next_entry()? {
                    entries.push(entry);
                }
                Ok(Entries(entries))
            }
        }
        deserializer.deserialize_map(InOrder)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use jsonwebtoken::{DecodingKey, Validation, decode, decode_header};

    const SECRET: &str = "cm9vbWNhc3QtZGV2ZWxvcG1lbnQta2V5LTMyLWJ5dGVz";

    fn claims() -> Claims {
        Claims::of("ada", 4_102_444_800)
    }

    #[test]
    fn a_token_is_signed_with_the_first_key_unless_another_is_named() {
        let other = URL_SAFE_NO_PAD.encode([7; 32]);
        let keys = Keys::parse(&format!(r#"{{"z":"{SECRET}","a":"{other}"}}"#)).unwrap();
        for (asked, id, secret) in [(None, "z", SECRET), (Some("a"), "a", other.as_str())] {
            let token = keys.mint(&claims(), asked).unwrap();
            let header = decode_header(&token).unwrap();
            assert_eq!((header.alg, header.kid.as_deref()), (Algorithm::HS256, Some(id)));
            let key = DecodingKey::from_secret(&URL_SAFE_NO_PAD.decode(secret).unwrap());
            assert_eq!(decode::<Claims>(&token, &key, &Validation::new(Algorithm::HS256)).unwrap().claims, claims());
        }
        let error = keys.mint(&claims(), Some("dev")).unwrap_err().to_string();
        assert_eq!(error, "unknown key \"dev\"; the keys are z, a");
    }

    #[test]
    fn bad_keys_are_told_and_not_shown() {
        for (json, problem) in [
            ("", "is not a JSON object of strings"),
            ("{}", "holds no key"),
            (r#"["secret"]"#, "is not a JSON object of strings"),
            (r#"{"dev":"c2VjcmV0"}"#, "has a key \"dev\" that is not base64url of at least 32 bytes"),
        ] {
            let error = Keys::parse(json).unwrap_err().to_string();
            assert!(error.contains(problem) && !error.contains("c2VjcmV0") && !error.contains("secret\""), "{error}");
        }
        let keys = Keys::parse(&format!(r#"{{"dev":"{SECRET}"}}"#)).unwrap();
        assert_eq!(format!("{keys:?}"), r#"["dev"]"#);
    }

    #[test]
    fn the_keys_are_read_from_the_parameters_of_the_settings() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("local.yaml");
        std::fs::write(
            &file,
            format!("parameters:\n  guests: allow\nsecrets:\n  token_keys: '{{\"dev\":\"{SECRET}\"}}'\n"),
        )
        .unwrap();
        assert!(Keys::read(&file).unwrap().mint(&claims(), Some("dev")).is_ok());
        let made = "secrets:\n  token_keys: { file: own/keys, made_of: '{\"own\":\"{random}\"}' }\n";
        std::fs::write(&file, made).unwrap();
        let tokens = [0, 1].map(|_| Keys::read(&file).unwrap().mint(&claims(), Some("own")).unwrap());
        assert_eq!(tokens[0], tokens[1], "the key is made once");
        std::fs::write(&file, "banner: []\n").unwrap();
        assert!(Keys::read(&file).unwrap_err().to_string().contains("token_keys of infra/local.yaml is missing"));
        assert!(matches!(Keys::read(&folder.path().join("none.yaml")), Err(Error::Unreadable { .. })));
    }
}

//! `infra/local.yaml`: settings of this machine, which therefore do not belong to the topology.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use secret_file::Secret;
use serde::{Deserialize, Serialize};
use topology::Topology;

/// The settings as the file has them.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct File {
    parameters: BTreeMap<String, String>,
    secrets: BTreeMap<String, Secret>,
    banner: Vec<String>,
    pages: BTreeMap<String, PathBuf>,
    page_config: BTreeMap<String, PageValue>,
    metric_help: Option<PathBuf>,
}

/// Values for the topology's parameters and secrets, lines of the banner, and pages.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Settings {
    /// Values by name of the parameter.
    pub parameters: BTreeMap<String, String>,
    /// Values by name of the secret.
    pub secrets: BTreeMap<String, String>,
    /// Lines for the banner, such as a development token. `{ws_url}` is replaced by the URL of the
    /// WebSocket API, and `{aws_endpoint}` by the URL of the AWS endpoint.
    pub banner: Vec<String>,
    /// Folders of static pages by the first segment of their URL: `app: ../pages` is
    /// `http://127.0.0.1:4566/app/`. Paths are relative to the file.
    pub pages: BTreeMap<String, PathBuf>,
    /// Values that pages read from `GET /_local/config`, by name. `{parameter: NAME}` is the value
    /// of a parameter, `{secret: NAME}` the value of a secret.
    pub page_config: BTreeMap<String, PageValue>,
    /// Descriptions of the functions' metrics by their names, for `GET /_local/metrics`. The file
    /// names another file with this JSON object.
    pub metric_help: BTreeMap<String, String>,
}

/// A value for pages: a text, or the value of a parameter or a secret of the topology.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(untagged)]
pub enum PageValue {
    /// The value itself.
    Text(String),
    /// A reference to a parameter. Reading the settings replaces it by the value.
    Parameter {
        /// Name of the parameter.
        parameter: String,
    },
    /// A reference to a secret. Reading the settings replaces it by the value. Only for development
    /// keys.
    Secret {
        /// Name of the secret.
        secret: String,
    },
}

/// A mistake in the settings.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The requested file cannot be read.
    #[error("cannot read {}: {source}", file.display())]
    Unreadable {
        /// Path of the file.
        file: PathBuf,
        /// The error of the operating system.
        source: std::io::Error,
    },
    /// The file does not have the expected form.
    #[error("{} is not valid: {message}; it may have the mappings `parameters`, `secrets`, `pages` and `page_config`, the list `banner`, and the file name `metric_help`", file.display())]
    Malformed {
        /// Path of the file.
        file: PathBuf,
        /// The mistake with its line.
        message: String,
    },
    /// The file with the descriptions of metrics does not have the expected form.
    #[error("{} is no JSON object from the name of a metric to its description: {message}", file.display())]
    MetricHelp {
        /// Path of the file.
        file: PathBuf,
        /// The mistake with its line.
        message: String,
    },
    /// The file of a secret cannot be read or made.
    #[error("{} names a secret in a file that cannot be read or made: {source}", file.display())]
    SecretFile {
        /// Path of the settings.
        file: PathBuf,
        /// The error of the operating system, with the path of the file.
        source: std::io::Error,
    },
    /// The file has a value for a parameter or a secret that the topology does not have.
    #[error("{} gives a value to the {kind} `{name}`, which the topology does not have: remove it", file.display())]
    Unknown {
        /// Path of the file.
        file: PathBuf,
        /// The kind of the value: a parameter or a secret.
        kind: Kind,
        /// Name of the parameter or secret.
        name: String,
    },
    /// The configuration of pages names a parameter or a secret that the topology does not have.
    #[error("{} gives pages the value of the {kind} `{name}`, which the topology does not have", file.display())]
    UnknownPageValue {
        /// Path of the file.
        file: PathBuf,
        /// The kind of the value: a parameter or a secret.
        kind: Kind,
        /// Name of the parameter or secret.
        name: String,
    },
    /// The name of a page cannot be the first segment of a URL.
    #[error("{} names a page `{page}`: it needs one or more of a-z A-Z 0-9 - _, and no underscore in front", file.display())]
    PageName {
        /// Path of the file.
        file: PathBuf,
        /// Name of the page.
        page: String,
    },
    /// A parameter or a secret has neither a value nor a default.
    #[error(
        "the topology's {kind} `{name}` has no value: add it under `{kind}s` in {}. It is: {description}",
        file.display()
    )]
    Missing {
        /// Path of the file.
        file: PathBuf,
        /// The kind of the value: a parameter or a secret.
        kind: Kind,
        /// Name of the parameter or secret.
        name: String,
        /// Description of the parameter or secret in the topology.
        description: String,
    },
}

/// The kind of a named value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A parameter of the topology.
    Parameter,
    /// A secret of the topology.
    Secret,
}

impl fmt::Display for Kind {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Parameter => "parameter",
            Self::Secret => "secret",
        })
    }
}

impl Settings {
    /// Reads the settings of a topology. Without a `file`, reads those beside the topology, if they
    /// exist.
    ///
    /// # Errors
    /// See [`Error`]. On success every parameter of the topology has a value.
    pub fn read(file: Option<&Path>, topology_file: &Path, topology: &Topology) -> Result<Self, Error> {
        let beside = topology_file.with_file_name("local.yaml");
        let place = file.unwrap_or(&beside);
        let mut settings = match std::fs::read_to_string(place) {
            Ok(text) => Self::parse(&text, place)?,
            Err(error) if file.is_none() && error.kind() == std::io::ErrorKind::NotFound => Self::default(),
            Err(source) => return Err(Error::Unreadable { file: place.to_owned(), source }),
        };
        settings.complete(topology, place)?;
        Ok(settings)
    }

    fn parse(text: &str, file: &Path) -> Result<Self, Error> {
        if text.trim().is_empty() {
            return Ok(Self::default());
        }
        let parsed: File = serde_saphyr::from_str(text).map_err(|error| Error::Malformed {
            file: file.to_owned(),
            message: error.without_snippet().to_string(),
        })?;
        let folder = file.parent().unwrap_or_else(|| Path::new(""));
        let refused = |source| Error::SecretFile { file: file.to_owned(), source };
        let secrets =
            parsed.secrets.into_iter().map(|(name, secret)| Ok((name, secret.read(folder).map_err(refused)?)));
        let secrets = secrets.collect::<Result<_, Error>>()?;
        let metric_help = parsed.metric_help.map(|help| read_help(&folder.join(help))).transpose()?.unwrap_or_default();
        let File { parameters, banner, pages, page_config, .. } = parsed;
        Ok(Self { parameters, secrets, banner, pages, page_config, metric_help })
    }

    fn complete(&mut self, topology: &Topology, file: &Path) -> Result<(), Error> {
        let parameters = topology.parameters.iter().map(|it| (&it.name, &it.description, &it.default));
        complete(&mut self.parameters, Kind::Parameter, parameters, file)?;
        let secrets = topology.secrets.iter().map(|it| (&it.name, &it.description, &it.default));
        complete(&mut self.secrets, Kind::Secret, secrets, file)?;
        self.complete_pages(file)
    }

    fn complete_pages(&mut self, file: &Path) -> Result<(), Error> {
        let folder = file.parent().unwrap_or_else(|| Path::new(""));
        for (page, path) in &mut self.pages {
            let is_allowed = |letter: char| letter.is_ascii_alphanumeric() || letter == '-' || letter == '_';
            if page.is_empty() || page.starts_with('_') || !page.chars().all(is_allowed) {
                return Err(Error::PageName { file: file.to_owned(), page: page.clone() });
            }
            *path = folder.join(&*path);
        }
        for value in self.page_config.values_mut() {
            let (kind, name, known) = match value {
                PageValue::Text(_) => continue,
                PageValue::Parameter { parameter } => {
                    (Kind::Parameter, parameter.clone(), self.parameters.get(parameter))
                }
                PageValue::Secret { secret } => (Kind::Secret, secret.clone(), self.secrets.get(secret)),
            };
            let Some(known) = known else {
                return Err(Error::UnknownPageValue { file: file.to_owned(), kind, name });
            };
            *value = PageValue::Text(known.clone());
        }
        Ok(())
    }
}

/// Reads the descriptions of metrics: a JSON object from name to text.
fn read_help(file: &Path) -> Result<BTreeMap<String, String>, Error> {
    let text = std::fs::read_to_string(file).map_err(|source| Error::Unreadable { file: file.to_owned(), source })?;
    serde_json::from_str(&text).map_err(|error| Error::MetricHelp { file: file.to_owned(), message: error.to_string() })
}

/// Adds the defaults of declared values. Refuses a value that is not declared.
fn complete<'t>(
    values: &mut BTreeMap<String, String>,
    kind: Kind,
    declared: impl Iterator<Item = (&'t String, &'t String, &'t Option<String>)> + Clone,
    file: &Path,
) -> Result<(), Error> {
    let is_declared = |name: &String| declared.clone().any(|(declared, ..)| declared == name);
    if let Some(name) = values.keys().find(|name| !is_declared(name)) {
        return Err(Error::Unknown { file: file.to_owned(), kind, name: name.clone() });
    }
    for (name, description, default) in declared {
        if values.contains_key(name) {
            continue;
        }
        let Some(default) = default else {
            let (file, name, description) = (file.to_owned(), name.clone(), description.clone());
            return Err(Error::Missing { file, kind, name, description });
        };
        values.insert(name.clone(), default.clone());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOPOLOGY: &str = "
version: 1
name: x
parameters:
  keys: { description: The keys. }
  guests: { description: The guests., default: none }
secrets:
  codes: { description: The codes. }
  marks: { description: The marks., default: \"[]\" }
functions:
  f: { binary: f, memory_mb: 128, timeout_s: 1, environment: { KEYS: { parameter: keys }, GUESTS: { parameter: guests } } }
";

    fn read(settings: &str) -> Result<Settings, String> {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("topology.yaml");
        std::fs::write(folder.path().join("local.yaml"), settings).unwrap();
        let topology = Topology::parse(TOPOLOGY).unwrap();
        let place = format!("{}/", folder.path().display());
        Settings::read(None, &file, &topology).map_err(|error| error.to_string().replace(&place, ""))
    }

    #[test]
    fn values_are_taken_from_the_file_and_defaults_from_the_topology() {
        let settings = read("parameters: { keys: \"{}\" }\nsecrets: { codes: abc }\nbanner: [hello]").unwrap();
        assert_eq!((settings.secrets["codes"].as_str(), settings.secrets["marks"].as_str()), ("abc", "[]"));
        assert_eq!(settings.parameters["keys"], "{}");
        assert_eq!(settings.parameters["guests"], "none");
        assert_eq!(settings.banner, ["hello"]);
    }

    #[test]
    fn a_secret_may_be_a_file_beside_the_settings_that_is_made_at_its_first_use() {
        let folder = tempfile::tempdir().unwrap();
        let topology = Topology::parse(TOPOLOGY).unwrap();
        let settings = "parameters: { keys: a }\nsecrets: { codes: { file: own/codes, made_of: \"<{random}>\" } }";
        std::fs::write(folder.path().join("local.yaml"), settings).unwrap();
        let read = || Settings::read(None, &folder.path().join("topology.yaml"), &topology).unwrap();
        let codes = read().secrets["codes"].clone();
        assert_eq!((codes.len(), &read().secrets["codes"]), (45, &codes));
        assert_eq!(std::fs::read_to_string(folder.path().join("own/codes")).unwrap(), codes);
        std::fs::remove_file(folder.path().join("own/codes")).unwrap();
        std::fs::create_dir(folder.path().join("own/codes")).unwrap();
        let error = Settings::read(None, &folder.path().join("topology.yaml"), &topology).unwrap_err().to_string();
        assert!(error.contains("own/codes: "), "{error}");
    }

    #[test]
    fn mistakes_are_told_in_a_sentence() {
        assert_eq!(
            read("").unwrap_err(),
            "the topology's parameter `keys` has no value: add it under `parameters` in local.yaml. It is: The keys."
        );
        assert_eq!(
            read("parameters: { keys: a, key: b }").unwrap_err(),
            "local.yaml gives a value to the parameter `key`, which the topology does not have: remove it"
        );
        assert_eq!(
            read("parameters: { keys: a }").unwrap_err(),
            "the topology's secret `codes` has no value: add it under `secrets` in local.yaml. It is: The codes."
        );
        assert_eq!(
            read("parameters: { keys: a }\nsecrets: { codes: a, code: b }").unwrap_err(),
            "local.yaml gives a value to the secret `code`, which the topology does not have: remove it"
        );
        let unknown = read("parameter: {}").unwrap_err();
        assert!(unknown.starts_with("local.yaml is not valid: ") && unknown.contains("line 1"), "{unknown}");
    }

    #[test]
    fn pages_have_folders_relative_to_the_file_and_values_of_parameters() {
        let settings = read(
            "parameters: { keys: abc }\nsecrets: { codes: x }\npages: { app: ../pages }\npage_config: { keys: { parameter: keys }, a: b }",
        )
        .unwrap();
        assert!(settings.pages["app"].ends_with("../pages") && settings.pages["app"].is_absolute());
        assert_eq!(settings.page_config["keys"], PageValue::Text("abc".to_owned()));
        assert_eq!(settings.page_config["a"], PageValue::Text("b".to_owned()));
        let mistake =
            |text: &str| read(&format!("parameters: {{ keys: a }}\nsecrets: {{ codes: x }}\n{text}")).unwrap_err();
        assert_eq!(
            mistake("page_config: { keys: { parameter: key } }"),
            "local.yaml gives pages the value of the parameter `key`, which the topology does not have"
        );
        assert!(mistake("pages: { _local: x }").contains("no underscore in front"));
        assert!(mistake("pages: { a/b: x }").contains("names a page `a/b`"));
    }

    #[test]
    fn the_texts_of_metrics_are_in_a_file_beside_the_settings() {
        let folder = tempfile::tempdir().unwrap();
        let topology = Topology::parse(TOPOLOGY).unwrap();
        let settings = "parameters: { keys: a }\nsecrets: { codes: x }\nmetric_help: help.json";
        std::fs::write(folder.path().join("local.yaml"), settings).unwrap();
        let read = || Settings::read(None, &folder.path().join("topology.yaml"), &topology);
        assert!(read().unwrap_err().to_string().contains("help.json: "));
        std::fs::write(folder.path().join("help.json"), "[]").unwrap();
        assert!(read().unwrap_err().to_string().contains("is no JSON object from the name of a metric"));
        std::fs::write(folder.path().join("help.json"), r#"{"hits":"Hits."}"#).unwrap();
        assert_eq!(read().unwrap().metric_help["hits"], "Hits.");
    }

    #[test]
    fn a_file_that_was_asked_for_must_be_there() {
        let topology = Topology::parse(TOPOLOGY).unwrap();
        let missing = Path::new("no/such/local.yaml");
        let error = Settings::read(Some(missing), Path::new("topology.yaml"), &topology).unwrap_err();
        assert!(error.to_string().starts_with("cannot read no/such/local.yaml: "), "{error}");
    }
}

//! Reads a scenario. A mistake is reported in one sentence, with its place and the expected value.

use std::path::{Path, PathBuf};

use super::Scenario;
use super::check::{Wrong, check};

/// The longest text of a scenario, about thirty times that of the longest here. The parser takes up
/// to 60 times the memory of a text of nothing but brackets.
const SCENARIO_BYTES: usize = 64 * 1024;

/// The reason why a scenario cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The file cannot be read.
    #[error("{} cannot be read: {source}; scenarios are in loadtest/scenarios", path.display())]
    File {
        /// The path of the file.
        path: PathBuf,
        /// The error of the file system.
        source: std::io::Error,
    },
    /// The text is not a scenario.
    #[error("{file}: {message}")]
    Shape {
        /// The name of the file.
        file: String,
        /// The line and the mistake.
        message: String,
    },
    /// The scenario has a value that is not valid.
    #[error("{file}: {wrong}")]
    Wrong {
        /// The name of the file.
        file: String,
        /// The value and its rule.
        wrong: Wrong,
    },
}

/// Reads a scenario file.
///
/// # Errors
/// [`Error`], as one sentence.
pub fn read(path: &Path) -> Result<Scenario, Error> {
    let text = std::fs::read_to_string(path).map_err(|source| Error::File { path: path.to_owned(), source })?;
    parse(&text, &path.display().to_string())
}

/// Parses the text of the named file.
///
/// # Errors
/// [`Error`], as one sentence.
pub fn parse(text: &str, file: &str) -> Result<Scenario, Error> {
    if text.len() > SCENARIO_BYTES {
        let message = format!("it has {} bytes; a scenario has at most {SCENARIO_BYTES}", text.len());
        return Err(Error::Shape { file: file.to_owned(), message });
    }
    let scenario: Scenario = toml::from_str(text).map_err(|error| {
        let line = error.span().map_or(1, |span| text[..span.start].matches('\n').count() + 1);
        let message = format!("line {line}: {}", error.message().replace('\n', ", "));
        Error::Shape { file: file.to_owned(), message }
    })?;
    check(&scenario).map_err(|wrong| Error::Wrong { file: file.to_owned(), wrong })?;
    Ok(scenario)
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = r#"
name = "x"
about = "x."
[[rooms]]
members = 2
rate = 1
[[phases]]
name = "steady"
seconds = 1
"#;

    fn wrong(text: &str) -> String {
        parse(text, "x.toml").unwrap_err().to_string()
    }

    #[test]
    fn what_is_not_said_has_its_usual_value() {
        let scenario = parse(GOOD, "x.toml").unwrap();
        assert_eq!((scenario.members(), scenario.rooms[0].payload_bytes, scenario.drain_s), (2, 64, 60.0));
        assert_eq!(scenario.ramp.per_second, 200.0);
    }

    #[test]
    fn what_is_wrong_is_said_with_its_place_and_what_would_be_right() {
        let unknown = wrong(&GOOD.replace("members", "menbers"));
        assert!(
            unknown.starts_with("x.toml: line 5: unknown field `menbers`, expected one of `count`, `members`"),
            "{unknown}"
        );
        let door = wrong(&GOOD.replace("rate = 1", "rate = 1\ndoors = [\"window\"]"));
        assert!(door.contains("unknown variant `window`, expected one of `client`, `events`, `outbox`"), "{door}");
        let rate = wrong(&GOOD.replace("rate = 1", "rate = 5000"));
        assert_eq!(rate, "x.toml: rate of rooms 1 is 5000; it must be from 0 to 100, which is what a room carries");
    }
}

//! Scenarios by name, and suggestions for a word that is neither a command nor a scenario.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// The folder of the scenarios.
const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/scenarios");
/// Words with more differences do not count as similar.
const MOST_DIFFERENCES: usize = 3;

/// Finds the file of a scenario. `broadcast` and `broadcast.toml` name files of loadtest/scenarios,
/// unless the current folder has such a file.
pub(super) fn file(name: &Path) -> PathBuf {
    if name.exists() || name.components().count() != 1 {
        return name.to_owned();
    }
    let ours = Path::new(FOLDER).join(name).with_extension("toml");
    if ours.is_file() { ours } else { name.to_owned() }
}

/// Makes an error message for a first argument that is no option, no command and no scenario.
pub(super) fn mistake<'c>(first: Option<&OsString>, commands: impl Iterator<Item = &'c str>) -> Option<String> {
    let word = first?.to_str().filter(|word| !word.is_empty() && !word.starts_with('-'))?;
    let mut known: Vec<String> = commands.map(str::to_owned).collect();
    known.push("help".to_owned());
    if known.iter().any(|command| command == word) || file(Path::new(word)).exists() {
        return None;
    }
    let is_path = word.contains(['/', '.']);
    known.extend(scenarios());
    let stem = Path::new(word).file_stem().and_then(|stem| stem.to_str()).unwrap_or(word);
    let what = if is_path {
        format!("there is no scenario {word}")
    } else {
        format!("there is no command or scenario {word:?}")
    };
    Some(match nearest(stem, &known) {
        Some(nearest) => format!("{what}; did you mean `{nearest}`?"),
        None => format!("{what}; there are: {}", known.join(", ")),
    })
}

/// The names of the scenarios, sorted.
fn scenarios() -> Vec<String> {
    let entries = std::fs::read_dir(FOLDER).into_iter().flatten().filter_map(Result::ok);
    let names = entries.map(|entry| entry.path()).filter(|path| path.extension().is_some_and(|kind| kind == "toml"));
    let mut names: Vec<String> = names.filter_map(|path| Some(path.file_stem()?.to_str()?.to_owned())).collect();
    names.sort();
    names
}

/// Finds the most similar known word, if one is similar.
fn nearest<'k>(word: &str, known: &'k [String]) -> Option<&'k str> {
    let scored = known.iter().map(|other| (differences(word, other), other.as_str()));
    let most = MOST_DIFFERENCES.min(word.chars().count() / 2);
    scored.filter(|(differences, _)| *differences <= most).min().map(|(_, nearest)| nearest)
}

/// Counts the letters to add, remove or change to turn one word into the other (Levenshtein
/// distance).
fn differences(one: &str, other: &str) -> usize {
    let other: Vec<char> = other.chars().collect();
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (above, letter) in one.chars().enumerate() {
        let mut corner = row[0];
        row[0] = above + 1;
        for (at, its) in other.iter().enumerate() {
            let changed = corner + usize::from(letter != *its);
            corner = row[at + 1];
            row[at + 1] = changed.min(corner + 1).min(row[at] + 1);
        }
    }
    row[other.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mistaken(word: &str) -> Option<String> {
        mistake(Some(&word.into()), ["compare", "merge", "compare-baseline"].into_iter())
    }

    #[test]
    fn a_scenario_is_found_by_its_name_with_and_without_its_ending() {
        for name in ["broadcast", "broadcast.toml"] {
            assert_eq!(file(Path::new(name)), Path::new(FOLDER).join("broadcast.toml"), "{name}");
            assert_eq!(mistaken(name), None, "{name}");
        }
        assert_eq!(file(Path::new("of/my/own.toml")), Path::new("of/my/own.toml"));
    }

    #[test]
    fn a_word_that_is_almost_a_command_or_a_scenario_is_answered_with_it() {
        for (word, meant) in [("compre", "compare"), ("megre", "merge"), ("brodcast", "broadcast"), ("help-", "help")] {
            let sentence = mistaken(word).unwrap();
            assert_eq!(sentence, format!("there is no command or scenario {word:?}; did you mean `{meant}`?"));
        }
        let path = mistaken("loadtest/scenarios/brodcast.toml").unwrap();
        assert_eq!(path, "there is no scenario loadtest/scenarios/brodcast.toml; did you mean `broadcast`?");
        let other = mistaken("xyzzyx").unwrap();
        assert!(other.contains("there are: compare, merge") && other.contains("broadcast"), "{other}");
    }

    #[test]
    fn options_and_commands_are_no_mistakes() {
        for right in ["--members", "compare", "help", "merge", ""] {
            assert_eq!(mistaken(right), None, "{right}");
        }
        assert_eq!(mistake(None, std::iter::empty()), None);
    }
}

//! The style of the sources, as far as a program can judge it (CONTRIBUTING.md).
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests fail by panicking")]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use syn::parse::ParseStream;
use syn::visit::Visit;

/// Words that stand for a person instead of a part of the system.
const PERSONS: [&str; 5] = ["nobody", "somebody", "whoever", "whom", "everybody"];
/// Comment lines with such a word: one in this many at most.
const LINES_FOR_ONE_PERSON: usize = 500;
/// Columns of a comment line.
const COLUMNS: usize = 100;
/// Words of a doc comment.
const SHORTEST_DOC: usize = 3;

/// A comment line and its place.
struct Comment {
    place: String,
    line: String,
}

/// Every Rust source of the workspace.
fn sources() -> Vec<(PathBuf, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let mut found = Vec::new();
    for folder in ["shared", "services", "infra", "clients", "loadtest"] {
        collect(&root.join(folder), &root, &mut found);
    }
    assert!(found.len() > 300, "only {} sources were found", found.len());
    found
}

fn collect(folder: &Path, root: &Path, found: &mut Vec<(PathBuf, String)>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if path.is_dir() && name != "node_modules" && name != "target" {
            collect(&path, root, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = std::fs::read_to_string(&path).unwrap();
            found.push((path.strip_prefix(root).unwrap().to_owned(), text));
        }
    }
}

fn comments() -> Vec<Comment> {
    let mut comments = Vec::new();
    for (path, text) in sources() {
        let lines = text.lines().enumerate().filter(|(_, line)| line.trim_start().starts_with("//"));
        comments.extend(lines.map(|(index, line)| Comment {
            place: format!("{}:{}", path.display(), index + 1),
            line: line.to_owned(),
        }));
    }
    comments
}

#[test]
fn comments_speak_of_parts_of_the_system_and_not_of_persons() {
    let comments = comments();
    let words = |line: &str| line.to_lowercase().split(|c: char| !c.is_alphabetic()).map(str::to_owned).collect();
    let speaks = |comment: &&Comment| {
        let words: Vec<String> = words(&comment.line);
        words.iter().any(|word| PERSONS.contains(&word.as_str()))
    };
    let found: Vec<String> =
        comments.iter().filter(speaks).map(|comment| format!("{}: {}", comment.place, comment.line.trim())).collect();
    assert!(
        found.len() * LINES_FOR_ONE_PERSON <= comments.len(),
        "{} of {} comment lines: name the member, connection, function or operator that is meant\n{}",
        found.len(),
        comments.len(),
        found.join("\n")
    );
}

#[test]
fn comment_lines_have_at_most_100_columns() {
    let too_long = |comment: &&Comment| {
        let text = comment.line.trim_start().trim_start_matches(['/', '!']).trim_start();
        // Addresses, rows of tables, code and quoted templates do not break.
        let breaks = !text.contains("http") && !text.starts_with(['|', '#', '`', '{']) && !text.ends_with([';', '{']);
        breaks && comment.line.chars().count() > COLUMNS
    };
    let comments = comments();
    let found: Vec<&str> = comments.iter().filter(too_long).map(|comment| comment.place.as_str()).collect();
    assert!(found.is_empty(), "break these comments at {COLUMNS} columns:\n{}", found.join("\n"));
}

#[test]
fn a_doc_comment_has_something_to_add() {
    let mut found = Vec::new();
    for (path, text) in sources() {
        let mut doc: Vec<&str> = Vec::new();
        for (index, line) in text.lines().enumerate() {
            match line.trim_start().strip_prefix("///") {
                Some(rest) => doc.push(rest),
                None => {
                    let words = doc.iter().flat_map(|line| line.split_whitespace()).count();
                    // The name of an operation, a field or a fault elsewhere is worth its line.
                    let refers = doc.iter().any(|line| line.contains('`') || line.trim_start().starts_with('F'));
                    if !doc.is_empty() && words < SHORTEST_DOC && !refers {
                        found.push(format!("{}:{}: {}", path.display(), index, doc.concat().trim()));
                    }
                    doc.clear();
                }
            }
        }
    }
    assert!(found.is_empty(), "say more than the name says, or delete these:\n{}", found.join("\n"));
}

/// The log messages of a file, in its order.
#[derive(Default)]
struct Messages(Vec<String>);

impl<'ast> Visit<'ast> for Messages {
    fn visit_macro(&mut self, called: &'ast syn::Macro) {
        let level = called.path.segments.last().map(|segment| segment.ident.to_string()).unwrap_or_default();
        if ["error", "warn", "info", "debug", "trace"].contains(&level.as_str()) {
            self.0.extend(called.parse_body_with(last_text).unwrap());
        }
    }
}

/// Returns the last string of a macro's body: the message comes after the fields, and its arguments
/// are no strings.
fn last_text(body: ParseStream<'_>) -> syn::Result<Option<String>> {
    let mut last = None;
    while !body.is_empty() {
        if body.peek(syn::LitStr) {
            last = Some(body.parse::<syn::LitStr>()?.value());
        } else {
            body.step(|token| token.token_tree().map(|(_, rest)| ((), rest)).ok_or_else(|| token.error("a token")))?;
        }
    }
    Ok(last)
}

#[test]
fn each_log_message_is_at_one_place() {
    let mut places: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (path, text) in sources() {
        if path.components().any(|part| ["tests", "examples"].contains(&part.as_os_str().to_string_lossy().as_ref())) {
            continue;
        }
        let mut messages = Messages::default();
        messages.visit_file(&syn::parse_file(&text).unwrap());
        for message in messages.0 {
            places.entry(message).or_default().push(path.display().to_string());
        }
    }
    assert!(places.len() > 90, "only {} log messages were found", places.len());
    let found: Vec<String> = places
        .iter()
        .filter(|(_, places)| places.len() > 1)
        .map(|(message, places)| format!("{message:?} in {}", places.join(", ")))
        .collect();
    assert!(
        found.is_empty(),
        "a log line leads to the code that writes it; say what is particular at each of these places:\n{}",
        found.join("\n")
    );
}

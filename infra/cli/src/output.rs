//! Output: tables for people on standard output, or one JSON object a line for programs. Remarks go
//! to standard error.

use std::io::{self, BufRead, IsTerminal, Write};

use serde::Serialize;

use crate::error::Error;

/// Spaces between two columns.
const GAP: usize = 2;

/// A row of a table. Its JSON is the same content for programs.
pub(crate) trait Row: Serialize {
    /// The headings of the columns.
    const COLUMNS: &'static [&'static str];
    /// The texts of the columns.
    fn cells(&self) -> Vec<String>;
}

/// The form of the output.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Output {
    is_json: bool,
}

impl Output {
    pub(crate) fn new(is_json: bool) -> Self {
        Self { is_json }
    }

    /// True if each line of standard output is a JSON object.
    pub(crate) fn is_json(self) -> bool {
        self.is_json
    }

    /// Prints rows as a table, or as one JSON object a line.
    pub(crate) fn rows<R: Row>(self, rows: &[R]) -> Result<(), Error> {
        if self.is_json {
            return rows.iter().try_for_each(|row| self.object(row));
        }
        Ok(io::stdout().lock().write_all(table(R::COLUMNS, rows.iter().map(Row::cells)).as_bytes())?)
    }

    /// Prints an object as one line of JSON.
    pub(crate) fn object(self, value: &impl Serialize) -> Result<(), Error> {
        let line = serde_json::to_string(value).map_err(io::Error::from)?;
        Ok(writeln!(io::stdout().lock(), "{line}")?)
    }

    /// Prints a line for people, or the object for programs.
    pub(crate) fn line(self, text: &str, value: &impl Serialize) -> Result<(), Error> {
        if self.is_json { self.object(value) } else { self.text(text) }
    }

    /// Prints a text for people on standard output. With `--json` it goes to standard error.
    pub(crate) fn text(self, text: &str) -> Result<(), Error> {
        if self.is_json {
            self.remark(text);
            return Ok(());
        }
        Ok(writeln!(io::stdout().lock(), "{}", visible(text))?)
    }

    /// Prints a remark on standard error.
    pub(crate) fn remark(self, text: &str) {
        eprintln!("{}", visible(text));
    }

    /// Asks for confirmation before something is destroyed.
    pub(crate) fn confirm(self, question: &str, is_forced: bool) -> Result<(), Error> {
        if is_forced {
            return Ok(());
        }
        if self.is_json || !io::stdin().is_terminal() {
            return Err(Error::new(
                format!("{question} Nothing was done: there is no terminal to ask"),
                "repeat with --force",
            ));
        }
        eprint!("{question} [y/N] ");
        let mut answer = String::new();
        io::stdin().lock().read_line(&mut answer)?;
        if matches!(answer.trim(), "y" | "Y" | "yes") {
            return Ok(());
        }
        Err(Error::new("nothing was done", "repeat, and answer y"))
    }
}

/// Formats a table. The last column is not padded.
fn table(columns: &[&str], rows: impl Iterator<Item = Vec<String>>) -> String {
    let heading: Vec<String> = columns.iter().map(|name| name.to_uppercase()).collect();
    let shown = |cells: Vec<String>| cells.iter().map(|cell| visible(cell)).collect::<Vec<_>>();
    let lines: Vec<Vec<String>> = std::iter::once(heading).chain(rows.map(shown)).collect();
    let width = |at: usize| lines.iter().filter_map(|line| line.get(at)).map(|cell| cell.chars().count()).max();
    let widths: Vec<usize> = (0..columns.len()).map(|at| width(at).unwrap_or_default()).collect();
    let mut text = String::new();
    for line in &lines {
        let padded = line.iter().zip(&widths).map(|(cell, &width)| format!("{cell:<width$}"));
        let line = padded.collect::<Vec<_>>().join(&" ".repeat(GAP));
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

/// Replaces characters by which a text from outside could control a terminal or reorder a line.
fn visible(text: &str) -> String {
    let is_safe = |letter: char| {
        let reorders = matches!(letter, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
        letter == '\n' || !(letter.is_control() || reorders)
    };
    text.chars().map(|letter| if is_safe(letter) { letter } else { '\u{fffd}' }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_their_widest_cell_and_no_line_ends_in_spaces() {
        let rows = vec![vec!["a".to_owned(), "1".to_owned()], vec!["longer".to_owned(), String::new()]];
        assert_eq!(table(&["name", "n"], rows.into_iter()), "NAME    N\na       1\nlonger\n");
    }

    #[test]
    fn a_text_from_outside_controls_no_terminal() {
        assert_eq!(visible("a\u{1b}[2Jb\u{202e}c\u{9b}d"), "a\u{fffd}[2Jb\u{fffd}c\u{fffd}d");
    }
}

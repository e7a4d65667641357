//! Log lines whose texts are printable ASCII, whatever a client sent.
//!
//! A line is shown on terminals and in consoles, which obey control characters and characters that
//! change the direction of text. JSON alone does not keep them away: a reader that decodes the line
//! shows them.

use std::borrow::Cow;
use std::io::{self, Write};

/// Rewrites a line of JSON so that each of its texts decodes to printable ASCII. Every other
/// character becomes the text `\n`, `\t` or `\u{202e}`. The line feed at the end stays.
#[must_use]
pub fn printable(line: &str) -> Cow<'_, str> {
    let (body, end) = match line.strip_suffix('\n') {
        Some(body) => (body, "\n"),
        None => (line, ""),
    };
    let is_plain = |byte: u8| (b' '..=b'~').contains(&byte) && byte != b'\\';
    if body.bytes().all(is_plain) {
        return Cow::Borrowed(line);
    }
    let mut out = String::with_capacity(line.len() + line.len() / 8);
    let mut characters = body.chars();
    while let Some(character) = characters.next() {
        match character {
            '\\' => rewrite_escape(&mut characters, &mut out),
            ' '..='~' => out.push(character),
            other => push_code(&mut out, u32::from(other)),
        }
    }
    out.push_str(end);
    Cow::Owned(out)
}

/// Rewrites the escape sequence after a backslash (RFC 8259, 7).
fn rewrite_escape(characters: &mut std::str::Chars<'_>, out: &mut String) {
    match characters.next() {
        Some(kept @ ('"' | '\\' | '/')) => out.extend(['\\', kept]),
        Some('u') => {
            let digits: String = characters.by_ref().take(4).collect();
            push_code(out, u32::from_str_radix(&digits, 16).unwrap_or_default());
        }
        Some(letter) => out.extend(['\\', '\\', letter]),
        None => {}
    }
}

fn push_code(out: &mut String, code: u32) {
    out.push_str(&format!("\\\\u{{{code:x}}}"));
}

/// Writes lines to `W` as [`printable`] makes them. Each call of `write` gets a whole line.
#[derive(Debug)]
pub(crate) struct Printable<W>(pub(crate) W);

impl<W: Write> Write for Printable<W> {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.0.write_all(printable(&String::from_utf8_lossy(line)).as_bytes())?;
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::{Value, json};

    #[test]
    fn what_a_terminal_obeys_is_shown_as_its_code() {
        let hostile = "a\n\u{1b}[31m\u{202e}\u{7f}\u{fffe}é\t\"\\/é😀";
        let line = printable(&json!({ "error": hostile }).to_string()).into_owned();
        let shown: Value = serde_json::from_str(&line).unwrap();
        let expected = r#"a\n\u{1b}[31m\u{202e}\u{7f}\u{fffe}\u{e9}\t"\/\u{e9}\u{1f600}"#;
        assert_eq!(shown["error"], expected);
    }

    #[test]
    fn a_line_of_printable_ascii_stays_as_it_is_with_its_line_feed() {
        for line in ["{\"error\":\"a/b ~\"}\n", "{}", "\n", ""] {
            assert!(matches!(printable(line), Cow::Borrowed(same) if same == line), "{line:?}");
        }
        assert_eq!(printable("{\"a\":\"\\\"\\\\\"}\n"), "{\"a\":\"\\\"\\\\\"}\n");
    }

    proptest! {
        #[test]
        fn every_text_of_every_line_is_printable_ascii(text in any::<String>(), more in ".{0,20}") {
            let line = json!({ "error": text, more.as_str(): [text, more] }).to_string() + "\n";
            let line = printable(&line).into_owned();
            prop_assert!(line.ends_with('\n') && line.trim_end().bytes().all(|byte| (b' '..=b'~').contains(&byte)));
            let shown: Value = serde_json::from_str(&line).unwrap();
            let shown = shown["error"].as_str().unwrap_or_default();
            prop_assert!(shown.bytes().all(|byte| (b' '..=b'~').contains(&byte)), "{shown:?}");
            let is_plain = text.bytes().all(|byte| (b' '..=b'~').contains(&byte));
            prop_assert!(!is_plain || shown == text || more == "error");
        }
    }
}

//! Recognises texts that should be a JSON object and are not: the kinds that tools and shells
//! produce, each with a name.

/// Names the kind of a text, where that explains more than a parser's error: the place of the error
/// may be far from its cause.
pub(super) fn name_of(text: &str) -> Option<&'static str> {
    let trimmed = text.trim_ascii();
    if trimmed.is_empty() {
        return Some("it is empty");
    }
    if is_utf16(text) {
        return Some("it is UTF-16; send UTF-8");
    }
    if text.starts_with('\u{feff}') {
        return Some("it begins with a byte order mark (U+FEFF); send UTF-8 without one");
    }
    if is_gzip(trimmed) {
        return Some("it is compressed (gzip); send the JSON text itself");
    }
    match serde_json::from_str::<serde_json::Value>(trimmed) {
        Ok(serde_json::Value::String(inner)) if is_object(&inner) => {
            Some("it is a JSON string that holds JSON: it was encoded twice; send the object itself")
        }
        Ok(serde_json::Value::String(inner)) if is_object_in_base64(&inner) => {
            Some("it is a JSON string in base64; send the JSON text itself")
        }
        Ok(serde_json::Value::Object(_)) => None,
        Ok(_) => Some("it is JSON, but no object"),
        Err(_) if is_object_in_base64(trimmed) => Some("it is in base64; send the JSON text itself"),
        Err(error) if error.is_eof() => Some("it ends in the middle: the JSON text is not whole"),
        Err(_) if first_value(trimmed).is_some_and(|value| value.is_object()) => {
            Some("more follows after the JSON object; send one object in each message")
        }
        Err(_) if trimmed.starts_with("{'") => Some("its strings stand in single quotes; JSON takes double quotes"),
        Err(_) => None,
    }
}

/// Reports text of two bytes per character that was read as one byte per character, or whose byte
/// order mark has the other byte order.
fn is_utf16(text: &str) -> bool {
    let begins_wrong = ["\u{fffe}", "\u{ff}\u{fe}", "\u{fe}\u{ff}"].iter().any(|mark| text.starts_with(mark));
    let mut zeros = text.chars().take(4).map(|character| character == '\0');
    let pattern = [zeros.next(), zeros.next(), zeros.next(), zeros.next()].map(Option::unwrap_or_default);
    begins_wrong || pattern == [true, false, true, false] || pattern == [false, true, false, true]
}

/// Reports the first bytes of gzip (RFC 1952), as text of one byte per character or in base64. The
/// second byte is not valid in UTF-8, so a lenient reader has U+FFFD there.
fn is_gzip(text: &str) -> bool {
    ["\u{1f}\u{8b}", "\u{1f}\u{fffd}", "H4sI", "\"H4sI"].iter().any(|magic| text.starts_with(magic))
}

fn is_object(text: &str) -> bool {
    matches!(serde_json::from_str(text), Ok(serde_json::Value::Object(_)))
}

/// `{"` in base64 is `eyJ`; with a space or a line feed after the brace it is `eyA` or `ewo`.
fn is_object_in_base64(text: &str) -> bool {
    let begins = ["eyJ", "eyA", "ewo", "ew0"].iter().any(|start| text.starts_with(start));
    begins && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+/=-_\r\n".contains(&byte))
}

fn first_value(text: &str) -> Option<serde_json::Value> {
    serde_json::Deserializer::from_str(text).into_iter().next()?.ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_has_its_name() {
        let object = r#"{"room":"lobby","data":1}"#;
        let utf16_le: String = object.chars().flat_map(|character| [character, '\0']).collect();
        for (text, part) in [
            ("", "empty"),
            (" \n", "empty"),
            (&*format!("\u{feff}{object}"), "byte order mark"),
            (&*format!("\u{ff}\u{fe}{utf16_le}"), "UTF-16"),
            (&*utf16_le, "UTF-16"),
            (&*format!("\u{fffe}{object}"), "UTF-16"),
            ("\u{1f}\u{8b}\u{8}\0\0", "gzip"),
            ("H4sIAAAAAAAAA6tWKsrPz1WyUspJTMovqVSqBQ", "gzip"),
            (&*serde_json::Value::from(object).to_string(), "encoded twice"),
            ("eyJyb29tIjoibG9iYnkiLCJkYXRhIjoxfQ==", "base64"),
            ("\"eyJyb29tIjoibG9iYnkiLCJkYXRhIjoxfQ==\"", "base64"),
            (&object[..12], "in the middle"),
            (&*format!("{object}\n{object}"), "more follows"),
            ("{'room': 'lobby'}", "single quotes"),
            ("[1]", "no object"),
            ("\"hello\"", "no object"),
        ] {
            let named = name_of(text);
            assert!(named.is_some_and(|name| name.contains(part)), "{text:?}: {named:?}");
        }
        for text in [object, "hello", "{\"room\":lobby}", "{room:1}"] {
            assert_eq!(name_of(text), None, "{text}");
        }
    }
}

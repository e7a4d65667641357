//! The characters that queues and topics accept in a message: those of XML 1.0.
//!
//! Source: <https://www.w3.org/TR/xml/#charsets>,
//! <https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SendMessage.html>

use std::borrow::Cow;
use std::fmt::Write;

/// Returns true if a queue accepts a message with this character.
#[must_use]
pub const fn is_portable(character: char) -> bool {
    matches!(character, '\t' | '\n' | '\r' | ' '..='\u{D7FF}' | '\u{E000}'..='\u{FFFD}' | '\u{10000}'..)
}

/// Returns JSON text with the same value that every queue accepts: each rejected character becomes
/// its `\uXXXX`. Such a character can only stand inside a JSON string, where both forms mean the
/// same.
#[must_use]
pub fn portable_json(json: &str) -> Cow<'_, str> {
    if json.chars().all(is_portable) {
        return Cow::Borrowed(json);
    }
    let mut text = String::with_capacity(json.len() + 16);
    for character in json.chars() {
        if is_portable(character) {
            text.push(character);
        } else {
            // Writing to a string cannot fail. All rejected characters are in the basic plane.
            let _ = write!(text, "\\u{:04x}", u32::from(character));
        }
    }
    Cow::Owned(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::Value;

    #[test]
    fn what_is_portable_stays_as_it_is() {
        for json in [r#"{"a":"b\u0000"}"#, "\"👩\u{200d}👧\u{7f}\u{85}\u{fdd0}\u{1fffe}\u{10ffff}\"", " [\t\r\n] "]
        {
            assert!(matches!(portable_json(json), Cow::Borrowed(same) if same == json));
        }
    }

    #[test]
    fn noncharacters_of_the_basic_plane_are_escaped() {
        assert_eq!(portable_json("{\"\u{fffe}\":\"\\\\\u{ffff}\"}"), r#"{"\ufffe":"\\\uffff"}"#);
    }

    proptest! {
        #[test]
        fn the_value_is_the_same_whatever_it_holds(key in any::<String>(), text in any::<String>(), hard in "[\u{fffe}\u{ffff}\\\\\"\u{0}]{0,8}") {
            let value = serde_json::json!({ key: [text, hard] });
            let json = value.to_string();
            let portable = portable_json(&json);
            prop_assert!(portable.chars().all(is_portable));
            prop_assert_eq!(serde_json::from_str::<Value>(&portable).unwrap(), value);
        }
    }
}

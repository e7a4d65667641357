//! Looks up one value in untrusted JSON.
//!
//! The lookup builds no values and does not recurse. serde_json's iterative scanner skips all
//! values beside the path, so a body that is nested 64,000 deep or has a million keys costs one
//! pass over its bytes.

use std::borrow::Cow;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

/// One step of a path to a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Segment {
    /// Selects a member of an object.
    Key(String),
    /// Selects an element of an array.
    Index(usize),
}

/// Returns the whole document, if `text` is JSON.
pub(crate) fn document(text: &str) -> Option<&RawValue> {
    serde_json::from_str(text).ok()
}

/// Returns the value at `path`, or `None` if there is none. If a key occurs twice, the last one
/// counts.
pub(crate) fn lookup<'a>(document: &'a RawValue, path: &[Segment]) -> Option<&'a RawValue> {
    path.iter().try_fold(document, |value, segment| match segment {
        Segment::Key(key) => member(value, key),
        Segment::Index(index) => elements(value)?.get(*index).copied(),
    })
}

/// Returns the text that is compared with route keys. Strings have no quotes, arrays become
/// `[item1, item2]`, `null` becomes empty, and other values stay as they are written.
pub(crate) fn display(value: &RawValue) -> Cow<'_, str> {
    let written = value.get();
    match written.as_bytes().first() {
        Some(b'"') => bare(value),
        Some(b'[') => {
            let items = elements(value).unwrap_or_default();
            Cow::Owned(format!("[{}]", items.into_iter().map(bare).collect::<Vec<_>>().join(", ")))
        }
        Some(b'n') => Cow::Borrowed(""),
        _ => Cow::Borrowed(written),
    }
}

fn bare(value: &RawValue) -> Cow<'_, str> {
    let written = value.get();
    if written.starts_with('"') {
        // A JSON string that is not valid text, such as a lone surrogate, stays as it is written.
        // It equals no route key.
        return serde_json::from_str::<String>(written).map_or(Cow::Borrowed(written), Cow::Owned);
    }
    Cow::Borrowed(written)
}

fn member<'a>(value: &'a RawValue, key: &str) -> Option<&'a RawValue> {
    serde_json::Deserializer::from_str(value.get()).deserialize_map(Member(key)).ok().flatten()
}

fn elements(value: &RawValue) -> Option<Vec<&RawValue>> {
    serde_json::Deserializer::from_str(value.get()).deserialize_seq(Elements).ok()
}

struct Member<'k>(&'k str);

impl<'de> Visitor<'de> for Member<'_> {
    type Value = Option<&'de RawValue>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut found = None;
        while let Some(is_it) = map.next_key_seed(KeyIs(self.0))? {
            if is_it {
                found = Some(map.next_value::<&RawValue>()?);
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        Ok(found)
    }
}

struct Elements;

impl<'de> Visitor<'de> for Elements {
    type Value = Vec<&'de RawValue>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
        let mut elements = Vec::new();
        while let Some(element) = seq.next_element::<&RawValue>()? {
            elements.push(element);
        }
        Ok(elements)
    }
}

/// Compares a key without copying it. The comparison uses bytes, because a key may contain an
/// escape that is not a character.
struct KeyIs<'k>(&'k str);

impl<'de> DeserializeSeed<'de> for KeyIs<'_> {
    type Value = bool;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<bool, D::Error> {
        deserializer.deserialize_bytes(self)
    }
}

impl Visitor<'_> for KeyIs<'_> {
    type Value = bool;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_str<E>(self, key: &str) -> Result<bool, E> {
        Ok(key == self.0)
    }

    fn visit_bytes<E>(self, key: &[u8]) -> Result<bool, E> {
        Ok(key == self.0.as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(text: &str, path: &[&str]) -> Option<String> {
        let path: Vec<_> = path.iter().map(|key| Segment::Key((*key).to_owned())).collect();
        lookup(document(text)?, &path).map(|value| display(value).into_owned())
    }

    #[test]
    fn a_value_is_found_at_its_path() {
        assert_eq!(at(r#"{"a":{"b":"x"}}"#, &["a", "b"]).as_deref(), Some("x"));
        assert_eq!(at(r#"{"a":{"b":"x"}}"#, &["a", "c"]), None);
        assert_eq!(at(r#"{"a":"x"}"#, &["a", "b"]), None);
        assert_eq!(at(r#"[1,2]"#, &["a"]), None);
        let list = document(r#"{"a":[{"b":1},{"b":2}]}"#).unwrap();
        let path = [Segment::Key("a".into()), Segment::Index(1), Segment::Key("b".into())];
        assert_eq!(lookup(list, &path).unwrap().get(), "2");
    }

    #[test]
    fn a_value_is_displayed_as_a_route_key() {
        for (written, displayed) in [
            (r#""join""#, "join"),
            (r#""jo\u0069n""#, "join"),
            ("12", "12"),
            ("1.50", "1.50"),
            ("1e999999", "1e999999"),
            ("true", "true"),
            ("null", ""),
            (r#"["item1","item2"]"#, "[item1, item2]"),
            (r#"[1, ["x"], null]"#, r#"[1, ["x"], null]"#),
            ("[]", "[]"),
            (r#"{"a": 1}"#, r#"{"a": 1}"#),
            (r#""\ud800""#, r#""\ud800""#),
        ] {
            assert_eq!(display(document(written).unwrap()), displayed, "{written}");
        }
    }

    #[test]
    fn of_a_key_that_occurs_twice_the_last_counts() {
        assert_eq!(at(r#"{"action":"first","action":"last"}"#, &["action"]).as_deref(), Some("last"));
        assert_eq!(at(r#"{"\u0061ction":"escaped"}"#, &["action"]).as_deref(), Some("escaped"));
    }

    #[test]
    fn what_is_beside_the_way_may_be_as_deep_as_the_message_is_long() {
        let deep = format!(r#"{{"data":{}{},"action":"join"}}"#, "[".repeat(64_000), "]".repeat(64_000));
        assert_eq!(at(&deep, &["action"]).as_deref(), Some("join"));
        let unclosed = "[".repeat(128_000);
        assert!(document(&unclosed).is_none());
    }

    #[test]
    fn a_million_keys_are_one_pass() {
        let keys = (0..1_000_000).map(|key| format!("\"{key}\":0,")).collect::<String>();
        assert_eq!(at(&format!(r#"{{{keys}"action":"join"}}"#), &["action"]).as_deref(), Some("join"));
    }

    #[test]
    fn a_key_that_is_no_text_hides_nothing() {
        assert_eq!(at(r#"{"\ud800":1,"action":"join"}"#, &["action"]).as_deref(), Some("join"));
    }

    proptest! {
        #[test]
        fn it_finds_what_a_full_parse_finds(keys in prop::collection::vec(("[a-c]", any::<i32>()), 0..8)) {
            let members = keys.iter().map(|(key, value)| format!("\"{key}\": {value}")).collect::<Vec<_>>().join(",");
            let text = format!("{{{members}}}");
            let parsed: serde_json::Value = serde_json::from_str(&text).unwrap();
            let expected = parsed.get("a").map(ToString::to_string);
            prop_assert_eq!(at(&text, &["a"]), expected);
        }

        #[test]
        fn it_survives_any_text(text in ".{0,200}") {
            let _ = at(&text, &["action"]);
        }
    }
}

//! The payload of a publication: JSON text that every client can parse and every queue accepts.

use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::value::RawValue;

use crate::limits;
use crate::portable::portable_json;
use crate::reject::{Code, Reject};

/// JSON text of at most 24 KiB and 127 levels of nesting, without lone surrogates and without
/// numbers beyond a double. The text keeps its bytes, with one exception: queues reject U+FFFE and
/// U+FFFF, so these are stored as `\ufffe` and `\uffff`, and count as six bytes each.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Data(Arc<str>);

impl Data {
    /// Checks JSON text. Keeps it byte for byte, except that it escapes characters that queues
    /// reject.
    ///
    /// # Errors
    /// `too_large` over 24 KiB; `invalid_field` for text that some JSON parser rejects.
    pub fn parse(json: &str) -> Result<Self, Reject> {
        let json = &*portable_json(json.trim_ascii());
        if json.len() > limits::DATA_BYTES {
            let message = format!("data is {} bytes of JSON; at most {} are allowed", json.len(), limits::DATA_BYTES);
            return Err(Reject::new(Code::TooLarge, message).of("data"));
        }
        match serde_json::from_str::<serde_json::Value>(json) {
            Ok(_) => Ok(Self(json.into())),
            Err(error) => Err(Reject::field("data", format!("data is not JSON that every client can read: {error}"))),
        }
    }

    /// Makes `{"text": …}`, the payload of a chat message.
    ///
    /// # Errors
    /// `too_large` over 24 KiB.
    pub fn text(text: &str) -> Result<Self, Reject> {
        Self::parse(&serde_json::json!({ "text": text }).to_string())
    }

    /// The JSON text.
    #[must_use]
    pub fn as_json(&self) -> &str {
        &self.0
    }
}

impl Serialize for Data {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        RawValue::from_string(self.0.as_ref().to_owned()).map_err(serde::ser::Error::custom)?.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Data {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let raw = Box::<RawValue>::deserialize(deserializer)?;
        Self::parse(raw.get()).map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn data_is_kept_byte_for_byte() {
        let json = r#"{"n":1.10,"big":12345678901234567890,"s":"\u00e9"}"#;
        assert_eq!(serde_json::to_string(&Data::parse(json).unwrap()).unwrap(), json);
    }

    #[test]
    fn a_character_that_no_queue_accepts_is_kept_by_its_value_and_counted_as_it_is_kept() {
        let data = Data::parse("{\"\u{ffff}\":\"x\u{fffe}\"}").unwrap();
        assert_eq!(data.as_json(), r#"{"\uffff":"x\ufffe"}"#);
        assert_eq!(Data::text("\u{ffff}").unwrap().as_json(), r#"{"text":"\uffff"}"#);
        let most = limits::DATA_BYTES / 6;
        assert_eq!(Data::parse(&format!("\"{}\"", "\u{ffff}".repeat(most))).unwrap_err().code, Code::TooLarge);
        assert!(Data::parse(&format!("\"{}\"", "\u{ffff}".repeat(most - 1))).is_ok());
    }

    #[test]
    fn data_that_some_client_could_not_parse_is_refused() {
        let deep = "[".repeat(64_000) + &"]".repeat(64_000);
        for bad in ["", "{", r#""\ud800""#, "1e999", "nul", "[1,]", &"[".repeat(200)] {
            assert_eq!(Data::parse(bad).unwrap_err().code, Code::InvalidField, "{bad}");
        }
        assert_eq!(Data::parse(&deep).unwrap_err().code, Code::TooLarge);
        assert_eq!(Data::parse(&format!("\"{}\"", "x".repeat(limits::DATA_BYTES))).unwrap_err().code, Code::TooLarge);
    }
}

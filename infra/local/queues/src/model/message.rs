//! A message in a queue.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde::{Deserialize, Serialize};

/// Message attributes, in the order in which they are hashed.
pub(crate) type Attributes = BTreeMap<String, AttributeValue>;

/// One message in a queue.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Message {
    pub(crate) id: String,
    pub(crate) body: String,
    pub(crate) body_md5: String,
    #[serde(default, skip_serializing_if = "Attributes::is_empty")]
    pub(crate) attributes: Attributes,
    pub(crate) attributes_md5: Option<String>,
    /// `AWSTraceHeader`, the only system attribute that senders can set.
    pub(crate) trace_header: Option<String>,
    pub(crate) group: Option<String>,
    pub(crate) deduplication_id: Option<String>,
    /// Position in the queue. In a standard queue it is the order of arrival, which no answer
    /// contains.
    pub(crate) sequence: u64,
    pub(crate) sent_ms: u64,
    pub(crate) first_received_ms: Option<u64>,
    pub(crate) receive_count: u32,
    /// ARN of the queue from which a dead letter came.
    pub(crate) source_arn: Option<String>,
}

/// Returns the size of names, types and values in bytes.
pub(crate) fn attributes_bytes(attributes: &Attributes) -> usize {
    attributes.iter().map(|(name, value)| name.len() + value.data_type.len() + value.bytes().len()).sum()
}

/// A typed value: `String`, `Number` or `Binary`, with an optional suffix after a dot.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct AttributeValue {
    pub(crate) data_type: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) string_value: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none", with = "base64_text")]
    pub(crate) binary_value: Option<Vec<u8>>,
}

impl AttributeValue {
    /// Creates a text value.
    #[cfg(test)]
    pub(crate) fn text(data_type: &str, value: &str) -> Self {
        Self { data_type: data_type.to_owned(), string_value: Some(value.to_owned()), binary_value: None }
    }

    /// Returns whether the type is `Binary` or a subtype of it.
    pub(crate) fn is_binary(&self) -> bool {
        self.kind() == "Binary"
    }

    /// Returns the type before its dot.
    pub(crate) fn kind(&self) -> &str {
        self.data_type.split_once('.').map_or(&*self.data_type, |(kind, _)| kind)
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        match (&self.binary_value, &self.string_value) {
            (Some(bytes), _) if self.is_binary() => bytes,
            (_, Some(text)) => text.as_bytes(),
            _ => &[],
        }
    }

    /// Returns the base64 of a binary value, or the text of any other value.
    pub(crate) fn shown(&self) -> String {
        match &self.binary_value {
            Some(bytes) if self.is_binary() => BASE64_STANDARD.encode(bytes),
            _ => self.string_value.clone().unwrap_or_default(),
        }
    }
}

mod base64_text {
    use super::{BASE64_STANDARD, Deserialize, Serialize};
    use base64::Engine as _;
    use serde::de::Error as _;

    pub(super) fn serialize<S: serde::Serializer>(bytes: &Option<Vec<u8>>, to: S) -> Result<S::Ok, S::Error> {
        bytes.as_ref().map(|bytes| BASE64_STANDARD.encode(bytes)).serialize(to)
    }

    pub(super) fn deserialize<'de, D: serde::Deserializer<'de>>(from: D) -> Result<Option<Vec<u8>>, D::Error> {
        let text = Option::<String>::deserialize(from)?;
        text.map(|text| BASE64_STANDARD.decode(text).map_err(D::Error::custom)).transpose()
    }
}

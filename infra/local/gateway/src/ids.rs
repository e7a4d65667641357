//! Identifiers in the format of API Gateway.
//!
//! Connection, request and message ids are 11 bytes, written as 16 characters of base64 that end in
//! `=`. The alphabet is the URL alphabet with `-` and `_`, as in ids of AWS such as
//! `DBNjmfOmSwMCJiA=`. The `=` still needs percent-encoding.

use std::fmt;
use std::sync::atomic::{AtomicU16, Ordering};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE;
use serde::{Serialize, Serializer};

const ID_BYTES: usize = 11;
const ID_CHARACTERS: usize = 16;

/// A connection, request or message id: 16 ASCII characters without a public meaning.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Id([u8; ID_CHARACTERS]);

impl Id {
    /// Creates an id whose first eight characters encode the time. Ids of the same instant share
    /// these characters.
    pub(crate) fn at(epoch_ms: i64) -> Self {
        static COUNTER: AtomicU16 = AtomicU16::new(0);
        let count = COUNTER.fetch_add(1, Ordering::Relaxed);
        let mut raw = [0; ID_BYTES];
        raw[..6].copy_from_slice(&epoch_ms.to_be_bytes()[2..]);
        raw[6..8].copy_from_slice(&count.to_be_bytes());
        raw[8..].copy_from_slice(&rand::random::<[u8; 3]>());
        let mut text = [b'='; ID_CHARACTERS];
        // Eleven bytes always encode to sixteen characters, so this cannot fail.
        let _ = URL_SAFE.encode_slice(raw, &mut text);
        Self(text)
    }

    /// Parses an id that [`Id::at`] may have created. Returns `None` for a text of another length.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        text.as_bytes().try_into().ok().map(Self)
    }

    /// Returns the id as text.
    pub(crate) fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or_default()
    }
}

/// Returns whether API Gateway accepts `text` as a connection id: base64 of either alphabet that
/// ends in `=`. API Gateway answers 400 to any other text, and 410 to a well-formed id that is
/// unknown.
pub(crate) fn is_connection_id(text: &str) -> bool {
    text.len() > 1
        && text.ends_with('=')
        && text.trim_end_matches('=').bytes().all(|b| b.is_ascii_alphanumeric() || b"+/-_".contains(&b))
}

impl fmt::Debug for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Serialize for Id {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

/// Creates an X-Ray trace header: `Root=1-{epoch seconds, 8 hex digits}-{24 hex digits}`.
///
/// Source:
/// <https://docs.aws.amazon.com/xray/latest/devguide/xray-concepts.html#xray-concepts-tracingheader>
pub(crate) fn trace_header(epoch_ms: i64) -> String {
    let unique = rand::random::<u128>() >> 32;
    format!("Root=1-{:08x}-{unique:024x}", epoch_ms / 1_000)
}

/// Creates an `x-amzn-RequestId`: a version 4 UUID.
pub(crate) fn aws_request_id() -> String {
    // Uses the thread's generator. Random bytes from the kernel for every post would cost more than
    // the post.
    uuid::Builder::from_random_bytes(rand::random()).into_uuid().to_string()
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn an_id_is_sixteen_characters_that_decode_to_eleven_bytes() {
        let id = Id::at(1_707_502_303_419).to_string();
        assert_eq!(id.len(), 16);
        assert!(id.ends_with('='));
        assert_eq!(URL_SAFE.decode(&id).unwrap().len(), 11);
        assert!(is_connection_id(&id));
    }

    #[test]
    fn ids_have_the_alphabet_of_aws_which_is_that_of_urls() {
        let ids: Vec<String> = (0..10_000).map(|_| Id::at(1_707_502_303_419).to_string()).collect();
        let is_allowed = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
        assert!(ids.iter().all(|id| id.strip_suffix('=').is_some_and(|id| id.bytes().all(is_allowed))));
        assert!(ids.iter().any(|id| id.contains('-')) && ids.iter().any(|id| id.contains('_')));
    }

    #[test]
    fn ids_of_one_instant_share_their_first_eight_characters_and_differ_after() {
        let ids: HashSet<_> = (0..10_000).map(|_| Id::at(1_707_502_303_419).to_string()).collect();
        assert_eq!(ids.len(), 10_000);
        let prefixes: HashSet<_> = ids.iter().map(|id| &id[..8]).collect();
        assert_eq!(prefixes.len(), 1);
    }

    #[test]
    fn only_what_could_be_an_id_is_one() {
        assert!(is_connection_id("AAAA1234="));
        for wrong in ["", "=", "undefined", "cjy8i76bx002884le6n17d49b", "AAAA 234=", "AAAA/../4"] {
            assert!(!is_connection_id(wrong), "{wrong}");
        }
    }

    #[test]
    fn a_trace_header_names_the_second_it_was_made() {
        let header = trace_header(1_707_502_303_419);
        assert!(header.starts_with("Root=1-65c66adf-"), "{header}");
        assert_eq!(header.len(), "Root=1-65c66b4f-0123456789abcdef01234567".len());
    }
}

//! The checksums with which clients verify the messages that they send and receive.
//!
//! Source:
//! <https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-message-metadata.html>

use md5::{Digest, Md5};

use crate::model::message::{AttributeValue, Attributes};

const TRANSPORT_STRING: u8 = 1;
const TRANSPORT_BINARY: u8 = 2;

/// Returns the checksum of a body, in hexadecimal.
pub(crate) fn of_body(body: &str) -> String {
    hexadecimal(&Md5::digest(body.as_bytes()))
}

/// Returns the checksum of attributes, which must be in the order of their names. Returns `None` if
/// there are none.
pub(crate) fn of_attributes<'a>(attributes: impl Iterator<Item = (&'a String, &'a AttributeValue)>) -> Option<String> {
    let mut digest = Md5::new();
    let mut any = false;
    for (name, value) in attributes {
        any = true;
        field(&mut digest, name.as_bytes());
        field(&mut digest, value.data_type.as_bytes());
        let transport = if value.is_binary() { TRANSPORT_BINARY } else { TRANSPORT_STRING };
        digest.update([transport]);
        field(&mut digest, value.bytes());
    }
    any.then(|| hexadecimal(&digest.finalize()))
}

/// Returns the checksum of all attributes.
pub(crate) fn of_all(attributes: &Attributes) -> Option<String> {
    of_attributes(attributes.iter())
}

fn field(digest: &mut Md5, bytes: &[u8]) {
    let length = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
    digest.update(length.to_be_bytes());
    digest.update(bytes);
}

pub(crate) fn hexadecimal(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digit = |value: u8| char::from(DIGITS[usize::from(value)]);
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_checksum_of_a_body_is_the_one_in_the_documentation() {
        // Source: the event in the Lambda developer guide, "Using Lambda with Amazon SQS".
        assert_eq!(of_body("Test message."), "e4e68fb7bd0e697a0ae8f1bb342846b3");
    }

    #[test]
    fn attributes_are_hashed_in_the_order_of_their_names_with_lengths() {
        let mut attributes = Attributes::new();
        attributes.insert("timestamp".to_owned(), AttributeValue::text("Number", "1493147359900"));
        // Source: the tests of this algorithm in botocore and the AWS SDKs.
        assert_eq!(of_all(&attributes).as_deref(), Some("235c5c510d26fb653d073faed50ae77c"));
        assert_eq!(of_all(&Attributes::new()), None);
    }
}

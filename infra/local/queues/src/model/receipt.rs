//! Receipt handles, which identify a message and one receive of it.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;

/// The content of a handle, except its queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Receipt {
    pub(crate) sequence: u64,
    pub(crate) receive: u64,
}

/// Prefix of the handles of AWS.
const PREFIX: &str = "AQEB";

impl Receipt {
    /// Returns the handle for clients. Its content is not public.
    pub(crate) fn handle(self, queue: &str) -> String {
        let text = format!("{}.{}.{queue}", self.sequence, self.receive);
        let mut handle = PREFIX.to_owned();
        BASE64_STANDARD.encode_string(text, &mut handle);
        handle
    }

    /// Parses a handle of the same queue.
    pub(crate) fn parse(handle: &str, queue: &str) -> Option<Self> {
        let text = BASE64_STANDARD.decode(handle.strip_prefix(PREFIX)?).ok()?;
        let text = str::from_utf8(&text).ok()?;
        let mut parts = text.splitn(3, '.');
        let sequence = parts.next()?.parse().ok()?;
        let receive = parts.next()?.parse().ok()?;
        (parts.next()? == queue).then_some(Self { sequence, receive })
    }
}

/// Formats a sequence number as in answers: 20 digits that grow.
pub(crate) fn shown_sequence(sequence: u64) -> String {
    /// The first number. AWS's own numbers were here in 2020; they grow in steps of 256.
    const FIRST: u128 = 18_850_000_000_000_000_000;
    (FIRST + u128::from(sequence) * 256).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_handle_is_good_for_its_queue_only() {
        let receipt = Receipt { sequence: 7, receive: 9 };
        let handle = receipt.handle("work.fifo");
        assert_eq!(Receipt::parse(&handle, "work.fifo"), Some(receipt));
        assert_eq!(Receipt::parse(&handle, "other"), None);
        assert_eq!(Receipt::parse("nonsense", "work.fifo"), None);
    }

    #[test]
    fn sequence_numbers_have_twenty_digits_and_grow() {
        assert_eq!(shown_sequence(1).len(), 20);
        assert!(shown_sequence(9) < shown_sequence(10));
    }
}

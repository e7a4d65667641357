//! One event of the inspector's stream, as JSON.

use serde::{Serialize, Serializer};

/// Most bytes of a body, a payload or a line in an event, which is only an overview.
const SHOWN_BYTES: usize = 8 * 1024;

/// An event. `type` in JSON is the variant in lower case; README.md lists the fields.
#[derive(Debug, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(crate) enum Event<'a> {
    ProcessStarted {
        function: &'a str,
        process: u64,
        pid: u32,
    },
    ProcessEnded {
        function: &'a str,
        process: u64,
        reason: &'a str,
    },
    InvocationStarted {
        function: &'a str,
        process: u64,
        request_id: &'a str,
        #[serde(flatten)]
        payload: Payload<'a>,
    },
    InvocationEnded {
        function: &'a str,
        process: u64,
        request_id: &'a str,
        status: &'a str,
        duration_ms: f64,
        #[serde(skip_serializing_if = "Option::is_none")]
        init_ms: Option<f64>,
        #[serde(skip_serializing_if = "Option::is_none")]
        memory_mb: Option<u32>,
    },
    Log {
        function: &'a str,
        process: u64,
        #[serde(skip_serializing_if = "Option::is_none")]
        request_id: Option<&'a str>,
        output: &'a str,
        #[serde(flatten)]
        text: Payload<'a>,
    },
    MessageSent {
        queue: &'a str,
        message_id: &'a str,
        #[serde(skip_serializing_if = "Option::is_none")]
        group: Option<&'a str>,
        #[serde(flatten)]
        body: Payload<'a>,
    },
    MessageReceived {
        queue: &'a str,
        message_id: &'a str,
        #[serde(skip_serializing_if = "Option::is_none")]
        group: Option<&'a str>,
        receive_count: u32,
    },
    MessageDeleted {
        queue: &'a str,
        message_id: &'a str,
        #[serde(skip_serializing_if = "Option::is_none")]
        group: Option<&'a str>,
    },
    MessageDeadLettered {
        queue: &'a str,
        message_id: &'a str,
        #[serde(skip_serializing_if = "Option::is_none")]
        group: Option<&'a str>,
        to: &'a str,
    },
    MessageRedriven {
        queue: &'a str,
        message_id: &'a str,
        #[serde(skip_serializing_if = "Option::is_none")]
        group: Option<&'a str>,
    },
    MessageExpired {
        queue: &'a str,
        message_id: &'a str,
        #[serde(skip_serializing_if = "Option::is_none")]
        group: Option<&'a str>,
    },
    ConnectionOpened {
        connection_id: &'a str,
        source_ip: String,
        #[serde(skip_serializing_if = "Option::is_none")]
        user_agent: Option<&'a str>,
    },
    ConnectionRefused {
        status: u16,
        source_ip: String,
    },
    ConnectionClosed {
        connection_id: &'a str,
        code: u16,
        reason: &'a str,
    },
    FrameReceived {
        connection_id: &'a str,
        request_id: &'a str,
        #[serde(skip_serializing_if = "Option::is_none")]
        route: Option<&'a str>,
        #[serde(flatten)]
        body: Payload<'a>,
    },
    FrameReplied {
        connection_id: &'a str,
        #[serde(flatten)]
        body: Payload<'a>,
    },
    Posted {
        connection_id: &'a str,
        by: &'a str,
        outcome: &'a str,
        #[serde(flatten)]
        body: Payload<'a>,
    },
    Called {
        connection_id: &'a str,
        by: &'a str,
        method: &'a str,
        outcome: &'a str,
    },
    FaultFired {
        fault: &'a str,
        what: &'a str,
    },
}

/// The beginning of a text of any length: `bytes` is its length, and `body` its first part.
#[derive(Debug, Serialize)]
pub(crate) struct Payload<'a> {
    bytes: usize,
    body: Beginning<'a>,
}

impl<'a> Payload<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes: bytes.len(), body: Beginning(bytes) }
    }
}

#[derive(Debug)]
struct Beginning<'a>(&'a [u8]);

impl Serialize for Beginning<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&String::from_utf8_lossy(beginning(self.0)))
    }
}

/// Returns the first bytes, without an incomplete character at the end.
pub(super) fn beginning(bytes: &[u8]) -> &[u8] {
    let Some(mut shown) = bytes.get(..SHOWN_BYTES) else { return bytes };
    while let Some((last, rest)) = shown.split_last().filter(|_| !is_boundary(bytes, shown.len())) {
        let _ = last;
        shown = rest;
    }
    shown
}

fn is_boundary(bytes: &[u8], at: usize) -> bool {
    bytes.get(at).is_none_or(|byte| byte & 0b1100_0000 != 0b1000_0000)
}

/// The kinds of events. Each has a bit in a set of kinds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    ProcessStarted,
    ProcessEnded,
    InvocationStarted,
    InvocationEnded,
    Log,
    MessageSent,
    MessageReceived,
    MessageDeleted,
    MessageDeadLettered,
    MessageRedriven,
    MessageExpired,
    ConnectionOpened,
    ConnectionRefused,
    ConnectionClosed,
    FrameReceived,
    FrameReplied,
    Posted,
    Called,
    FaultFired,
}

impl Kind {
    const ALL: [(Self, &'static str); 19] = [
        (Self::ProcessStarted, "process_started"),
        (Self::ProcessEnded, "process_ended"),
        (Self::InvocationStarted, "invocation_started"),
        (Self::InvocationEnded, "invocation_ended"),
        (Self::Log, "log"),
        (Self::MessageSent, "message_sent"),
        (Self::MessageReceived, "message_received"),
        (Self::MessageDeleted, "message_deleted"),
        (Self::MessageDeadLettered, "message_dead_lettered"),
        (Self::MessageRedriven, "message_redriven"),
        (Self::MessageExpired, "message_expired"),
        (Self::ConnectionOpened, "connection_opened"),
        (Self::ConnectionRefused, "connection_refused"),
        (Self::ConnectionClosed, "connection_closed"),
        (Self::FrameReceived, "frame_received"),
        (Self::FrameReplied, "frame_replied"),
        (Self::Posted, "posted"),
        (Self::Called, "called"),
        (Self::FaultFired, "fault_fired"),
    ];

    const fn bit(self) -> u32 {
        1 << self as u32
    }
}

/// A set of kinds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Kinds(u32);

impl Kinds {
    pub(crate) const ALL: Self = Self((1 << Kind::ALL.len()) - 1);

    pub(crate) const fn from_bits(bits: u32) -> Self {
        Self(bits)
    }

    pub(crate) const fn bits(self) -> u32 {
        self.0
    }

    pub(crate) const fn contains(self, kind: Kind) -> bool {
        self.0 & kind.bit() != 0
    }

    pub(crate) const fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Parses `log,posted`.
    ///
    /// # Errors
    /// A sentence that names the unknown kind and all known kinds.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let mut kinds = Self::default();
        for name in text.split(',').filter(|name| !name.is_empty()) {
            let Some((kind, _)) = Kind::ALL.into_iter().find(|(_, known)| *known == name) else {
                let known = Kind::ALL.map(|(_, known)| known).join(", ");
                return Err(format!("there are no events of type {name:?}; there are {known}"));
            };
            kinds = kinds.union(Self(kind.bit()));
        }
        Ok(if kinds == Self::default() { Self::ALL } else { kinds })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_body_is_cut_between_two_characters_and_its_length_is_said() {
        let text = format!("{}é", "x".repeat(SHOWN_BYTES - 1));
        let payload = serde_json::to_value(Payload::new(text.as_bytes())).unwrap();
        assert_eq!(payload["bytes"], SHOWN_BYTES + 1);
        assert_eq!(payload["body"].as_str().unwrap().len(), SHOWN_BYTES - 1);
        let exact = "é".repeat(SHOWN_BYTES / 2);
        assert_eq!(beginning(exact.as_bytes()), exact.as_bytes());
    }

    #[test]
    fn a_set_of_kinds_is_read_from_names_and_a_mistake_lists_them() {
        let kinds = Kinds::parse("log,posted").unwrap();
        assert!(kinds.contains(Kind::Log) && kinds.contains(Kind::Posted) && !kinds.contains(Kind::Called));
        assert_eq!(Kinds::parse("").unwrap(), Kinds::ALL);
        assert!(Kinds::ALL.contains(Kind::FaultFired) && Kinds::ALL.contains(Kind::ProcessStarted));
        let mistake = Kinds::parse("log,post").unwrap_err();
        assert!(mistake.starts_with("there are no events of type \"post\"; there are process_started, "), "{mistake}");
    }

    #[test]
    fn every_kind_has_its_own_bit_and_the_name_that_stands_in_the_json() {
        for (place, (kind, _)) in Kind::ALL.into_iter().enumerate() {
            assert_eq!(kind as usize, place);
        }
        let event = Event::MessageDeleted { queue: "work", message_id: "1", group: None };
        let json = serde_json::to_string(&event).unwrap();
        assert_eq!(json, r#"{"type":"message_deleted","queue":"work","message_id":"1"}"#);
    }
}

//! The questions, and the answers of the local stack.

/// A question about API Gateway, and the answer that FIDELITY.md assumes.
#[derive(Debug)]
pub struct Question {
    pub(super) ask: Ask,
    /// The question in the report.
    pub asks: &'static str,
    /// The words of FIDELITY.md that it checks.
    pub fidelity: &'static str,
    /// The answer of the local stack; empty for a number that is only measured.
    pub expected: &'static str,
}

/// The calls and messages that get the answer.
#[derive(Debug, Clone, Copy)]
pub(super) enum Ask {
    Authorizer,
    Refusal,
    Subprotocol,
    Compression,
    LargeContext,
    OneWayRoute,
    UnknownAction,
    Binary,
    LargeFrame,
    ConnectionId,
    Post,
    LongPost,
    TooLongPost,
    PostOfBytes,
    Unsigned,
    WrongStage,
    WrongMethod,
    Unknown,
    Malformed,
    Get,
    Delete,
    GetAfterDelete,
    HttpVersion,
    PostTime,
    DeliveryTime,
}

/// A question that a few connections cannot answer in a minute.
#[derive(Debug)]
pub struct Unasked {
    /// The question in the report.
    pub what: &'static str,
    /// The reason, and another way to the answer.
    pub why: &'static str,
}

const fn question(ask: Ask, asks: &'static str, fidelity: &'static str, expected: &'static str) -> Question {
    Question { ask, asks, fidelity, expected }
}

/// All questions, in the order in which they are asked.
pub const QUESTIONS: &[Question] = &[
    question(
        Ask::Authorizer,
        "an authorizer's answer with `usageIdentifierKey: null`",
        "A `$connect` that answers 2xx admits the client",
        "101",
    ),
    question(
        Ask::Refusal,
        "a handshake that the authorizer refuses",
        "A missing identity source or the error \"Unauthorized\" is 401",
        "401",
    ),
    question(
        Ask::Subprotocol,
        "the subprotocol that is echoed",
        "The four events are the same byte for byte",
        "rooms.v1",
    ),
    question(Ask::Compression, "an offer of permessage-deflate", "permessage-deflate is not negotiated", "not taken"),
    question(
        Ask::LargeContext,
        "a context of 5 KB on each later event",
        "The authorizer's context is in every later event",
        "the last permission in it is known",
    ),
    question(
        Ask::OneWayRoute,
        "frames of a route without a route response",
        "Without a route response nothing is sent",
        "none",
    ),
    question(Ask::UnknownAction, "a message that no route takes", "the exact key, else `$default`", "$default"),
    question(Ask::Binary, "a binary message", "a binary message with 1003", "1003"),
    question(
        Ask::LargeFrame,
        "a frame of 32 KiB and one byte",
        "A frame over 32 KB or a message over 128 KB closes with 1009",
        "1009",
    ),
    question(
        Ask::ConnectionId,
        "a connection id",
        "16 characters of the URL alphabet of base64",
        "16 characters of the URL alphabet of base64, the last =",
    ),
    question(Ask::Post, "a post", "POST answers 200", "200, one message"),
    question(Ask::LongPost, "a post of 100 KB", "33 to 128 KB is one frame", "200, one message"),
    question(
        Ask::TooLongPost,
        "a post of 128 KiB and one byte",
        "A post over 128 KB is 413",
        "413 PayloadTooLargeException",
    ),
    question(
        Ask::PostOfBytes,
        "a post that is not UTF-8",
        "Bytes of a post that are not UTF-8 become U+FFFD",
        "200, U+FFFD",
    ),
    question(
        Ask::Unsigned,
        "a call without a signature",
        "SigV4 for `execute-api`",
        "403 MissingAuthenticationTokenException",
    ),
    question(
        Ask::WrongStage,
        "a call at another stage",
        "A wrong stage, path or method is 403",
        "403 ForbiddenException",
    ),
    question(Ask::WrongMethod, "a call by PUT", "A wrong stage, path or method is 403", "403 ForbiddenException"),
    question(
        Ask::Unknown,
        "a post to a connection that never was",
        "410 with an empty body",
        "410 GoneException, empty",
    ),
    question(
        Ask::Malformed,
        "a post to what is no connection id",
        "Ids are percent-encoded",
        "400 BadRequestException",
    ),
    question(
        Ask::Get,
        "the fields of GET",
        "GET 200",
        "200: connectedAt, identity.sourceIp, identity.userAgent, lastActiveAt",
    ),
    question(
        Ask::Delete,
        "DELETE, and the close that the client sees",
        "1000 after a DELETE",
        "204, 1000 Connection Closed Normally",
    ),
    question(Ask::GetAfterDelete, "GET after DELETE", "410 with an empty body", "410 GoneException"),
    question(Ask::HttpVersion, "the version of HTTP of the management API", "POST answers 200", ""),
    question(Ask::PostTime, "a post, 50 one after the other", "A call has no delay", ""),
    question(Ask::DeliveryTime, "publish to delivery, 20 one after the other", "A call has no delay", ""),
];

/// Questions that are not asked.
pub const UNASKED: &[Unasked] = &[
    Unasked {
        what: "what a route with a route response sends when its function returns no body",
        why: "every such route of Roomcast answers",
    },
    Unasked {
        what: "whether messages of clients draw on the account's 10,000 requests a second",
        why: "it takes as many; compare the account's throttles in CloudWatch during a load test",
    },
    Unasked { what: "whether GET and DELETE are billed", why: "see the usage types in Cost Explorer a day later" },
    Unasked {
        what: "the text of a throttled message and the status of a throttled handshake",
        why: "it takes more than the stage's limits; deploy with throttling_rate_limit = 1 and throttling_burst_limit = 1",
    },
    Unasked { what: "10 minutes without traffic, and 2 hours", why: "it takes as long" },
    Unasked { what: "whether two messages of one client run side by side", why: "no client sees it" },
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_question_is_about_a_line_of_the_page() {
        let page = include_str!("../../../local/FIDELITY.md").split_whitespace().collect::<Vec<_>>().join(" ");
        for question in QUESTIONS {
            assert!(page.contains(question.fidelity), "FIDELITY.md has no {:?}", question.fidelity);
        }
    }
}

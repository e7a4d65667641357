//! Where a runner can step in: who may call the management API, and what goes wrong today.

use std::net::IpAddr;
use std::time::Duration;

/// Consulted at each step; every method has a default that changes nothing.
///
/// Called on the hot path: decide from memory, do not block.
pub trait Hooks: Send + Sync + 'static {
    /// Whether the caller may do this; a denied call is answered with 403 `AccessDeniedException`.
    fn authorize(&self, call: &ManagementCall<'_>) -> Access {
        let _ = call;
        Access::Allow
    }

    /// What goes wrong with an authorised management call. `age` says how old the connection is, if it is there.
    fn fault_of_call(&self, call: &ManagementCall<'_>, age: &dyn Fn() -> Option<Duration>) -> Option<CallFault> {
        let _ = (call, age);
        None
    }

    /// What goes wrong with the `$disconnect` of a connection.
    fn fault_of_disconnect(&self, connection_id: &str) -> Option<DisconnectFault> {
        let _ = connection_id;
        None
    }

    /// Whether [`Hooks::observe`] is called. The gateway asks for each happening and builds nothing otherwise.
    fn is_observing(&self) -> bool {
        false
    }

    /// Receives what happened in the gateway.
    fn observe(&self, happening: Happening<'_>) {
        let _ = happening;
    }
}

/// Everybody may do everything, and nothing goes wrong.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoHooks;

impl Hooks for NoHooks {}

/// A call to `@connections`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ManagementCall<'a> {
    /// The access key in the credential scope; it says which function calls. The signature is not verified.
    pub access_key_id: &'a str,
    /// What is asked for.
    pub method: ManagementMethod,
    /// The connection, decoded.
    pub connection_id: &'a str,
}

/// One thing that happened in the gateway.
#[derive(Debug, Clone, Copy)]
pub enum Happening<'a> {
    /// A handshake succeeded: the connection can be posted to.
    Opened {
        /// The new connection.
        connection_id: &'a str,
        /// The client's address.
        source_ip: IpAddr,
        /// The client's `User-Agent` header.
        user_agent: Option<&'a str>,
    },
    /// A handshake was refused.
    Refused {
        /// HTTP status of the answer.
        status: u16,
        /// The client's address.
        source_ip: IpAddr,
    },
    /// A connection ended: posts to it are answered with 410 from here on.
    Closed {
        /// The connection.
        connection_id: &'a str,
        /// `disconnectStatusCode`.
        code: u16,
        /// `disconnectReason`.
        reason: &'a str,
    },
    /// A client sent a message, and a route takes it or none does.
    Received {
        /// The client's connection.
        connection_id: &'a str,
        /// `requestId` of the event.
        request_id: &'a str,
        /// The key of the route; nothing if no route takes the message.
        route: Option<&'a str>,
        /// The message.
        body: &'a [u8],
    },
    /// The gateway sent a frame of its own accord: a route response or an error.
    Replied {
        /// The client's connection.
        connection_id: &'a str,
        /// The frame.
        body: &'a [u8],
    },
    /// A call of the management API is done.
    Called {
        /// The call.
        call: ManagementCall<'a>,
        /// What came of it.
        outcome: CallOutcome,
        /// What was posted; nothing for other calls and for bodies that are too large.
        body: Option<&'a [u8]>,
    },
}

/// What came of a management call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CallOutcome {
    /// Done: 200 or 204.
    Done,
    /// Done, and the answer did not reach the caller.
    AnswerLost,
    /// 410: there is no such connection.
    Gone,
    /// 429: the account's rate, or a fault in its place.
    Throttled,
    /// 429: the client reads too slowly.
    BufferFull,
    /// 413: the body exceeds the limit.
    TooLarge,
    /// 403: not signed, or not granted.
    Forbidden,
    /// 400: not a connection id.
    Invalid,
    /// 500: a fault on demand.
    Unavailable,
    /// Never answered: a fault on demand.
    Hung,
}

/// The three calls of the management API.
///
/// Source: <https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-how-to-call-websocket-api-connections.html>
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ManagementMethod {
    /// `PostToConnection`.
    Post,
    /// `GetConnection`.
    Get,
    /// `DeleteConnection`.
    Delete,
}

impl ManagementMethod {
    /// The HTTP method.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Post => "POST",
            Self::Get => "GET",
            Self::Delete => "DELETE",
        }
    }
}

/// Whether a call is let through.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Access {
    /// Go on.
    Allow,
    /// 403, with the sentence in which IAM says who may not do what.
    Deny(String),
}

/// What goes wrong with a management call. The numbers are those of the list of faults.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CallFault {
    /// F31, F32: 410 although the client is there.
    Gone,
    /// F33, F34: 429.
    Throttled,
    /// F35: 500.
    Unavailable,
    /// F36: 403.
    Forbidden,
    /// F37: 413.
    TooLarge,
    /// F38: accepted, never answered.
    Hang,
    /// F39: done and answered, later.
    Delay(Duration),
    /// F40: done, but the answer is lost with the connection to the caller.
    LoseResponse,
    /// F42: done and answered with `Connection: close`.
    CloseAfter,
    /// F48: answered as if it were done, while the connection is cut and nothing more arrives there.
    Cut,
}

/// What goes wrong with a `$disconnect`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DisconnectFault {
    /// F43: it never happens.
    Drop,
    /// F45: it happens later.
    Delay(Duration),
    /// F45: it happens twice, the second time later.
    Repeat(Duration),
}

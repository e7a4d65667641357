//! Hooks for a runner: access to the management API, faults, and observation of events.

use std::net::IpAddr;
use std::time::Duration;

/// Hooks that the gateway calls. Every method has a default that changes nothing.
///
/// The gateway calls them on the hot path. They must decide from memory and must not block.
pub trait Hooks: Send + Sync + 'static {
    /// Decides whether the caller may make this call. A denied call is answered with 403
    /// `AccessDeniedException`.
    fn authorize(&self, call: &ManagementCall<'_>) -> Access {
        let _ = call;
        Access::Allow
    }

    /// Returns the fault of an authorised management call, if any. `age` returns the age of the
    /// connection, if it is open.
    fn fault_of_call(&self, call: &ManagementCall<'_>, age: &dyn Fn() -> Option<Duration>) -> Option<CallFault> {
        let _ = (call, age);
        None
    }

    /// Returns the fault of a connection's `$disconnect`, if any.
    fn fault_of_disconnect(&self, connection_id: &str) -> Option<DisconnectFault> {
        let _ = connection_id;
        None
    }

    /// Returns whether the gateway calls [`Hooks::observe`]. The gateway checks this before each
    /// event and builds nothing if it is `false`.
    fn is_observing(&self) -> bool {
        false
    }

    /// Receives an event of the gateway.
    fn observe(&self, happening: Happening<'_>) {
        let _ = happening;
    }
}

/// Allows every call and causes no faults.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoHooks;

impl Hooks for NoHooks {}

/// A call to `@connections`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ManagementCall<'a> {
    /// The access key in the credential scope. It identifies the calling function. The signature is
    /// not verified.
    pub access_key_id: &'a str,
    /// The operation of the call.
    pub method: ManagementMethod,
    /// Id of the connection, percent-decoded.
    pub connection_id: &'a str,
}

/// An event in the gateway.
#[derive(Debug, Clone, Copy)]
pub enum Happening<'a> {
    /// A handshake succeeded. Callers can post to the connection.
    Opened {
        /// Id of the new connection.
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
    /// A connection ended. Posts to it are answered with 410 from now on.
    Closed {
        /// Id of the connection.
        connection_id: &'a str,
        /// `disconnectStatusCode`.
        code: u16,
        /// `disconnectReason`.
        reason: &'a str,
    },
    /// A client sent a message. A route matches it, or none does.
    Received {
        /// Id of the client's connection.
        connection_id: &'a str,
        /// `requestId` of the event.
        request_id: &'a str,
        /// The key of the route, or `None` if no route matches the message.
        route: Option<&'a str>,
        /// The body of the message.
        body: &'a [u8],
    },
    /// The gateway sent a frame itself: a route response or an error.
    Replied {
        /// Id of the client's connection.
        connection_id: &'a str,
        /// The payload of the frame.
        body: &'a [u8],
    },
    /// A call of the management API ended.
    Called {
        /// The call that ended.
        call: ManagementCall<'a>,
        /// The result of the call.
        outcome: CallOutcome,
        /// The posted body. `None` for other calls and for bodies that are too large.
        body: Option<&'a [u8]>,
    },
}

/// The result of a management call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CallOutcome {
    /// 200 or 204: the call was carried out.
    Done,
    /// The call was carried out, but the caller did not receive the answer.
    AnswerLost,
    /// 410: the connection does not exist.
    Gone,
    /// 429: the account's rate is exhausted, or a fault simulates that.
    Throttled,
    /// 429: the client reads too slowly and its buffer is full.
    BufferFull,
    /// 413: the body exceeds the limit.
    TooLarge,
    /// 403: the call was not signed or not granted.
    Forbidden,
    /// 400: the id is not a connection id.
    Invalid,
    /// 500: caused by a fault.
    Unavailable,
    /// No answer: caused by a fault.
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

/// The decision about a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Access {
    /// The call may proceed.
    Allow,
    /// The call is answered with 403. The text is IAM's sentence that names the caller, the action
    /// and the resource.
    Deny(String),
}

/// A fault of a management call. The numbers refer to the list of faults.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CallFault {
    /// F31, F32: 410 although the client is connected.
    Gone,
    /// F33, F34: 429.
    Throttled,
    /// F35: 500.
    Unavailable,
    /// F36: 403.
    Forbidden,
    /// F37: 413.
    TooLarge,
    /// F38: the call is accepted and never answered.
    Hang,
    /// F39: the call is carried out and answered after this delay.
    Delay(Duration),
    /// F40: the call is carried out, but the connection to the caller is cut before the answer.
    LoseResponse,
    /// F42: the call is carried out and answered with `Connection: close`.
    CloseAfter,
    /// F48: the call is answered as successful, but the client's connection is cut and receives
    /// nothing more.
    Cut,
}

/// A fault of a `$disconnect`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DisconnectFault {
    /// F43: `$disconnect` is never invoked.
    Drop,
    /// F45: `$disconnect` is invoked after this delay.
    Delay(Duration),
    /// F45: `$disconnect` is invoked twice, the second time after this delay.
    Repeat(Duration),
}

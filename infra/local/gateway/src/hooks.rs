//! Where a runner can step in: who may call the management API, and what goes wrong today.

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

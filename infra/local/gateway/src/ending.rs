//! The end of a connection: its code and reason for the client and for the `$disconnect` function.
//!
//! Codes and texts marked "seen" come from captures of AWS. The others are choices of this gateway.

use std::borrow::Cow;

use tokio_tungstenite::tungstenite::Error as SocketError;
use tokio_tungstenite::tungstenite::error::ProtocolError;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;

/// The end of a connection: `disconnectStatusCode`, `disconnectReason`, and the remaining work on
/// the socket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Ending {
    code: CloseCode,
    reason: Cow<'static, str>,
    pub(crate) manner: Manner,
}

/// The remaining work on the socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Manner {
    /// The client closed the connection: answer its close frame.
    ByClient,
    /// The gateway closes the connection: deliver the accepted frames, send a close frame, and wait
    /// for the client's close frame.
    ByGateway,
    /// The client violated the protocol or a limit: send a close frame and close the socket.
    Failed,
    /// The client is gone: no work is left.
    Lost,
}

/// A request from outside the connection's task to close the connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CloseRequest {
    /// A caller sent `DELETE @connections`.
    Deleted,
    /// The gateway is stopping.
    Stopping,
    /// The fault F48 cuts the connection as if it had reached its maximum age.
    Aged,
}

impl Ending {
    /// Returns `disconnectStatusCode`.
    pub(crate) fn status(&self) -> u16 {
        self.code.into()
    }

    /// Returns `disconnectReason`.
    pub(crate) fn reason(&self) -> &str {
        &self.reason
    }

    /// Returns the close frame that the gateway sends to the client.
    pub(crate) fn close_frame(&self) -> CloseFrame {
        CloseFrame { code: self.code, reason: self.reason.as_ref().into() }
    }

    /// The client closed: the ending has its code and reason (seen), or 1005 if the frame contained
    /// no code (seen).
    pub(crate) fn by_client(frame: Option<CloseFrame>) -> Self {
        let (code, reason) = match frame {
            Some(frame) => (frame.code, Cow::Owned(frame.reason.to_string())),
            None => (CloseCode::Status, Cow::Borrowed("Client-side close frame status not set")),
        };
        Self { code, reason, manner: Manner::ByClient }
    }

    /// The connection was idle for too long (seen) or is two hours old (assumed to have the same
    /// text).
    pub(crate) fn going_away() -> Self {
        Self { code: CloseCode::Away, reason: "Going away".into(), manner: Manner::ByGateway }
    }

    /// The client sent a binary message. API Gateway accepts only text.
    pub(crate) fn binary() -> Self {
        let reason = "Binary messages are not supported".into();
        Self { code: CloseCode::Unsupported, reason, manner: Manner::Failed }
    }

    /// The client vanished without a close frame. No capture of this case exists.
    pub(crate) fn lost() -> Self {
        Self { code: CloseCode::Abnormal, reason: "Connection closed abnormally".into(), manner: Manner::Lost }
    }

    /// Reading from the socket failed with `error`.
    pub(crate) fn by_error(error: &SocketError) -> Self {
        let failed = |code, reason: &'static str| Self { code, reason: reason.into(), manner: Manner::Failed };
        match error {
            SocketError::Capacity(_) => failed(CloseCode::Size, "Message too big"),
            SocketError::Utf8(_) => failed(CloseCode::Invalid, "Invalid UTF-8"),
            SocketError::Protocol(ProtocolError::ResetWithoutClosingHandshake) => Self::lost(),
            SocketError::Protocol(_) => failed(CloseCode::Protocol, "Protocol error"),
            _ => Self::lost(),
        }
    }
}

impl From<CloseRequest> for Ending {
    fn from(request: CloseRequest) -> Self {
        match request {
            // Seen: chalice #2060, boto3 #3789.
            CloseRequest::Deleted => {
                Self { code: CloseCode::Normal, reason: "Connection Closed Normally".into(), manner: Manner::ByGateway }
            }
            CloseRequest::Stopping | CloseRequest::Aged => Self::going_away(),
        }
    }
}

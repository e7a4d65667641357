//! How a connection ends, and what the client and the `$disconnect` function are told.
//!
//! Codes and texts marked "seen" come from captures of AWS; the others are this gateway's choice.

use std::borrow::Cow;

use tokio_tungstenite::tungstenite::Error as SocketError;
use tokio_tungstenite::tungstenite::error::ProtocolError;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;

/// The end of a connection: `disconnectStatusCode`, `disconnectReason`, and who has to do what now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Ending {
    code: CloseCode,
    reason: Cow<'static, str>,
    pub(crate) manner: Manner,
}

/// What is left to do on the socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Manner {
    /// The client closed: answer its close frame.
    ByClient,
    /// The gateway closes: deliver what was accepted, send a close frame, wait for the client's.
    ByGateway,
    /// The client broke the protocol or a limit: send a close frame and hang up.
    Failed,
    /// Nobody is there any more.
    Lost,
}

/// Somebody outside the connection wants it closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CloseRequest {
    /// `DELETE @connections`.
    Deleted,
    /// The gateway stops.
    Stopping,
    /// It is said to have reached its age.
    Aged,
}

impl Ending {
    /// `disconnectStatusCode`.
    pub(crate) fn status(&self) -> u16 {
        self.code.into()
    }

    /// `disconnectReason`.
    pub(crate) fn reason(&self) -> &str {
        &self.reason
    }

    /// The close frame that the client gets from us.
    pub(crate) fn close_frame(&self) -> CloseFrame {
        CloseFrame { code: self.code, reason: self.reason.as_ref().into() }
    }

    /// The client closed: its own code and reason, seen; 1005 when its frame named none, seen.
    pub(crate) fn by_client(frame: Option<CloseFrame>) -> Self {
        let (code, reason) = match frame {
            Some(frame) => (frame.code, Cow::Owned(frame.reason.to_string())),
            None => (CloseCode::Status, Cow::Borrowed("Client-side close frame status not set")),
        };
        Self { code, reason, manner: Manner::ByClient }
    }

    /// Idle for too long, seen; two hours old, assumed to read the same.
    pub(crate) fn going_away() -> Self {
        Self { code: CloseCode::Away, reason: "Going away".into(), manner: Manner::ByGateway }
    }

    /// A message the gateway does not take: API Gateway knows only text.
    pub(crate) fn binary() -> Self {
        let reason = "Binary messages are not supported".into();
        Self { code: CloseCode::Unsupported, reason, manner: Manner::Failed }
    }

    /// The client vanished without a close frame. No capture exists.
    pub(crate) fn lost() -> Self {
        Self { code: CloseCode::Abnormal, reason: "Connection closed abnormally".into(), manner: Manner::Lost }
    }

    /// What reading from the socket failed with.
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

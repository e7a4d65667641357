//! Decides which Runtime API calls a process may make in each state. The states are those of AWS's
//! own implementation.
//!
//! Source: <https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html>, and the state names
//! and sentences of AWS's runtime interface emulator.

use std::sync::Arc;

use http::StatusCode;

/// The largest answer of a function, in bytes: 6 MiB and a margin.
///
/// Source: <https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html>
pub(crate) const MAX_PAYLOAD: usize = 6 * 1024 * 1024 + 100;

/// The state of one process in the Runtime API.
#[derive(Debug, Default)]
pub(crate) struct Session {
    state: State,
    /// The current invocation, or the last one.
    request_id: Option<Arc<str>>,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum State {
    /// The process has not requested work yet.
    #[default]
    Started,
    /// The process reported that it cannot start.
    InitError,
    /// The process requested work, and has an invocation or waits for one.
    Ready,
    /// The process answered.
    ResponseSent,
}

/// The meaning of a request for work.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Asked {
    /// The process is free.
    Free {
        /// True if this is its first request.
        first: bool,
    },
    /// The process has not answered yet. It receives the same invocation again.
    Again,
}

/// The reason why a call is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// The process does not have this invocation.
    InvalidRequestId,
    /// The call is not allowed in this state.
    InvalidStateTransition {
        /// The current state.
        from: &'static str,
        /// The state after the call.
        to: &'static str,
    },
    /// The body ended before its announced length.
    TruncatedRequest,
    /// The body is larger than [`MAX_PAYLOAD`].
    EntityTooLarge,
}

impl Session {
    /// Handles `GET /runtime/invocation/next`.
    pub(crate) fn ask(&mut self) -> Result<Asked, Refusal> {
        let asked = match self.state {
            State::Started => Asked::Free { first: true },
            State::ResponseSent => Asked::Free { first: false },
            State::Ready => Asked::Again,
            State::InitError => return Err(self.refuse("Ready")),
        };
        if asked != Asked::Again {
            self.state = State::Ready;
            self.request_id = None;
        }
        Ok(asked)
    }

    /// Records that the process has this invocation now.
    pub(crate) fn given(&mut self, request_id: Arc<str>) {
        self.request_id = Some(request_id);
    }

    /// Checks whether `POST /runtime/invocation/{id}/response` (or `/error`) is allowed. Called
    /// before the body is read.
    pub(crate) fn may_answer(&self, request_id: &str, is_error: bool) -> Result<(), Refusal> {
        if self.request_id.as_deref() != Some(request_id) {
            return Err(Refusal::InvalidRequestId);
        }
        let to = if is_error { "InvocationErrorResponse" } else { "InvocationResponse" };
        if self.state == State::Ready { Ok(()) } else { Err(self.refuse(to)) }
    }

    /// Records the answer.
    pub(crate) fn answer(&mut self, request_id: &str, is_error: bool) -> Result<(), Refusal> {
        self.may_answer(request_id, is_error)?;
        self.state = State::ResponseSent;
        Ok(())
    }

    /// Handles `POST /runtime/init/error`.
    pub(crate) fn cannot_start(&mut self) -> Result<(), Refusal> {
        if self.state != State::Started {
            return Err(self.refuse("InitError"));
        }
        self.state = State::InitError;
        Ok(())
    }

    fn refuse(&self, to: &'static str) -> Refusal {
        Refusal::InvalidStateTransition { from: self.state.name(), to }
    }
}

impl State {
    fn name(self) -> &'static str {
        match self {
            Self::Started => "Started",
            Self::InitError => "InitError",
            Self::Ready => "Ready",
            Self::ResponseSent => "ResponseSent",
        }
    }
}

impl Refusal {
    pub(crate) fn status(self) -> StatusCode {
        match self {
            Self::InvalidRequestId | Self::TruncatedRequest => StatusCode::BAD_REQUEST,
            Self::InvalidStateTransition { .. } => StatusCode::FORBIDDEN,
            Self::EntityTooLarge => StatusCode::PAYLOAD_TOO_LARGE,
        }
    }

    pub(crate) fn error_type(self) -> &'static str {
        match self {
            Self::InvalidRequestId => "InvalidRequestID",
            Self::InvalidStateTransition { .. } => "InvalidStateTransition",
            Self::TruncatedRequest => "TruncatedHTTPRequest",
            Self::EntityTooLarge => "RequestEntityTooLarge",
        }
    }

    pub(crate) fn message(self) -> String {
        match self {
            Self::InvalidRequestId => "Invalid request ID".to_owned(),
            Self::InvalidStateTransition { from, to } => format!(
                "State transition from {from} to {to} failed for runtime. Error: State transition is not allowed"
            ),
            Self::TruncatedRequest => "HTTP request detected as truncated".to_owned(),
            Self::EntityTooLarge => format!("Exceeded maximum allowed payload size ({MAX_PAYLOAD} bytes)."),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(request_id: &str) -> Session {
        let mut session = Session::default();
        session.ask().unwrap();
        session.given(request_id.into());
        session
    }

    #[test]
    fn a_process_asks_gets_answers_and_asks_again() {
        let mut session = with("a");
        session.answer("a", false).unwrap();
        assert_eq!(session.ask(), Ok(Asked::Free { first: false }));
    }

    #[test]
    fn asking_twice_gives_the_same_again() {
        assert_eq!(with("a").ask(), Ok(Asked::Again));
    }

    #[test]
    fn an_answer_to_another_invocation_is_refused() {
        assert_eq!(with("a").answer("b", false), Err(Refusal::InvalidRequestId));
        assert_eq!(Session::default().answer("a", false), Err(Refusal::InvalidRequestId));
    }

    #[test]
    fn a_second_answer_is_refused_by_state() {
        let mut session = with("a");
        session.answer("a", true).unwrap();
        let refusal = session.answer("a", false).unwrap_err();
        assert_eq!(refusal, Refusal::InvalidStateTransition { from: "ResponseSent", to: "InvocationResponse" });
    }

    #[test]
    fn an_answer_to_a_forgotten_invocation_is_refused_by_id() {
        let mut session = with("a");
        session.answer("a", false).unwrap();
        session.ask().unwrap();
        assert_eq!(session.answer("a", false), Err(Refusal::InvalidRequestId));
    }

    #[test]
    fn a_process_that_cannot_start_gets_no_work() {
        let mut session = Session::default();
        session.cannot_start().unwrap();
        let refusal = session.ask().unwrap_err();
        assert_eq!(refusal, Refusal::InvalidStateTransition { from: "InitError", to: "Ready" });
        assert_eq!(refusal.status(), StatusCode::FORBIDDEN);
    }

    #[test]
    fn a_process_that_started_cannot_fail_to_start() {
        let refusal = with("a").cannot_start().unwrap_err();
        assert_eq!(refusal, Refusal::InvalidStateTransition { from: "Ready", to: "InitError" });
    }
}

//! `cargo xtask conformance`: asks a WebSocket API, real or local, what FIDELITY.md assumes about
//! API Gateway.
//!
//! Each [`Question`] names the line of FIDELITY.md that it checks, and the answer of the local
//! stack. A real API that answers otherwise shows a mistake of the local stack: correct the stack,
//! the line and the test of the line.

mod api;
mod ask;
mod client;
mod questions;

use std::fmt;

use roomcast_client::development::Keys;

pub use api::Api;
pub use ask::ask_all;
pub use questions::{QUESTIONS, Question, UNASKED, Unasked};

/// The deployment that is asked.
#[derive(Debug)]
pub struct Target {
    /// The URL for clients, such as `wss://id.execute-api.eu-west-1.amazonaws.com/live`.
    pub url: String,
    /// The management API of the deployment.
    pub api: Api,
    /// Keys that the deployment verifies tokens with. Without keys, clients connect as guests, and
    /// [`ask_all`] leaves out the question about a large context.
    pub keys: Option<Keys>,
}

/// Why a question has no answer.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The URL of the API has no host, or the variables no credentials.
    #[error("{0}")]
    Target(String),
    /// The WebSocket failed outside of a question about failures.
    #[error("the connection failed: {0}")]
    Socket(#[from] Box<tokio_tungstenite::tungstenite::Error>),
    /// The management API gave no answer.
    #[error("the management API gave no answer: {0}")]
    Unanswered(#[from] hyper_util::client::legacy::Error),
    /// The body of an answer broke off.
    #[error("an answer broke off: {0}")]
    Broken(#[from] hyper::Error),
    /// A request could not be written or signed.
    #[error("a request could not be made: {0}")]
    Request(String),
    /// No answer arrived in time.
    #[error("no answer arrived within {} s", client::PATIENCE.as_secs())]
    Silence,
    /// The deployment replied, but not as Roomcast does.
    #[error("the reply is not one of Roomcast: {0}")]
    Reply(String),
    /// The token cannot be signed.
    #[error(transparent)]
    Token(#[from] roomcast_client::development::Error),
}

impl From<tokio_tungstenite::tungstenite::Error> for Error {
    fn from(error: tokio_tungstenite::tungstenite::Error) -> Self {
        Self::Socket(Box::new(error))
    }
}

/// The result of one question.
#[derive(Debug)]
pub enum Outcome {
    /// The answer is the one in FIDELITY.md.
    Same,
    /// This API gave another answer.
    Different(String),
    /// A number, about which FIDELITY.md assumes nothing.
    Measured(String),
    /// The question has no answer.
    Failed(Error),
}

/// The answers of one API, in the order of [`QUESTIONS`].
#[derive(Debug)]
pub struct Report(pub Vec<(&'static Question, Outcome)>);

impl Report {
    /// Whether every answer is as FIDELITY.md assumes.
    #[must_use]
    pub fn holds(&self) -> bool {
        self.0.iter().all(|(_, outcome)| matches!(outcome, Outcome::Same | Outcome::Measured(_)))
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (question, outcome) in &self.0 {
            match outcome {
                Outcome::Same => writeln!(f, "same       {}: {}", question.asks, question.expected)?,
                Outcome::Measured(answer) => writeln!(f, "measured   {}: {answer}", question.asks)?,
                Outcome::Failed(error) => writeln!(f, "NO ANSWER  {}: {error}", question.asks)?,
                Outcome::Different(answer) => {
                    writeln!(f, "DIFFERENT  {}: {answer}", question.asks)?;
                    writeln!(f, "           FIDELITY.md, \"{}\": {}", question.fidelity, question.expected)?;
                }
            }
        }
        for Unasked { what, why } in UNASKED {
            writeln!(f, "not asked  {what}: {why}")?;
        }
        let different = self.0.iter().filter(|(_, outcome)| matches!(outcome, Outcome::Different(_))).count();
        let failed = self.0.iter().filter(|(_, outcome)| matches!(outcome, Outcome::Failed(_))).count();
        write!(f, "{} questions, {different} differences from FIDELITY.md, {failed} without an answer", self.0.len())
    }
}

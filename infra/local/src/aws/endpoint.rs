//! Handles one request: finds the caller and the operation, checks the grants, and passes the
//! request to its service.

use std::sync::Arc;

use bytes::Bytes;
use http::request::Parts;
use http::{HeaderValue, Request, Response, StatusCode};
use http_body_util::{BodyExt, Either, Full, Limited};
use hyper::body::Incoming;
use local_gateway::Hosts;
use tokio::time::timeout;
use uuid::Uuid;

use super::actions;
use super::answer::{Answer, plain};
use super::caller::{Caller, Callers};
use super::calls::{Calls, Ending};
use super::capacity::Units;
use super::dynamodb::Dynamo;
use super::grants::{Grants, denial};
use super::protocol::Call;
use super::secrets::Secrets;
use super::trouble::Trouble;
use crate::inspector::{self, Inspector};
use crate::options::TimeLimits;

/// Largest body in bytes. DynamoDB accepts 16 MB, the other services less.
const LARGEST_BODY: usize = 16 * 1024 * 1024 + 64 * 1024;

/// The AWS endpoint of one stack.
pub(crate) struct Endpoint {
    pub(crate) dynamo: Dynamo,
    /// SQS and SNS of the stack.
    pub(crate) messaging: local_queues::Service,
    /// Secrets Manager of the stack.
    pub(crate) secrets: Secrets,
    pub(crate) callers: Arc<Callers>,
    pub(crate) grants: Arc<Grants>,
    pub(crate) calls: Arc<Calls>,
    pub(crate) trouble: Trouble,
    /// Requests to other hosts, and requests of web pages of other origins, are refused.
    pub(crate) hosts: Hosts,
    pub(crate) time_limits: TimeLimits,
    pub(crate) inspector: Inspector,
}

impl Endpoint {
    /// Answers one request.
    pub(crate) async fn handle(&self, request: Request<Incoming>) -> Response<inspector::Body> {
        let (head, body) = request.into_parts();
        if let Err(foreign) = self.hosts.check(&head.headers) {
            return plain(StatusCode::FORBIDDEN, &foreign.to_string()).map(Either::Left);
        }
        let within = self.time_limits.body_within;
        let body = match timeout(within, Limited::new(body, LARGEST_BODY).collect()).await {
            Ok(Ok(body)) => body.to_bytes(),
            Err(_) => {
                let sentence = format!("the body did not arrive within {} ms", within.as_millis());
                return plain(StatusCode::REQUEST_TIMEOUT, &sentence).map(Either::Left);
            }
            Ok(Err(error)) => {
                let sentence = format!("the body cannot be read: {error}");
                return plain(StatusCode::PAYLOAD_TOO_LARGE, &sentence).map(Either::Left);
            }
        };
        match inspector::answer(&self.inspector, &head, &body).await {
            Some(answer) => answer,
            None => self.call(&head, body).await.map(Either::Left),
        }
    }

    async fn call(&self, head: &Parts, body: Bytes) -> Answer {
        let Some(call) = Call::of(&head.headers, &body) else {
            return plain(
                StatusCode::NOT_FOUND,
                "this is DynamoDB, DynamoDB Streams, SQS, SNS and Secrets Manager, and nothing else",
            );
        };
        let caller = self.callers.of_request(&head.uri, &head.headers);
        let (mut answer, ending) = match self.refuse(&caller, &call, &body) {
            Some(answer) => (answer, Ending::Denied),
            None => {
                let answer = self.perform_as(&caller, &call, head, body.clone()).await;
                let ending = if answer.status().is_success() { Ending::Done } else { Ending::Failed };
                (answer, ending)
            }
        };
        let units = answer.extensions().get().map_or(0.0, |Units(units)| *units);
        self.calls.count(&caller, &call.name(), ending, units);
        identify(&mut answer);
        answer
    }

    fn refuse(&self, caller: &Caller, call: &Call<'_>, body: &[u8]) -> Option<Answer> {
        let function = match caller {
            Caller::Developer => return None,
            Caller::Nobody => return Some(call.unsigned()),
            Caller::Function(function) | Caller::Poller(function) => function,
        };
        let actions = match call {
            Call::Dynamo(operation) => actions::of_dynamodb(operation, body),
            Call::Sqs(action) => actions::of_sqs(action, body),
            Call::Sns(action) => actions::of_sns(action, body),
            Call::Secrets(operation) => actions::of_secrets(operation, body),
        };
        let denied = self.grants.first_denied(caller, &actions)?;
        let sentence = denial(function, denied);
        tracing::warn!("a call of an AWS service is denied: {sentence}");
        Some(call.denied(&sentence))
    }

    /// Performs a call, with faults on demand if the caller is a function. Faults never affect
    /// other callers.
    async fn perform_as(&self, caller: &Caller, call: &Call<'_>, head: &Parts, body: Bytes) -> Answer {
        if !self.trouble.faults().armed() || !matches!(caller, Caller::Function(_)) {
            return self.perform(call, head, body).await;
        }
        self.trouble.around(call, body, |body| self.perform(call, head, body)).await
    }

    async fn perform(&self, call: &Call<'_>, head: &Parts, body: Bytes) -> Answer {
        match call {
            Call::Dynamo(operation) => self.dynamo.handle(operation, &head.headers, body).await,
            Call::Sqs(action) => self.messaging.handle_sqs(action, body).await.map(Full::new),
            Call::Sns(_) => self.messaging.handle_sns(body).await.map(Full::new),
            Call::Secrets(operation) => self.secrets.handle(operation, &body),
        }
    }
}

/// Adds a request id, which every answer of AWS has.
fn identify(answer: &mut Answer) {
    let id = Uuid::new_v4().hyphenated().to_string();
    if let Ok(id) = HeaderValue::from_str(&id) {
        answer.headers_mut().entry("x-amzn-requestid").or_insert(id);
    }
}

//! One request: who calls, what it is, whether it is granted, who answers.

use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use http::request::Parts;
use http::{HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use local_faults::Faults;
use uuid::Uuid;

use super::actions;
use super::answer::{self, Answer};
use super::caller::{Caller, Callers};
use super::calls::{Calls, Ending};
use super::capacity::Units;
use super::dynamodb::Dynamo;
use super::grants::{Grants, denial};
use super::protocol::Call;
use super::switches;
use super::trouble::Trouble;

/// DynamoDB takes 16 MB, the others less: whatever is larger is nobody's call.
const LARGEST_BODY: usize = 16 * 1024 * 1024 + 64 * 1024;

/// Where the counters are served as JSON.
const STATISTICS_PATH: &str = "/_local/stats";
/// Where faults on demand are shown, counted and changed.
const FAULTS_PATH: &str = "/_local/faults";

/// Whoever can say what was counted in the whole stack.
pub(crate) type Statistics = Box<dyn Fn() -> serde_json::Value + Send + Sync>;

/// The AWS endpoint of one stack.
pub(crate) struct Endpoint {
    dynamo: Dynamo,
    messaging: local_queues::Service,
    callers: Arc<Callers>,
    grants: Arc<Grants>,
    calls: Arc<Calls>,
    statistics: OnceLock<Statistics>,
    trouble: Trouble,
}

impl Endpoint {
    /// SQS and SNS are `messaging`.
    pub(crate) fn new(
        dynamo: Dynamo,
        messaging: local_queues::Service,
        callers: Arc<Callers>,
        grants: Arc<Grants>,
        calls: Arc<Calls>,
        faults: Faults,
    ) -> Self {
        let (statistics, trouble) = (OnceLock::new(), Trouble::new(faults));
        Self { dynamo, messaging, callers, grants, calls, statistics, trouble }
    }

    /// Says where statistics come from, once the stack is whole.
    pub(crate) fn set_statistics(&self, statistics: Statistics) {
        drop(self.statistics.set(statistics));
    }

    /// Answers one request.
    pub(crate) async fn handle(&self, request: Request<Incoming>) -> Answer {
        let (head, body) = request.into_parts();
        if head.method == Method::GET && head.uri.path() == STATISTICS_PATH {
            return self.statistics();
        }
        let body = match Limited::new(body, LARGEST_BODY).collect().await {
            Ok(body) => body.to_bytes(),
            Err(error) => return plain(StatusCode::PAYLOAD_TOO_LARGE, &format!("the body cannot be read: {error}")),
        };
        if head.uri.path() == FAULTS_PATH {
            return switches::answer(self.trouble.faults(), &head.method, &body);
        }
        let Some(call) = Call::of(&head.headers, &body) else {
            return plain(StatusCode::NOT_FOUND, "this is DynamoDB, DynamoDB Streams, SQS and SNS, and nothing else");
        };
        let caller = self.callers.of_request(&head.uri, &head.headers);
        let (mut answer, ending) = match self.refuse(&caller, &call, &body) {
            Some(answer) => (answer, Ending::Denied),
            None => {
                let answer = self.perform_as(&caller, &call, &head, body.clone()).await;
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
            Caller::Function(function) => function,
        };
        let actions = match call {
            Call::Dynamo(operation) => actions::of_dynamodb(operation, body),
            Call::Sqs(action) => actions::of_sqs(action, body),
            Call::Sns(action) => actions::of_sns(action, body),
        };
        let denied = self.grants.first_denied(caller, &actions)?;
        let sentence = denial(function, denied);
        tracing::warn!("{sentence}");
        Some(call.denied(&sentence))
    }

    fn statistics(&self) -> Answer {
        let statistics = self.statistics.get().map_or(serde_json::Value::Null, |statistics| statistics());
        answer::with_type(StatusCode::OK, HeaderValue::from_static("application/json"), statistics.to_string())
    }

    /// What goes wrong on demand does so for functions, and for nobody else.
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
        }
    }
}

/// Every answer of AWS has an id.
fn identify(answer: &mut Answer) {
    let id = Uuid::new_v4().hyphenated().to_string();
    if let Ok(id) = HeaderValue::from_str(&id) {
        answer.headers_mut().entry("x-amzn-requestid").or_insert(id);
    }
}

fn plain(status: StatusCode, text: &str) -> Answer {
    let mut answer = Response::new(Full::new(Bytes::from(format!("{text}\n"))));
    *answer.status_mut() = status;
    answer
}

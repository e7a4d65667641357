//! The start of a function, and the handling around each of its events.

use std::fmt::Display;
use std::future::Future;
use std::process::ExitCode;
use std::time::{Duration, Instant, UNIX_EPOCH};

use aws_lambda_events::apigw::{
    ApiGatewayProxyResponse, ApiGatewayV2httpRequest, ApiGatewayV2httpResponse, ApiGatewayWebsocketProxyRequest,
};
use aws_lambda_events::sqs::{SqsBatchResponse, SqsEvent};
use aws_lambda_events::streams::DynamoDbEventResponse;
use domain::Timestamp;
use domain::ports::Retries;
use lambda_runtime::{Error as RuntimeError, LambdaEvent, service_fn};
use protocol::stream::{Record, StreamEvent};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use telemetry::{Summary, field, metric};

use crate::batch::{self, Failed, Message};
use crate::deadline::Deadline;
use crate::http::{Request, Response};
use crate::records::{self, Source};
use crate::system::SystemClock;
use crate::websocket::{Answer, Call};

/// Answers the events of a WebSocket API's routes.
pub trait Routes: Send + Sync {
    /// Answers one event. A failure is an answer too.
    fn handle(&self, call: Call, summary: &mut Summary) -> impl Future<Output = Answer> + Send;
}

/// Answers the requests of an HTTP API's routes.
pub trait Endpoints: Send + Sync {
    /// Answers one request. A failure is an answer too.
    fn answer(&self, request: Request, summary: &mut Summary) -> impl Future<Output = Response> + Send;
}

/// Works off batches of a FIFO queue.
pub trait Batches: Send + Sync {
    /// Handles the messages of one event, by group, and returns those that failed. Groups do not
    /// wait for each other.
    fn handle(
        &self,
        groups: Vec<Vec<Message>>,
        deadline: Deadline,
        summary: &mut Summary,
    ) -> impl Future<Output = Vec<Failed>> + Send;
}

/// Works off records of a table's stream.
pub trait Records: Send + Sync {
    /// Handles the records of one event, in order, and returns the sequence numbers of those that
    /// failed. Lambda delivers the first of them and every record after it again, whatever the
    /// results of those.
    fn handle_records(
        &self,
        records: Vec<Record>,
        deadline: Deadline,
        summary: &mut Summary,
    ) -> impl Future<Output = Vec<String>> + Send;
}

/// Serves a WebSocket API's routes until Lambda ends the process.
pub async fn routes<H: Routes>(function: &'static str, wire: impl AsyncFnOnce() -> Result<H, String>) -> ExitCode {
    run(function, wire, async |handler: &H, event: LambdaEvent<ApiGatewayWebsocketProxyRequest>, summary| {
        let call = Call::from_event(event.payload)?;
        call.describe(summary);
        let answer = handler.handle(call, summary).await;
        summary.set(field::STATUS, answer.status);
        Ok::<ApiGatewayProxyResponse, RuntimeError>(answer.into_response())
    })
    .await
}

/// Serves an HTTP API's routes until Lambda ends the process.
pub async fn endpoints<H: Endpoints>(
    function: &'static str,
    wire: impl AsyncFnOnce() -> Result<H, String>,
) -> ExitCode {
    run(function, wire, async |handler: &H, event: LambdaEvent<ApiGatewayV2httpRequest>, summary| {
        let request = Request::from_event(event.payload)?;
        request.describe(summary);
        let response = handler.answer(request, summary).await;
        summary.set(field::STATUS, response.status);
        Ok::<ApiGatewayV2httpResponse, RuntimeError>(response.into_response())
    })
    .await
}

/// Works off a FIFO queue until Lambda ends the process.
pub async fn batches<H: Batches, R: Retries>(
    function: &'static str,
    wire: impl FnOnce() -> Result<(H, R), String>,
) -> ExitCode {
    run(
        function,
        async || wire(),
        async |(handler, retries): &(H, R), event: LambdaEvent<SqsEvent>, summary| {
            let deadline = deadline(&event);
            let failed = handler.handle(batch::by_group(event.payload), deadline, summary).await;
            Ok::<SqsBatchResponse, RuntimeError>(batch::report(failed, retries, deadline, &SystemClock, summary).await)
        },
    )
    .await
}

/// Works off a table's stream until Lambda ends the process.
pub async fn records<H: Records>(function: &'static str, wire: impl FnOnce() -> Result<H, String>) -> ExitCode {
    run(
        function,
        async || wire(),
        async |handler: &H, event: LambdaEvent<StreamEvent>, summary| {
            let deadline = deadline(&event);
            let failed = handler.handle_records(event.payload.records, deadline, summary).await;
            Ok::<DynamoDbEventResponse, RuntimeError>(records::report(failed, summary))
        },
    )
    .await
}

/// Works off a table's stream and a queue until Lambda ends the process. The source of each event
/// decides between the two.
pub async fn records_and_batches<H: Records + Batches, R: Retries>(
    function: &'static str,
    wire: impl FnOnce() -> Result<(H, R), String>,
) -> ExitCode {
    run(
        function,
        async || wire(),
        async |(handler, retries): &(H, R), event: LambdaEvent<Value>, summary| {
            let deadline = deadline(&event);
            match Source::of(&event.payload)? {
                Source::Stream => {
                    summary.set(field::ROUTE, "stream");
                    let StreamEvent { records } = serde_json::from_value(event.payload)?;
                    let failed = handler.handle_records(records, deadline, summary).await;
                    Ok::<Value, RuntimeError>(serde_json::to_value(records::report(failed, summary))?)
                }
                Source::Queue => {
                    summary.set(field::ROUTE, "queue");
                    let event: SqsEvent = serde_json::from_value(event.payload)?;
                    let failed = handler.handle(batch::by_group(event), deadline, summary).await;
                    Ok(serde_json::to_value(batch::report(failed, retries, deadline, &SystemClock, summary).await)?)
                }
            }
        },
    )
    .await
}

/// Returns the moment when Lambda kills the invocation of this event.
pub fn deadline<T>(event: &LambdaEvent<T>) -> Deadline {
    let since_epoch = event.context.deadline().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
    Deadline::at(Timestamp::from_ms(u64::try_from(since_epoch.as_millis()).unwrap_or(u64::MAX)))
}

/// Wires the function, then answers events until Lambda ends the process. Each event writes one
/// summary line.
///
/// A function that cannot be wired logs the reason in one sentence and ends: Lambda reports the
/// failed start.
pub async fn run<E, A, W>(
    function: &'static str,
    wire: impl AsyncFnOnce() -> Result<W, String>,
    handle: impl AsyncFn(&W, LambdaEvent<E>, &mut Summary) -> Result<A, RuntimeError>,
) -> ExitCode
where
    E: DeserializeOwned,
    A: Serialize,
{
    telemetry::init();
    let wired = match wire().await {
        Ok(wired) => wired,
        Err(problem) => return fail(function, "the function cannot start", &problem),
    };
    let answer = async |event: LambdaEvent<E>| {
        let mut summary = Summary::new(function);
        summary.set(field::REQUEST_ID, event.context.request_id.clone());
        let begun = Instant::now();
        // Boxed, because otherwise the compiler lays out the whole tree of futures at once, and
        // gives up.
        let answer = Box::pin(handle(&wired, event, &mut summary)).await;
        conclude(&mut summary, answer.as_ref().err(), begun.elapsed());
        answer
    };
    match lambda_runtime::run(service_fn(answer)).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => fail(function, "the runtime ended", &error),
    }
}

fn conclude(summary: &mut Summary, error: Option<&RuntimeError>, took: Duration) {
    match (error, summary.said(field::OUTCOME)) {
        (_, Some(_)) => {}
        (None, None) => summary.set(field::OUTCOME, "ok"),
        (Some(error), None) => {
            summary.set(field::OUTCOME, "failed");
            summary.set(field::ERROR, error.to_string());
            summary.add(metric::INVOCATIONS_FAILED, 1);
            tracing::error!({ field::ERROR.0 } = %error, "the invocation failed; its caller sees an error, or Lambda retries it");
        }
    }
    summary.set(field::DURATION_MS, u64::try_from(took.as_millis()).unwrap_or(u64::MAX));
    summary.emit();
}

fn fail(function: &'static str, what: &str, problem: &(impl Display + ?Sized)) -> ExitCode {
    tracing::error!({ field::FUNCTION.0 } = function, { field::ERROR.0 } = %problem, "{what}");
    ExitCode::FAILURE
}

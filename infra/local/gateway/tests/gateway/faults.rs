//! Tests the faults that a runner can inject, as callers and functions observe them.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use aws_sdk_apigatewaymanagement::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_apigatewaymanagement::operation::post_to_connection::PostToConnectionError;
use aws_smithy_types::timeout::TimeoutConfig;
use local_gateway::{CallFault, DisconnectFault, Hooks, ManagementCall, Stats};

use crate::support::*;

/// Hooks that inject these faults into the next call and the next `$disconnect`.
#[derive(Clone, Default)]
struct Next(Arc<Mutex<(Option<CallFault>, Option<DisconnectFault>)>>);

impl Hooks for Next {
    fn fault_of_call(&self, _call: &ManagementCall<'_>, age: &dyn Fn() -> Option<Duration>) -> Option<CallFault> {
        assert!(age().is_some_and(|age| age < Duration::from_secs(60)), "it is there, and young");
        self.0.lock().unwrap().0.take()
    }

    fn fault_of_disconnect(&self, _connection_id: &str) -> Option<DisconnectFault> {
        self.0.lock().unwrap().1.take()
    }
}

async fn with_hooks() -> (Running, Next, Client, String) {
    let next = Next::default();
    let running = Running::start_with(config(), usual_functions(), next.clone()).await;
    let (client, id) = running.connect_as().await;
    (running, next, client, id)
}

async fn post_under(fault: CallFault) -> (Result<(), SdkError<PostToConnectionError>>, Client, Stats) {
    let (running, next, client, id) = with_hooks().await;
    next.0.lock().unwrap().0 = Some(fault);
    let timeouts = TimeoutConfig::builder().operation_attempt_timeout(Duration::from_millis(500)).build();
    let config = running.sdk().config().to_builder().timeout_config(timeouts).build();
    let sdk = aws_sdk_apigatewaymanagement::Client::from_conf(config);
    let post = sdk.post_to_connection().connection_id(&id).data(b"hi".to_vec().into());
    let result = soon(post.send()).await.map(|_| ());
    running.post(&id, "afterwards").await;
    (result, client, running.gateway.stats())
}

#[tokio::test]
async fn a_call_can_be_refused_in_every_way_without_being_done() {
    type Counter = fn(&Stats) -> u64;
    let cases: [(CallFault, Option<&str>, Counter); 5] = [
        (CallFault::Gone, Some("GoneException"), |stats| stats.posts_gone),
        (CallFault::Throttled, Some("LimitExceededException"), |stats| stats.calls_throttled),
        (CallFault::Forbidden, Some("ForbiddenException"), |stats| stats.calls_forbidden),
        (CallFault::TooLarge, Some("PayloadTooLargeException"), |stats| stats.posts_too_large),
        (CallFault::Unavailable, None, |stats| stats.calls_unavailable),
    ];
    for (fault, code, counter) in cases {
        let (result, mut client, stats) = post_under(fault).await;
        assert_eq!(result.unwrap_err().into_service_error().code(), code);
        assert_eq!(counter(&stats), 1, "{fault:?} is counted");
        assert_eq!(text(&mut client).await, "afterwards");
    }
}

#[tokio::test]
async fn a_call_can_be_accepted_and_never_answered() {
    let (result, mut client, stats) = post_under(CallFault::Hang).await;
    assert_eq!(stats.calls_unanswered, 1);
    assert!(matches!(result, Err(SdkError::TimeoutError(_))), "{result:?}");
    assert_eq!(text(&mut client).await, "afterwards");
}

#[tokio::test]
async fn a_call_can_be_done_and_its_answer_lost() {
    let (result, mut client, stats) = post_under(CallFault::LoseResponse).await;
    assert_eq!(stats.calls_unanswered, 1);
    assert!(matches!(result, Err(SdkError::DispatchFailure(_))), "{result:?}");
    assert_eq!(text(&mut client).await, "hi");
}

#[tokio::test]
async fn a_call_can_be_late_and_its_connection_closed_after_it() {
    for fault in [CallFault::Delay(Duration::from_millis(50)), CallFault::CloseAfter] {
        let (result, mut client, _) = post_under(fault).await;
        result.unwrap();
        assert_eq!(text(&mut client).await, "hi");
    }
}

#[tokio::test]
async fn a_connection_can_be_cut_by_a_post_that_is_answered_and_lost() {
    let (running, next, mut client, id) = with_hooks().await;
    next.0.lock().unwrap().0 = Some(CallFault::Cut);
    running.post(&id, "lost").await;
    assert_eq!(close_frame(&mut client).await, (1001, "Going away".to_owned()));
}

#[tokio::test]
async fn a_disconnect_can_be_lost_late_or_repeated() {
    for (fault, invoked) in [
        (DisconnectFault::Drop, 0),
        (DisconnectFault::Delay(Duration::from_millis(50)), 1),
        (DisconnectFault::Repeat(Duration::from_millis(50)), 2),
    ] {
        let (running, next, mut client, _) = with_hooks().await;
        next.0.lock().unwrap().1 = Some(fault);
        client.close(None).await.unwrap();
        until_closed(&mut client).await;
        for _ in 0..invoked {
            running.functions.event("disconnect").await;
        }
        let (gateway, functions) = (running.gateway.clone(), Arc::clone(&running.functions));
        assert!(running.stop().await.complete);
        assert_eq!((gateway.stats().disconnects_invoked, functions.pending("disconnect")), (invoked, 0));
    }
}

//! Tests the management API through the AWS SDK and with hand-written requests.

use aws_sdk_apigatewaymanagement::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_apigatewaymanagement::operation::post_to_connection::PostToConnectionError;
use futures::StreamExt;
use local_gateway::{Access, Gateway, Hooks, ManagementCall, ManagementMethod, Rate};
use serde_json::Value;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio_tungstenite::tungstenite::Message;

use crate::support::*;

async fn post(running: &Running, id: &str, data: &[u8]) -> Result<(), PostToConnectionError> {
    let post = running.sdk().post_to_connection().connection_id(id).data(data.to_vec().into());
    soon(post.send()).await.map(|_| ()).map_err(SdkError::into_service_error)
}

fn path(id: &str) -> String {
    format!("/local/@connections/{id}")
}

#[tokio::test]
async fn a_post_is_one_text_frame() {
    let running = Running::usual().await;
    let (mut client, id) = running.connect_as().await;
    for data in ["hi", "", "€", &"x".repeat(131_072)] {
        post(&running, &id, data.as_bytes()).await.unwrap();
        assert_eq!(text(&mut client).await, data);
    }
    assert_eq!(running.gateway.stats().posts_delivered, 4);
}

#[tokio::test]
async fn a_successful_post_is_200_with_ids_and_an_empty_body() {
    let running = Running::usual().await;
    let (_client, id) = running.connect_as().await;
    let response = running.call("POST", &path(&id), "hi").await;
    assert_eq!((status(&response), body(&response)), (200, ""));
    assert_eq!(header(&response, "x-amzn-RequestId").map(str::len), Some(36));
    assert_eq!(header(&response, "x-amz-apigw-id").map(str::len), Some(16));
}

#[tokio::test]
async fn posts_of_one_caller_arrive_in_order() {
    let running = Running::usual().await;
    let (mut client, id) = running.connect_as().await;
    for number in 0..100 {
        running.post(&id, &number.to_string()).await;
    }
    for number in 0..100 {
        assert_eq!(text(&mut client).await, number.to_string());
    }
}

#[tokio::test]
async fn bytes_that_are_no_utf_8_become_replacement_characters() {
    let running = Running::usual().await;
    let (mut client, id) = running.connect_as().await;
    post(&running, &id, &[b'a', 0xff, b'b']).await.unwrap();
    assert_eq!(text(&mut client).await, "a\u{fffd}b");
}

#[tokio::test]
async fn an_id_is_found_percent_encoded_in_any_way_or_not_at_all() {
    let running = Running::usual().await;
    let (mut client, id) = running.connect_as().await;
    let upper = id.replace('=', "%3D").replace('/', "%2F").replace('+', "%2B");
    let lower = id.replace('=', "%3d").replace('/', "%2f").replace('+', "%2b");
    for path in [path(&id), path(&upper), path(&lower), format!("/local/%40connections/{upper}")] {
        assert_eq!(status(&running.call("POST", &path, "hi").await), 200, "{path}");
        assert_eq!(text(&mut client).await, "hi");
    }
}

#[tokio::test]
async fn a_closed_or_unknown_connection_is_gone() {
    let running = Running::usual().await;
    let (mut client, id) = running.connect_as().await;
    client.close(None).await.unwrap();
    running.functions.event("disconnect").await;
    for id in [id.as_str(), "AAAA1234=", "Qyi07eCbtjMCJKw="] {
        assert!(post(&running, id, b"hi").await.unwrap_err().is_gone_exception());
        let got = soon(running.sdk().get_connection().connection_id(id).send()).await;
        assert!(got.unwrap_err().into_service_error().is_gone_exception());
        let deleted = soon(running.sdk().delete_connection().connection_id(id).send()).await;
        assert!(deleted.unwrap_err().into_service_error().is_gone_exception());
    }
    let response = running.call("POST", &path(&id), "hi").await;
    assert_eq!(
        (status(&response), header(&response, "x-amzn-ErrorType"), body(&response)),
        (410, Some("GoneException"), "")
    );
}

#[tokio::test]
async fn what_can_be_no_id_is_a_bad_request() {
    let running = Running::usual().await;
    let error = post(&running, "undefined", b"hi").await.unwrap_err();
    assert_eq!((error.code(), error.message()), (Some("BadRequestException"), Some("Invalid connectionId: undefined")));
}

#[tokio::test]
async fn a_post_before_connect_has_returned_is_gone() {
    let gate = Gate::closed();
    let running = Running::start(config(), usual_functions().gated("connect", &gate, ok())).await;
    let url = running.url();
    let connecting = tokio::spawn(async move { tokio_tungstenite::connect_async(url).await });
    let event = running.functions.json_event("connect").await;
    let id = event["requestContext"]["connectionId"].as_str().unwrap();
    assert!(post(&running, id, b"too early").await.unwrap_err().is_gone_exception());
    gate.open();
    let mut client = soon(connecting).await.unwrap().unwrap().0;
    post(&running, id, b"now").await.unwrap();
    assert_eq!(text(&mut client).await, "now");
}

#[tokio::test]
async fn a_post_above_128_kb_is_too_large_and_the_caller_gets_to_hear_it() {
    let running = Running::usual().await;
    let (_client, id) = running.connect_as().await;
    for bytes in [131_073, 8 * 1024 * 1024] {
        let error = post(&running, &id, &vec![b'x'; bytes]).await.unwrap_err();
        assert!(error.is_payload_too_large_exception(), "{error:?}");
    }
    assert_eq!(status(&running.call("POST", &path(&id), &"x".repeat(131_073)).await), 413);
    assert_eq!(running.gateway.stats().posts_too_large, 3);
}

#[tokio::test]
async fn an_exhausted_account_is_a_limit_exceeded() {
    let mut config = config();
    config.limits.account_rate = Some(Rate { per_second: 1, burst: 3 });
    let running = Running::start(config, usual_functions()).await;
    let (_client, id) = running.connect_as().await;
    post(&running, &id, b"1").await.unwrap();
    post(&running, &id, b"2").await.unwrap();
    assert!(post(&running, &id, b"3").await.unwrap_err().is_limit_exceeded_exception());
    let response = running.call("POST", &path(&id), "4").await;
    assert_eq!((status(&response), header(&response, "x-amzn-ErrorType")), (429, Some("LimitExceededException")));
    assert_eq!(running.gateway.stats().calls_throttled, 2);
}

#[tokio::test]
async fn a_client_that_does_not_read_is_a_limit_exceeded_and_slows_down_nobody_else() {
    let mut config = config();
    config.limits.outbound_buffer_bytes = 256 * 1024;
    config.limits.socket_send_buffer_bytes = Some(16 * 1024);
    let running = Running::start(config, usual_functions()).await;
    let (mut slow, slow_id) = running.connect_as().await;
    let (mut quick, quick_id) = running.connect_as().await;
    let frame = vec![b'x'; 64 * 1024];
    let mut accepted = 0;
    let error = loop {
        match post(&running, &slow_id, &frame).await {
            Ok(()) => accepted += 1,
            Err(error) => break error,
        }
        assert!(accepted < 1_000, "the buffer has no end");
    };
    assert!(error.is_limit_exceeded_exception());
    assert_eq!(running.gateway.stats().posts_buffer_full, 1);
    post(&running, &quick_id, b"hi").await.unwrap();
    assert_eq!(text(&mut quick).await, "hi");
    // The accepted frames arrive as soon as the client reads, and then the buffer has room again.
    for _ in 0..accepted {
        assert_eq!(text(&mut slow).await.len(), frame.len());
    }
    post(&running, &slow_id, b"again").await.unwrap();
    assert_eq!(text(&mut slow).await, "again");
}

#[tokio::test]
async fn a_client_that_does_not_read_is_still_heard() {
    let mut config = config();
    config.routes.push(route("tell", "tell", false));
    config.limits.outbound_buffer_bytes = 64 * 1024;
    config.limits.socket_send_buffer_bytes = Some(16 * 1024);
    let running = Running::start(config, usual_functions().answering("tell", ok())).await;
    let (mut client, id) = running.connect_as().await;
    while post(&running, &id, &[b'x'; 16 * 1024]).await.is_ok() {}
    send(&mut client, r#"{"action":"tell"}"#).await;
    running.functions.event("tell").await;
}

#[tokio::test]
async fn get_says_when_a_client_came_and_was_last_active_and_who_it_is() {
    let running = Running::usual().await;
    let mut stream = raw_client(&running, &opening("/local", "User-Agent: Mozilla/5.0\r\n")).await;
    let connect = running.functions.json_event("connect").await;
    let id = connect["requestContext"]["connectionId"].as_str().unwrap().to_owned();
    let response = running.call("GET", &path(&id), "").await;
    assert_eq!(status(&response), 200);
    let parsed: Value = serde_json::from_str(body(&response)).unwrap();
    let (connected, active) = (parsed["connectedAt"].as_str().unwrap(), parsed["lastActiveAt"].as_str().unwrap());
    let expected = format!(
        r#"{{"connectedAt":"{connected}","identity":{{"sourceIp":"127.0.0.1","userAgent":"Mozilla/5.0"}},"lastActiveAt":"{active}"}}"#
    );
    assert_eq!(body(&response), expected);
    assert_eq!(connected.len(), "2024-02-09T18:11:43.419Z".len());
    let info = soon(running.sdk().get_connection().connection_id(&id).send()).await.unwrap();
    assert_eq!(
        info.connected_at().unwrap().to_millis().unwrap(),
        connect["requestContext"]["connectedAt"].as_i64().unwrap()
    );
    assert!(info.last_active_at().unwrap() >= info.connected_at().unwrap());
    assert_eq!(info.identity().unwrap().user_agent(), Some("Mozilla/5.0"));
    stream.write_all(&[0x81, 0x82, 0, 0, 0, 0, b'h', b'i']).await.unwrap();
    stream.read_u8().await.unwrap();
    let later = soon(running.sdk().get_connection().connection_id(&id).send()).await.unwrap();
    assert!(later.last_active_at().unwrap() >= info.last_active_at().unwrap());
    assert_eq!(running.gateway.stats().gets, 3);
}

#[tokio::test]
async fn delete_is_204_closes_with_1000_after_what_was_posted_and_the_connection_is_gone_at_once() {
    let running = Running::usual().await;
    let (mut client, id) = running.connect_as().await;
    post(&running, &id, b"last words").await.unwrap();
    let response = running.call("DELETE", &path(&id), "").await;
    assert_eq!((status(&response), body(&response)), (204, ""));
    assert!(post(&running, &id, b"too late").await.unwrap_err().is_gone_exception());
    assert_eq!(text(&mut client).await, "last words");
    assert_eq!(close_frame(&mut client).await, (1000, "Connection Closed Normally".to_owned()));
    let event = running.functions.json_event("disconnect").await;
    assert_eq!(event["requestContext"]["disconnectStatusCode"], 1000);
    assert_eq!(event["requestContext"]["disconnectReason"], "Connection Closed Normally");
}

#[tokio::test]
async fn delete_closes_a_client_that_does_not_read() {
    let mut config = config();
    config.limits.outbound_buffer_bytes = 64 * 1024;
    config.limits.socket_send_buffer_bytes = Some(16 * 1024);
    config.limits.close_timeout = std::time::Duration::from_millis(100);
    let running = Running::start(config, usual_functions()).await;
    let (_client, id) = running.connect_as().await;
    while post(&running, &id, &[b'x'; 16 * 1024]).await.is_ok() {}
    soon(running.sdk().delete_connection().connection_id(&id).send()).await.unwrap();
    let event = running.functions.json_event("disconnect").await;
    assert_eq!(event["requestContext"]["disconnectStatusCode"], 1000);
}

#[tokio::test]
async fn the_wrong_stage_path_or_method_is_forbidden() {
    let running = Running::usual().await;
    let (_client, id) = running.connect_as().await;
    let post = running.sdk_at("prod").post_to_connection().connection_id(&id).data(b"hi".to_vec().into());
    assert!(soon(post.send()).await.unwrap_err().into_service_error().is_forbidden_exception());
    for (method, path) in
        [("POST", format!("/@connections/{id}")), ("POST", "/local/@connections".to_owned()), ("PUT", path(&id))]
    {
        let response = running.call(method, &path, "").await;
        assert_eq!((status(&response), body(&response)), (403, r#"{"message":"Forbidden"}"#), "{method} {path}");
        assert_eq!(header(&response, "x-amzn-ErrorType"), Some("ForbiddenException"));
    }
}

#[tokio::test]
async fn a_call_must_be_signed_for_execute_api() {
    let running = Running::usual().await;
    let (_client, id) = running.connect_as().await;
    let unsigned = format!("POST {} HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\nhi", path(&id));
    let response = running.raw(unsigned).await;
    assert_eq!((status(&response), body(&response)), (403, r#"{"message":"Missing Authentication Token"}"#));
    assert_eq!(header(&response, "x-amzn-ErrorType"), Some("MissingAuthenticationTokenException"));
    let wrong = signed("POST", &path(&id), "AKIDTEST/20240209/us-east-1/apigateway/aws4_request", "hi");
    let response = running.raw(wrong).await;
    assert_eq!(
        (status(&response), body(&response)),
        (403, r#"{"message":"Credential should be scoped to correct service: 'execute-api'. "}"#)
    );
    assert_eq!(running.gateway.stats().calls_forbidden, 2);
}

struct OnlyPosts(Arc<Mutex<Vec<String>>>);

impl Hooks for OnlyPosts {
    fn authorize(&self, call: &ManagementCall<'_>) -> Access {
        self.0.lock().unwrap().push(format!("{} {:?} {}", call.access_key_id, call.method, call.connection_id));
        match call.method {
            ManagementMethod::Post => Access::Allow,
            _ => Access::Deny("nobody is authorized to perform that".to_owned()),
        }
    }
}

#[tokio::test]
async fn a_caller_may_do_what_it_was_granted_and_nothing_else() {
    let calls = Arc::default();
    let running = Running::start_with(config(), usual_functions(), OnlyPosts(Arc::clone(&calls))).await;
    let (mut client, id) = running.connect_as().await;
    post(&running, &id, b"hi").await.unwrap();
    assert_eq!(text(&mut client).await, "hi");
    let deleted = soon(running.sdk().delete_connection().connection_id(&id).send()).await;
    let error = deleted.unwrap_err().into_service_error();
    assert_eq!(error.meta().code(), Some("AccessDeniedException"));
    assert_eq!(error.meta().message(), Some("nobody is authorized to perform that"));
    assert_eq!(running.gateway.stats().calls_forbidden, 1);
    assert_eq!(*calls.lock().unwrap(), [format!("AKIDTEST Post {id}"), format!("AKIDTEST Delete {id}")]);
    running.post(&id, "still there").await;
}

#[tokio::test]
async fn a_peer_that_vanished_without_a_close_is_posted_to_until_it_is_noticed() {
    // The other end of the stream neither reads nor closes, like a laptop that was shut.
    let functions = Arc::new(usual_functions());
    let gateway = Gateway::new(config(), Arc::clone(&functions)).unwrap();
    let (mut client, server) = tokio::io::duplex(4 * 1024);
    let serving = gateway.clone();
    tokio::spawn(async move { serving.serve_stream(server, "192.0.2.1".parse().unwrap()).await });
    client.write_all(opening("/local", "").as_bytes()).await.unwrap();
    let event = functions.json_event("connect").await;
    let id = event["requestContext"]["connectionId"].as_str().unwrap().to_owned();
    assert_eq!(event["requestContext"]["identity"]["sourceIp"], "192.0.2.1");
    let post = |data: &str| {
        let (gateway, request) =
            (gateway.clone(), signed("POST", &path(&id), "K/20240209/us-east-1/execute-api/aws4_request", data));
        async move {
            let (mut caller, server) = tokio::io::duplex(1024 * 1024);
            tokio::spawn(async move { gateway.serve_stream(server, "192.0.2.2".parse().unwrap()).await });
            caller.write_all(request.as_bytes()).await.unwrap();
            let mut head = [0; 12];
            soon(caller.read_exact(&mut head)).await.unwrap();
            String::from_utf8_lossy(&head).into_owned()
        }
    };
    for _ in 0..3 {
        assert_eq!(post(&"x".repeat(100_000)).await, "HTTP/1.1 200");
    }
    drop(client);
    functions.event("disconnect").await;
    assert_eq!(post("anybody?").await, "HTTP/1.1 410");
}

#[tokio::test]
async fn one_connection_carries_many_calls() {
    let running = Running::usual().await;
    let (mut client, id) = running.connect_as().await;
    let call = signed("POST", &path(&id), "AKIDTEST/20240209/us-east-1/execute-api/aws4_request", "hi");
    let (first, mut stream) = running.exchange(&call).await;
    assert_eq!(status(&first), 200);
    // The three calls are pipelined: the gateway answers them one after the other.
    stream.write_all(call.repeat(3).as_bytes()).await.unwrap();
    for _ in 0..3 {
        assert_eq!(status(&read_response(&mut stream).await), 200);
    }
    for _ in 0..4 {
        assert_eq!(soon(client.next()).await.unwrap().unwrap(), Message::text("hi"));
    }
}

#[tokio::test]
async fn a_call_takes_the_time_that_it_is_asked_to_take_and_calls_do_not_wait_for_each_other() {
    let latency = Duration::from_millis(200);
    let mut config = config();
    config.limits.call_latency = latency;
    let running = Running::start(config, usual_functions()).await;
    let (mut client, id) = running.connect_as().await;
    let begun = Instant::now();
    let posts = (0..20).map(|number| running.post(&id, if number == 0 { "first" } else { "other" }));
    futures::future::join_all(posts).await;
    assert!(begun.elapsed() >= latency && begun.elapsed() < 20 * latency, "{:?}", begun.elapsed());
    assert!(["first", "other"].contains(&text(&mut client).await.as_str()));
}

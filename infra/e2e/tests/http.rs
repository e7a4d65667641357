//! Tests the HTTP API for backends on real processes, with a client that knows HTTP and nothing of
//! AWS.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests fail by panicking")]

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use domain::ports::Holds;
use domain::{RoomId, Timestamp, limits};
use e2e::{Member, everything, start, tables, token, topology_with, until};
use http_body_util::{BodyExt, Full};
use hyper::body::Bytes;
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use local::{Options, Stack};
use serde_json::{Value, json};

/// A reply of the API.
struct Reply {
    status: u16,
    retry_after: Option<String>,
    body: Value,
}

/// A client of the HTTP API with one value of `Authorization`.
struct Backend<'s> {
    stack: &'s Stack,
    authorization: String,
}

impl<'s> Backend<'s> {
    /// A backend that may do everything.
    fn shop(stack: &'s Stack) -> Self {
        let all = json!({ "publish": ["*"], "read": ["*"], "close": ["*"] });
        Self::with_claims(stack, json!({ "sub": "shop", "backend": all }))
    }

    fn with_claims(stack: &'s Stack, claims: Value) -> Self {
        Self { stack, authorization: format!("Bearer {}", token(claims)) }
    }

    async fn send(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Reply {
        let url = self.stack.addresses().http_url.as_ref().unwrap();
        let mut request = hyper::Request::builder().method(method).uri(format!("{url}{path}"));
        if !self.authorization.is_empty() {
            request = request.header("authorization", &self.authorization);
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let client: Client<_, Full<Bytes>> = Client::builder(TokioExecutor::new()).build_http();
        let response = client.request(request.body(body.to_owned().into()).unwrap()).await.unwrap();
        let status = response.status().as_u16();
        let retry_after = response.headers().get("retry-after").map(|value| value.to_str().unwrap().to_owned());
        let body = response.into_body().collect().await.unwrap().to_bytes();
        Reply { status, retry_after, body: serde_json::from_slice(&body).unwrap() }
    }

    async fn publish(&self, room: &str, key: &str, body: Value) -> Reply {
        let headers = [("idempotency-key", key), ("content-type", "application/json")];
        self.send("POST", &format!("/rooms/{room}/publications"), &headers, &body.to_string()).await
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_member_receives_once_what_a_backend_posts_twice_with_one_key() {
    let (stack, url) = start(everything()).await;
    let mut ada = Member::connect(&url, "ada").await;
    ada.join("team:7").await;
    let shop = Backend::shop(&stack);
    let first = shop.publish("team%3A7", "order-7", json!({ "data": { "text": "shipped" } })).await;
    assert_eq!(first.status, 202, "{}", first.body);
    assert_eq!(first.body["results"], json!([{ "status": "accepted", "id": "order-7" }]));
    ada.hear("team:7", 1).await;
    let again = shop.publish("team:7", "order-7", json!({ "data": { "text": "shipped" } })).await;
    let expected = &again.body["results"][0];
    assert_eq!((again.status, &expected["status"], &expected["seq"]), (202, &json!("repeated"), &json!(1)));
    shop.publish("team:7", "order-8", json!({ "data": 8 })).await;
    ada.hear("team:7", 2).await;
    assert_eq!(ada.heard("team:7"), ["order-7", "order-8"]);
    stack.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_good_entries_of_a_list_are_delivered_in_order_and_the_bad_one_is_named() {
    let (stack, url) = start(everything()).await;
    let mut ada = Member::connect(&url, "ada").await;
    ada.join("lobby").await;
    let items = json!([{ "data": 1 }, { "id": "no data" }, { "id": "own", "by": "bob", "data": 3 }]);
    let shop = Backend::shop(&stack);
    // A form's type makes the gateway pass the body on in base64, as curl -d does.
    let headers = [("idempotency-key", "batch"), ("content-type", "application/x-www-form-urlencoded")];
    let body = json!({ "items": items }).to_string();
    let reply = shop.send("POST", "/rooms/lobby/publications", &headers, &body).await;
    assert_eq!(reply.status, 207, "{}", reply.body);
    assert_eq!(reply.body["results"][1]["err"]["field"], "items[1].id");
    ada.hear("lobby", 2).await;
    assert_eq!(ada.heard("lobby"), ["batch.0", "own"]);
    stack.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_without_a_good_credential_is_401_and_one_beyond_its_scope_403() {
    let (stack, _) = start(everything()).await;
    let nameless = Backend { stack: &stack, authorization: String::new() };
    let scope = json!({ "publish": ["team:*"] });
    let narrow = Backend::with_claims(&stack, json!({ "sub": "shop", "backend": scope }));
    let changed = Backend { stack: &stack, authorization: format!("{}x", narrow.authorization) };
    let user = Backend::with_claims(&stack, json!({ "sub": "ada" }));
    let twice = [("authorization", narrow.authorization.as_str())];
    for (backend, headers, status, code) in [
        (&nameless, &[][..], 401, "invalid_token"),
        (&changed, &[], 401, "invalid_token"),
        (&narrow, &twice, 401, "invalid_token"),
        (&user, &[], 403, "forbidden"),
        (&narrow, &[], 403, "forbidden"),
    ] {
        let reply = backend.send("POST", "/rooms/lobby/publications", headers, r#"{"data":1}"#).await;
        assert_eq!((reply.status, &reply.body["err"]["code"]), (status, &json!(code)), "{}", reply.body);
    }
    assert_eq!(narrow.publish("team:7", "k", json!({ "data": 1 })).await.status, 202);
    assert_eq!(narrow.send("GET", "/rooms/team:7", &[], "").await.status, 403);
    assert_eq!(narrow.send("GET", "/rooms/team:7/other", &[], "").await.body, json!({ "message": "Not Found" }));
    stack.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_of_a_backend_opens_no_connection() {
    let (stack, url) = start(everything()).await;
    let backend = token(json!({ "sub": "shop", "backend": { "publish": ["*"] } }));
    let refused = tokio_tungstenite::connect_async(format!("{url}?token={backend}")).await.unwrap_err();
    let tokio_tungstenite::tungstenite::Error::Http(response) = refused else { panic!("{refused}") };
    assert_eq!(response.status().as_u16(), 401);
    stack.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_room_that_holds_as_many_as_it_may_asks_a_backend_to_wait() {
    let (stack, _) = start(everything()).await;
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let now = Timestamp::from_ms(u64::try_from(now.as_millis()).unwrap());
    let full = u32::try_from(limits::HELD_PER_ROOM).unwrap();
    tables(&stack).hold(&RoomId::parse("lobby").unwrap(), full, now).await.unwrap();
    let shop = Backend::shop(&stack);
    let reply = shop.publish("lobby", "k", json!({ "data": 1 })).await;
    assert_eq!((reply.status, reply.retry_after.as_deref()), (429, Some("5")), "{}", reply.body);
    assert_eq!(reply.body["err"]["code"], "rate_limited");
    assert_eq!(shop.publish("other", "k", json!({ "data": 1 })).await.status, 202);
    stack.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_backend_posts_to_a_room_that_holds_publications_is_held_and_arrives() {
    let (stack, url) = start(everything()).await;
    let mut ada = Member::connect(&url, "ada").await;
    ada.join("lobby").await;
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let now = Timestamp::from_ms(u64::try_from(now.as_millis()).unwrap());
    tables(&stack).hold(&RoomId::parse("lobby").unwrap(), 1, now).await.unwrap();
    let shop = Backend::shop(&stack);
    assert_eq!(shop.publish("lobby", "held", json!({ "data": 1 })).await.status, 202);
    ada.hear("lobby", 1).await;
    assert_eq!(ada.heard("lobby"), ["held"]);
    stack.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backend_reads_a_room_and_pages_of_its_log() {
    let (stack, url) = start(everything()).await;
    let mut ada = Member::connect(&url, "ada").await;
    ada.join("lobby").await;
    let shop = Backend::shop(&stack);
    for number in 1..=3 {
        assert_eq!(shop.publish("lobby", &format!("p{number}"), json!({ "data": number })).await.status, 202);
        ada.hear("lobby", number).await;
    }
    let room = until("the count of the room", async || {
        let room = shop.send("GET", "/rooms/lobby", &[], "").await;
        (room.body["members"] == 1).then_some(room)
    })
    .await;
    assert_eq!((room.status, &room.body["seq"]), (200, &json!(3)), "{}", room.body);
    let newest = shop.send("GET", "/rooms/lobby/history?limit=2", &[], "").await;
    assert_eq!((newest.status, &newest.body["before"]), (200, &json!(2)), "{}", newest.body);
    let oldest = shop.send("GET", "/rooms/lobby/history?before=2", &[], "").await;
    assert_eq!((&oldest.body["ep"], oldest.body.get("before")), (&room.body["ep"], None), "{}", oldest.body);
    assert_eq!(shop.send("GET", "/rooms/lobby/history?limit=0", &[], "").await.status, 400);
    stack.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backend_closes_the_connections_of_a_user_within_2_s() {
    let (stack, url) = start(everything()).await;
    let mut phone = Member::with_claims(&url, json!({ "sub": "bob", "device": "phone" })).await;
    let mut laptop = Member::with_claims(&url, json!({ "sub": "bob", "device": "laptop" })).await;
    let began = Instant::now();
    let reply = Backend::shop(&stack).send("DELETE", "/users/bob/connections", &[], "").await;
    assert_eq!((reply.status, reply.body), (202, json!({ "user": "bob" })));
    assert_eq!((phone.until_closed().await, laptop.until_closed().await), (1000, 1000));
    assert!(began.elapsed() < Duration::from_secs(2), "{:?}", began.elapsed());
    stack.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backend_without_tokens_signs_its_requests() {
    let secret = [7_u8; 32];
    let keys = json!({ "k1": {
        "name": "cron", "secret": URL_SAFE_NO_PAD.encode(secret), "scope": { "publish": ["lobby"] },
    } });
    let folder = topology_with(&[]);
    let settings = folder.path().join("local.yaml");
    let text = std::fs::read_to_string(&settings).unwrap();
    std::fs::write(&settings, text.replace("secrets:\n", &format!("secrets:\n  request_keys: '{keys}'\n"))).unwrap();
    let options = Options { topology: folder.path().join("topology.yaml"), ..everything() };
    let (stack, url) = start(options).await;
    let mut ada = Member::connect(&url, "ada").await;
    ada.join("lobby").await;
    let body = r#"{"data":{"text":"It is five"}}"#;
    let sign = |seconds: u64| {
        let hash = hexadecimal(ring::digest::digest(&ring::digest::SHA256, body.as_bytes()).as_ref());
        let lines = format!(
            "Roomcast-HMAC-SHA256\n{seconds}\nPOST /rooms/{{room}}/publications\nlobby\n\nfive-o-clock\n{hash}"
        );
        let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, &secret);
        let signature = hexadecimal(ring::hmac::sign(&key, lines.as_bytes()).as_ref());
        format!("Roomcast-HMAC-SHA256 k1:{seconds}:{signature}")
    };
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let send = async |seconds| {
        let backend = Backend { stack: &stack, authorization: sign(seconds) };
        let headers = [("idempotency-key", "five-o-clock")];
        backend.send("POST", "/rooms/lobby/publications", &headers, body).await
    };
    let reply = send(now).await;
    assert_eq!(reply.status, 202, "{}", reply.body);
    ada.hear("lobby", 1).await;
    assert_eq!(ada.heard("lobby"), ["five-o-clock"]);
    assert_eq!(send(now).await.body["results"][0]["status"], "repeated", "a copy publishes nothing");
    let late = send(now - 600).await;
    assert_eq!((late.status, &late.body["err"]["code"]), (401, &json!("invalid_token")), "{}", late.body);
    stack.shutdown().await;
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

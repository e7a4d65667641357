//! Requests of backends over HTTP: who may do what, ids and repeats, rates, reads, and failures.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests fail by panicking")]

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use domain::limits::PUBLICATIONS_PER_TRANSACTION as PER_TRANSACTION;
use domain::ports::{Clock, Commands, Error, Holds, Result, Rooms};
use domain::{UserId, limits, plan};
use jsonwebtoken::{EncodingKey, Header};
use lambda_kit::http::{Request, Response};
use lambda_kit::start::Endpoints;
use publish_api::{CLOSE, HISTORY, PUBLISH, PublishApi, ROOM};
use serde_json::{Value, json};
use telemetry::Summary;
use testkit::faults::{Fault, Faulty, How, Operation, Plan};
use testkit::{World, samples};
use tokens::Verifier;

const SECRET: &[u8] = b"a token key of 32 bytes or more!";
const SIGNING: &[u8] = b"a signing key of 32 bytes or more";

/// The topic of commands in memory.
#[derive(Debug, Clone, Default)]
struct Orders(Arc<Mutex<Vec<String>>>, bool);

impl Commands for Orders {
    async fn close_user(&self, user: &UserId) -> Result<()> {
        if self.1 {
            return Err(Error::Throttled { operation: "SNS Publish" });
        }
        self.0.lock().unwrap().push(user.to_string());
        Ok(())
    }
}

/// A token with these claims.
fn token(mut claims: Value) -> String {
    claims["exp"] = json!(samples::NOW.as_s() + 60);
    jsonwebtoken::encode(&Header::default(), &claims, &EncodingKey::from_secret(SECRET)).unwrap()
}

/// The credential of the backend `shop`, which may do everything.
fn shop() -> String {
    let all = json!({ "publish": ["*"], "read": ["*"], "close": ["*"] });
    format!("Bearer {}", token(json!({ "sub": "shop", "backend": all })))
}

fn verifier() -> Verifier {
    let keys = json!({ "dev": URL_SAFE_NO_PAD.encode(SECRET) }).to_string();
    let signing = json!({ "k1": {
        "name": "shop", "secret": URL_SAFE_NO_PAD.encode(SIGNING), "scope": { "publish": ["*"] },
    } });
    Verifier::new(Some(&keys), None, None, None).unwrap().with_signing_keys(&signing.to_string()).unwrap()
}

fn request(route: &str, name: &str, authorization: &str, body: &str) -> Request {
    let parameter = if route == CLOSE { "user" } else { "room" };
    let mut request = Request {
        route: route.to_owned(),
        request_id: "JKJaXmPLvHcESHA=".to_owned(),
        parameters: HashMap::from([(parameter.to_owned(), name.to_owned())]),
        query: BTreeMap::new(),
        body: body.as_bytes().to_vec(),
        ..Request::default()
    };
    if !authorization.is_empty() {
        request.headers.insert("authorization", authorization.parse().unwrap());
    }
    request
}

fn keyed(mut request: Request, key: &str) -> Request {
    request.headers.insert("idempotency-key", key.parse().unwrap());
    request
}

async fn answer_under(world: &World, plan: Plan, orders: &Orders, request: Request) -> (Response, Value) {
    let (store, queues) = (Faulty::new(world.store.clone(), plan.clone()), Faulty::new(world.queues.clone(), plan));
    let api = PublishApi::new(store, queues, orders.clone(), verifier(), world.clock.clone());
    let response = api.answer(request, &mut Summary::new("publish-api")).await;
    let body = serde_json::from_str(&response.body).unwrap();
    (response, body)
}

async fn answer(world: &World, request: Request) -> (u16, Value) {
    let (response, body) = answer_under(world, Plan::new(), &Orders::default(), request).await;
    (response.status, body)
}

async fn publish(world: &World, body: Value) -> (u16, Value) {
    answer(world, request(PUBLISH, "lobby", &shop(), &body.to_string())).await
}

fn queued_ids(world: &World) -> Vec<String> {
    let bodies = world.queues.publications.bodies();
    bodies.into_iter().flat_map(|submission| submission.items).map(|item| item.id.to_string()).collect()
}

#[tokio::test]
async fn a_publication_is_queued_under_its_own_id_and_the_backends_name() {
    let world = World::new();
    let (status, body) = publish(&world, json!({ "id": "order-7", "by": "shop", "data": { "n": 1 } })).await;
    assert_eq!(status, 202);
    assert_eq!(body, json!({ "room": "lobby", "results": [{ "status": "accepted", "id": "order-7" }] }));
    let queued = &world.queues.publications.bodies()[0];
    assert_eq!((queued.publisher.as_str(), queued.by.as_ref(), queued.room.as_str()), ("*http:shop", "shop", "lobby"));
    assert_eq!(queued.items[0].data.as_json(), r#"{"n":1}"#);
    assert!(queued.publisher.is_backend(), "it is held like every backend");
}

#[tokio::test]
async fn without_an_id_the_idempotency_key_or_the_request_names_the_publication() {
    let world = World::new();
    let one = request(PUBLISH, "lobby", &shop(), r#"{"data":1}"#);
    let list = request(PUBLISH, "lobby", &shop(), r#"{"items":[{"data":1},{"id":"own","data":2},{"data":3}]}"#);
    for request in [keyed(one.clone(), "k-1"), keyed(one.clone(), "\"k-2\""), one, keyed(list, "k-3")] {
        assert_eq!(answer(&world, request).await.0, 202);
    }
    assert_eq!(queued_ids(&world), ["k-1", "k-2", "JKJaXmPLvHcESHA=", "k-3.0", "own", "k-3.2"]);
}

#[tokio::test]
async fn a_bad_idempotency_key_is_refused_and_nothing_is_published() {
    let world = World::new();
    for key in ["a b", "", "a,b", "a#b", &"k".repeat(63)] {
        let (status, body) = answer(&world, keyed(request(PUBLISH, "lobby", &shop(), r#"{"data":1}"#), key)).await;
        assert_eq!((status, &body["err"]["field"]), (400, &json!("Idempotency-Key")), "{key}: {body}");
    }
    assert!(queued_ids(&world).is_empty());
}

#[tokio::test]
async fn a_repeat_is_answered_with_the_position_of_the_first() {
    let world = World::new();
    publish(&world, json!({ "id": "order-7", "data": 1 })).await;
    let submission = world.queues.publications.bodies()[0].clone();
    let head = world.store.create(&submission.room, &samples::epoch("k7Qf"), samples::NOW).await.unwrap();
    for append in plan(&head, &HashSet::new(), [&submission], samples::NOW, PER_TRANSACTION) {
        world.store.append(&append).await.unwrap();
    }
    let (status, body) = publish(&world, json!({ "id": "order-7", "data": 1 })).await;
    assert_eq!(status, 202);
    let repeated = json!({ "status": "repeated", "id": "order-7", "ep": samples::epoch("k7Qf"), "seq": 1 });
    assert_eq!(body["results"], json!([repeated]));
}

#[tokio::test]
async fn a_bad_entry_is_named_and_the_others_are_published_in_order() {
    let world = World::new();
    let items =
        json!([{ "id": "p1", "data": 1 }, { "id": "p2" }, { "id": "p1", "data": 3 }, { "id": "p4", "data": 4 }]);
    let (status, body) = publish(&world, json!({ "items": items })).await;
    assert_eq!(status, 207);
    let results = body["results"].as_array().unwrap();
    let statuses: Vec<&Value> = results.iter().map(|result| &result["status"]).collect();
    assert_eq!(statuses, ["accepted", "refused", "refused", "accepted"]);
    assert_eq!(
        (&results[1]["err"]["field"], &results[2]["err"]["field"]),
        (&json!("items[1].data"), &json!("items[2].id"))
    );
    assert_eq!((queued_ids(&world), body.get("err")), (vec!["p1".to_owned(), "p4".to_owned()], None));
    let (status, body) = publish(&world, json!({ "items": [{ "id": "p5" }] })).await;
    assert_eq!((status, &body["err"]["code"]), (400, &json!("invalid_field")));
}

#[tokio::test]
async fn credentials_are_refused_with_the_reason_and_without_what_they_hold() {
    let world = World::new();
    let good = token(json!({ "sub": "shop", "backend": { "publish": ["team:*"] } }));
    let user = token(json!({ "sub": "ada" }));
    let cases = [
        (String::new(), 401, "invalid_token"),
        ("Bearer".to_owned(), 401, "invalid_token"),
        (format!("Basic {good}"), 401, "invalid_token"),
        (format!("Bearer {good},Bearer {good}"), 401, "invalid_token"),
        (format!("Bearer {good}x"), 401, "invalid_token"),
        (format!("Bearer {user}"), 403, "forbidden"),
        (format!("Bearer {good}"), 403, "forbidden"),
        ("Roomcast-HMAC-SHA256 k1:1:00".to_owned(), 401, "invalid_token"),
    ];
    for (authorization, status, code) in cases {
        let (found, body) = answer(&world, request(PUBLISH, "lobby", &authorization, r#"{"data":1}"#)).await;
        assert_eq!((found, &body["err"]["code"]), (status, &json!(code)), "{authorization}: {body}");
        assert!(!body.to_string().contains(&good) && !body.to_string().contains(&user), "{body}");
    }
    assert!(queued_ids(&world).is_empty());
    let allowed = request(PUBLISH, "team:7", &format!("Bearer {good}"), r#"{"data":1}"#);
    assert_eq!(answer(&world, allowed).await.0, 202);
}

#[tokio::test]
async fn a_token_that_expired_is_401_with_its_own_code() {
    let world = World::new();
    let authorization = shop();
    world.clock.advance(Duration::from_secs(60));
    let (status, body) = answer(&world, request(PUBLISH, "lobby", &authorization, r#"{"data":1}"#)).await;
    assert_eq!((status, &body["err"]["code"]), (401, &json!("token_expired")));
}

#[tokio::test]
async fn a_signed_request_publishes_once_and_names_its_ids() {
    let world = World::new();
    let seconds = samples::NOW.as_s();
    let signed = |key: &str, body: &str| {
        let hash: String = sha256(body.as_bytes());
        let text = format!("Roomcast-HMAC-SHA256\n{seconds}\n{PUBLISH}\nlobby\n\n{key}\n{hash}");
        format!("Roomcast-HMAC-SHA256 k1:{seconds}:{}", hmac(&text))
    };
    let body = r#"{"data":1}"#;
    let good = keyed(request(PUBLISH, "lobby", &signed("order-7", body), body), "order-7");
    assert_eq!(answer(&world, good.clone()).await.0, 202);
    assert_eq!(queued_ids(&world), ["order-7"]);
    let changed = Request { body: b"{\"data\":2}".to_vec(), ..good };
    assert_eq!(answer(&world, changed).await.0, 401);
    let (status, refused) = answer(&world, request(PUBLISH, "lobby", &signed("", body), body)).await;
    assert_eq!((status, &refused["err"]["field"]), (400, &json!("Idempotency-Key")), "a copy could publish it again");
    assert_eq!(queued_ids(&world), ["order-7"]);
}

fn sha256(bytes: &[u8]) -> String {
    ring::digest::digest(&ring::digest::SHA256, bytes).as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}

fn hmac(text: &str) -> String {
    let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, SIGNING);
    ring::hmac::sign(&key, text.as_bytes()).as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}

#[tokio::test]
async fn a_room_that_holds_as_many_as_it_may_is_429_with_a_pause() {
    let world = World::new();
    let room = samples::room("lobby");
    let full = u32::try_from(limits::HELD_PER_ROOM).unwrap();
    world.store.hold(&room, full, world.clock.now()).await.unwrap();
    let sent = request(PUBLISH, "lobby", &shop(), r#"{"id":"p1","data":1}"#);
    let (response, body) = answer_under(&world, Plan::new(), &Orders::default(), sent).await;
    assert_eq!((response.status, response.retry_after_s), (429, Some(5)));
    assert_eq!((&body["err"]["code"], &body["results"][0]["id"]), (&json!("rate_limited"), &json!("p1")));
    assert!(queued_ids(&world).is_empty() && world.queues.dead.lock().unwrap().is_empty());
}

#[tokio::test]
async fn what_is_held_is_accepted() {
    let world = World::new();
    world.store.hold(&samples::room("lobby"), 1, world.clock.now()).await.unwrap();
    assert_eq!(publish(&world, json!({ "id": "p1", "data": 1 })).await.0, 202);
    assert!(queued_ids(&world).is_empty(), "it is in the queue of held publications");
    assert_eq!(world.queues.publications_held.bodies().len(), 1);
}

#[tokio::test]
async fn a_dependency_that_fails_is_503_with_a_pause() {
    let world = World::new();
    let plan = Plan::new().always(Operation::Submit, Fault::Before(How::Throttled));
    let sent = request(PUBLISH, "lobby", &shop(), r#"{"id":"p1","data":1}"#);
    let (response, body) = answer_under(&world, plan, &Orders::default(), sent).await;
    assert_eq!((response.status, response.retry_after_s), (503, Some(1)));
    assert_eq!((&body["err"]["code"], &body["err"]["retry"]), (&json!("unavailable"), &json!(true)));
    let failing = Orders(Arc::default(), true);
    let (response, _) = answer_under(&world, Plan::new(), &failing, request(CLOSE, "bob", &shop(), "")).await;
    assert_eq!(response.status, 503);
}

#[tokio::test]
async fn a_room_is_read_with_its_position_and_a_page_of_its_log() {
    let world = World::new();
    let lobby = samples::room("lobby");
    let (status, body) = answer(&world, request(ROOM, "lobby", &shop(), "")).await;
    assert_eq!((status, body), (200, json!({ "room": "lobby", "ep": "0", "seq": 0, "members": 0 })));
    let head = world.store.create(&lobby, &samples::epoch("k7Qf"), samples::NOW).await.unwrap();
    let submission = samples::submission("lobby", "ada", &["p1", "p2", "p3"]);
    for append in plan(&head, &HashSet::new(), [&submission], samples::NOW, PER_TRANSACTION) {
        world.store.append(&append).await.unwrap();
    }
    let (_, body) = answer(&world, request(ROOM, "lobby", &shop(), "")).await;
    assert_eq!((&body["ep"], &body["seq"]), (&json!(samples::epoch("k7Qf")), &json!(3)));
    let (_, body) = answer(&world, request(ROOM, "@ada", &shop(), "")).await;
    assert_eq!(body.get("members"), None, "an inbox is not counted");
    let page = |query: &[(&str, &str)]| {
        let query = query.iter().map(|(name, value)| ((*name).to_owned(), vec![(*value).to_owned()])).collect();
        Request { query, ..request(HISTORY, "lobby", &shop(), "") }
    };
    let (status, body) = answer(&world, page(&[("limit", "2")])).await;
    assert_eq!((status, &body["seq"], &body["before"]), (200, &json!(3), &json!(2)), "{body}");
    let (_, body) = answer(&world, page(&[("before", "2")])).await;
    assert_eq!((body.get("before"), body["history"].as_array().unwrap().len()), (None, 1), "{body}");
    for query in [[("limit", "0")], [("limit", "101")], [("limit", "+1")], [("before", "x")], [("after", "1")]] {
        assert_eq!(answer(&world, page(&query)).await.0, 400, "{query:?}");
    }
    let twice = Request {
        query: BTreeMap::from([("limit".to_owned(), vec!["1".to_owned(), "2".to_owned()])]),
        ..request(HISTORY, "lobby", &shop(), "")
    };
    assert_eq!(answer(&world, twice).await.1["err"]["field"], "limit");
}

#[tokio::test]
async fn each_action_needs_its_own_scope() {
    let world = World::new();
    let publishes = format!("Bearer {}", token(json!({ "sub": "shop", "backend": { "publish": ["*"] } })));
    for (route, name) in [(ROOM, "lobby"), (HISTORY, "lobby"), (CLOSE, "bob")] {
        let (status, body) = answer(&world, request(route, name, &publishes, "")).await;
        assert_eq!((status, &body["err"]["code"]), (403, &json!("forbidden")), "{route}");
    }
}

#[tokio::test]
async fn connections_of_a_user_are_closed_by_a_command() {
    let (world, orders) = (World::new(), Orders::default());
    let (response, body) = answer_under(&world, Plan::new(), &orders, request(CLOSE, "bob", &shop(), "")).await;
    assert_eq!((response.status, body), (202, json!({ "user": "bob" })));
    assert_eq!(*orders.0.lock().unwrap(), ["bob"]);
}

#[tokio::test]
async fn bodies_and_names_of_another_form_are_refused() {
    let world = World::new();
    let large = "x".repeat(limits::HTTP_BODY_BYTES + 1);
    for (route, name, body, status, code) in [
        (PUBLISH, "lobby", large.as_str(), 413, "too_large"),
        (PUBLISH, "lobby", "[]", 400, "not_json"),
        (PUBLISH, "a b", r#"{"data":1}"#, 400, "invalid_room"),
        (ROOM, "lobby", "{}", 400, "invalid_field"),
        (CLOSE, "a b", "", 400, "invalid_field"),
        ("GET /else", "lobby", "", 404, "unknown_action"),
    ] {
        let (found, answer) = answer(&world, request(route, name, &shop(), body)).await;
        assert_eq!((found, &answer["err"]["code"]), (status, &json!(code)), "{route} {name}");
    }
    let latin = Request { body: b"{\"data\":\"\xe9\"}".to_vec(), ..request(PUBLISH, "lobby", &shop(), "") };
    assert_eq!(answer(&world, latin).await.1["err"]["code"], "not_json");
}

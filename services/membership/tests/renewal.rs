//! A token is renewed on a live connection: it counts at once, for requests and for deliveries.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests fail by panicking")]

use std::collections::HashMap;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use domain::ports::{Bans, Charged, Charges, Clock, Connections, Memberships, Renewals, Standing};
use domain::{
    Ban, BanScope, Charge, Connection, ConnectionId, Endpoint, Format, Identity, Pattern, Permissions, Timestamp,
    TokenId, TokenStamp, limits,
};
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use lambda_kit::start::Routes;
use lambda_kit::websocket::Call;
use membership::{Membership, Ports};
use protocol::context::Context;
use protocol::reply::{Answer, Renewed};
use protocol::server::{ServerFrame, System};
use serde_json::{Value, json};
use telemetry::{Summary, field, metric};
use testkit::faults::{Call as PortCall, Fault, Faulty, How, Operation, Plan};
use testkit::{World, samples};
use tokens::Verifier;

const SECRET: &[u8] = b"a development key of 32 bytes or more";
const MINUTE: Duration = Duration::from_secs(60);
/// The first renewal of a connection expires this much earlier than its token names. The difference
/// distinguishes it from the previous token.
const MOMENT: Duration = Duration::from_millis(1);

/// A token of the key `dev`, good for `minutes`, with more claims.
fn token(world: &World, user: &str, minutes: u64, more: Value) -> String {
    let mut claims = json!({ "sub": user, "exp": world.clock.now().plus(MINUTE * minutes as u32).as_s() });
    claims.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    encode(&Header::new(Algorithm::HS256), &claims, &EncodingKey::from_secret(SECRET)).unwrap()
}

fn lobby_only() -> Value {
    json!({ "rooms": { "join": ["lobby"], "history": ["lobby"] } })
}

/// The user ada, whose token expires one minute after the start of the world.
fn ada() -> Identity {
    Identity {
        user: samples::user("ada"),
        device: None,
        guest: false,
        admin: false,
        expires_at: Some(samples::NOW.plus(MINUTE)),
        permissions: Permissions::all(),
        stamp: TokenStamp::default(),
    }
}

async fn connected(world: &World) -> Connection {
    world.open(Connection { expires_at: ada().expires_at, ..samples::connection("c1", "ada", world.clock.now()) }).await
}

/// Returns the answer of the function and its summary.
async fn ask_over(world: &World, ports: impl Ports, identity: Identity, body: &str) -> (ServerFrame, Summary) {
    let keys = json!({ "dev": URL_SAFE_NO_PAD.encode(SECRET) }).to_string();
    let verifier = Verifier::new(Some(&keys), None, None, None).unwrap();
    let function = Membership::new(ports, verifier, world.clock.clone(), world.chance.clone(), None);
    let call = Call {
        connection: samples::connection_id("c1"),
        connected_at: samples::NOW,
        route: "auth".to_owned(),
        request_id: "r".to_owned(),
        context: Ok(Context { identity, format: Format::RoomsV1, room: None }),
        derived_endpoint: Endpoint::new(samples::ENDPOINT),
        body: body.to_owned(),
        subprotocols: Vec::new(),
        query: HashMap::new(),
    };
    let mut summary = Summary::new("membership");
    let answer = function.handle(call, &mut summary).await;
    (ServerFrame::parse(&answer.body.unwrap()).unwrap(), summary)
}

async fn ask(world: &World, body: &str) -> ServerFrame {
    ask_over(world, world.store.clone(), ada(), body).await.0
}

async fn auth(world: &World, token: &str) -> ServerFrame {
    ask(world, &request(token)).await
}

fn request(token: &str) -> String {
    json!({ "action": "auth", "id": 7, "token": token }).to_string()
}

fn renewed(frame: ServerFrame) -> Renewed {
    match frame {
        ServerFrame::Answer(Answer { outcome: Ok(raw), .. }) => Answer::done(&raw).unwrap(),
        other => panic!("{other:?}"),
    }
}

fn refused(frame: &ServerFrame) -> &str {
    match frame {
        ServerFrame::Answer(Answer { outcome: Err(failure), .. }) => failure.code.as_str(),
        other => panic!("{other:?}"),
    }
}

fn done(frame: &ServerFrame) -> bool {
    matches!(frame, ServerFrame::Answer(Answer { outcome: Ok(_), .. }) | ServerFrame::System(System::Pong { .. }))
}

fn expires_at(world: &World, id: &ConnectionId, room: &str) -> Option<Timestamp> {
    world.store.membership(id, &samples::room(room)).unwrap().member.expires_at
}

#[tokio::test]
async fn a_renewed_token_is_good_from_now_on_and_until_its_own_end() {
    let world = World::new();
    let connection = connected(&world).await;
    ask(&world, r#"{"action":"join","id":1,"room":"lobby"}"#).await;
    world.clock.advance(Duration::from_secs(50));
    let answer = renewed(auth(&world, &token(&world, "ada", 10, json!({}))).await);
    let end = Timestamp::from_ms(world.clock.now().plus(10 * MINUTE).as_s() * 1_000).minus(MOMENT);
    assert_eq!(answer, Renewed { expires_at: end, left: Vec::new() });
    for room in ["lobby", "@ada"] {
        assert_eq!(expires_at(&world, &connection.id, room), Some(end), "{room}");
    }
    assert_eq!(world.store.find(&connection.id).await.unwrap().unwrap().expires_at, Some(end), "* expires with it");
    world.clock.advance(9 * MINUTE);
    for body in [
        r#"{"action":"join","id":1,"room":"den"}"#,
        r#"{"action":"sync","id":1,"rooms":{"lobby":null}}"#,
        r#"{"action":"history","id":1,"room":"lobby"}"#,
        r#"{"action":"ping"}"#,
        r#"{"action":"leave","id":1,"room":"lobby"}"#,
    ] {
        assert!(done(&ask(&world, body).await), "the old token has expired, the new one has not: {body}");
    }
    assert_eq!(expires_at(&world, &connection.id, "den"), Some(end));
}

#[tokio::test]
async fn rooms_that_the_new_token_does_not_allow_are_left_and_named() {
    let world = World::new();
    let connection = connected(&world).await;
    for room in ["lobby", "team:7", "team:8"] {
        world.join(&connection, room).await;
    }
    let answer = renewed(auth(&world, &token(&world, "ada", 10, lobby_only())).await);
    assert_eq!(answer.left, [samples::room("team:7"), samples::room("team:8")]);
    let mut rooms = world.store.rooms_of(&connection.id).await.unwrap();
    rooms.sort();
    assert_eq!(rooms, [samples::room("@ada"), samples::room("lobby")]);
    for (body, code) in [
        (r#"{"action":"join","id":1,"room":"team:7"}"#, "forbidden"),
        (r#"{"action":"history","id":1,"room":"team:7"}"#, "forbidden"),
    ] {
        assert_eq!(refused(&ask(&world, body).await), code, "{body}");
    }
    assert!(done(&ask(&world, r#"{"action":"join","id":1,"room":"lobby"}"#).await));
}

#[tokio::test]
async fn a_room_that_a_backend_gave_is_kept_whatever_the_token_says() {
    let world = World::new();
    let connection = connected(&world).await;
    world.join(&connection, "team:7").await;
    for room in ["team:7", "team:8"] {
        let place = samples::membership(&connection, &samples::room(room), domain::Shard::FIRST);
        let given = domain::Membership { granted: true, ..place };
        assert!(world.store.join(&[given]).await.remove(0).is_ok());
    }
    let answer = renewed(auth(&world, &token(&world, "ada", 10, lobby_only())).await);
    assert_eq!(answer.left, []);
    for room in ["team:7", "team:8"] {
        assert_eq!(expires_at(&world, &connection.id, room), Some(answer.expires_at), "{room}");
    }
}

#[tokio::test]
async fn a_bad_token_changes_nothing_and_is_told_to_nobody() {
    let world = World::new();
    let connection = connected(&world).await;
    let other = encode(
        &Header::new(Algorithm::HS256),
        &json!({ "sub": "ada", "exp": 4_102_444_800_u64 }),
        &EncodingKey::from_secret(&[7; 32]),
    );
    for (what, bad) in [
        ("another key", other.unwrap()),
        ("expired", token(&world, "ada", 0, json!({}))),
        ("not yet valid", token(&world, "ada", 9, json!({ "nbf": world.clock.now().as_s() + 60 }))),
        ("no name", token(&world, "a#b", 9, json!({}))),
        ("rooms of no shape", token(&world, "ada", 9, json!({ "rooms": ["lobby"] }))),
        ("no JWT", "no.token.atall".to_owned()),
        ("1 MB", "a".repeat(1 << 20)),
        ("too many permissions", token(&world, "ada", 9, json!({ "rooms": { "join": ["\"".repeat(2_500)] } }))),
    ] {
        let (frame, summary) = ask_over(&world, world.store.clone(), ada(), &request(&bad)).await;
        assert_eq!(refused(&frame), "invalid_token", "{what}");
        let line = summary.to_line(0);
        assert!(!line.contains(&bad) && !line.contains(bad.rsplit('.').next().unwrap()), "{what}: {line}");
        assert!(what == "too many permissions" || summary.said(field::ERROR).is_some(), "{what}: {line}");
        assert_eq!(world.store.find(&connection.id).await.unwrap(), Some(connection.clone()), "{what}");
    }
    assert!(done(&ask(&world, r#"{"action":"join","id":1,"room":"lobby"}"#).await), "it lives on");
    world.clock.advance(MINUTE);
    assert_eq!(refused(&ask(&world, r#"{"action":"join","id":1,"room":"den"}"#).await), "token_expired");
}

#[tokio::test]
async fn nobody_becomes_somebody_else_and_no_guest_a_user() {
    let world = World::new();
    let connection = connected(&world).await;
    assert_eq!(refused(&auth(&world, &token(&world, "bob", 9, json!({}))).await), "forbidden");
    assert_eq!(refused(&auth(&world, &token(&world, "Ada", 9, json!({}))).await), "forbidden");
    let guest = Identity { guest: true, expires_at: None, ..ada() };
    let body = request(&token(&world, "ada", 9, json!({})));
    assert_eq!(refused(&ask_over(&world, world.store.clone(), guest, &body).await.0), "forbidden");
    let charged = world.store.charge(&connection.id, Charge::ping(0), world.clock.now()).await.unwrap();
    assert!(matches!(charged, Charged::Granted(Standing::AsConnected, _)), "{charged:?}");
}

#[tokio::test]
async fn an_expired_token_refuses_everything_but_its_renewal() {
    let world = World::new();
    connected(&world).await;
    world.clock.advance(MINUTE);
    for body in [
        r#"{"action":"join","id":1,"room":"lobby"}"#,
        r#"{"action":"sync","id":1,"rooms":{"lobby":null}}"#,
        r#"{"action":"leave","id":1,"room":"lobby"}"#,
        r#"{"action":"history","id":1,"room":"lobby"}"#,
        r#"{"action":"ping"}"#,
    ] {
        assert_eq!(refused(&ask(&world, body).await), "token_expired", "{body}");
    }
    renewed(auth(&world, &token(&world, "ada", 9, json!({}))).await);
    assert!(done(&ask(&world, r#"{"action":"join","id":1,"room":"lobby"}"#).await));
}

#[tokio::test]
async fn a_renewed_token_may_be_renewed_again_and_expires_too() {
    let world = World::new();
    let connection = connected(&world).await;
    for minutes in [5, 2] {
        world.clock.advance(limits::RENEWAL_PAUSE);
        renewed(auth(&world, &token(&world, "ada", minutes, json!({ "device": "phone" }))).await);
    }
    assert_eq!(world.store.find(&connection.id).await.unwrap().unwrap().device.unwrap().as_ref(), "phone");
    world.clock.advance(2 * MINUTE);
    assert_eq!(refused(&ask(&world, r#"{"action":"ping"}"#).await), "token_expired", "the last one counts");
}

#[tokio::test]
async fn one_that_is_not_known_any_more_cannot_be_renewed() {
    let world = World::new();
    let connection = connected(&world).await;
    world.store.bury(&connection.id, world.clock.now()).await.unwrap();
    let frame = auth(&world, &token(&world, "ada", 9, json!({}))).await;
    assert!(matches!(frame, ServerFrame::System(System::Bye { .. })), "{frame:?}");
    assert!(world.store.is_buried(&connection.id));
}

#[tokio::test]
async fn a_renewal_that_was_interrupted_is_completed_by_its_repeat() {
    for (operation, fault) in [
        (Operation::Renew, Fault::After(How::Unavailable)),
        (Operation::Holdings, Fault::Before(How::Throttled)),
        (Operation::Leave, Fault::Halfway(How::Unavailable)),
        (Operation::Extend, Fault::Halfway(How::Unavailable)),
        (Operation::Extend, Fault::After(How::Unavailable)),
    ] {
        let world = World::new();
        let connection = connected(&world).await;
        for room in ["lobby", "team:7", "team:8"] {
            world.join(&connection, room).await;
        }
        let body = request(&token(&world, "ada", 10, lobby_only()));
        let ports = Faulty::new(world.store.clone(), Plan::new().nth(operation, 1, fault));
        let (first, _) = ask_over(&world, ports, ada(), &body).await;
        assert_eq!(refused(&first), "unavailable", "{operation:?}");
        world.clock.advance(limits::RENEWAL_PAUSE);
        let answer = renewed(ask(&world, &body).await);
        let mut rooms = world.store.rooms_of(&connection.id).await.unwrap();
        rooms.sort();
        assert_eq!(rooms, [samples::room("@ada"), samples::room("lobby")], "{operation:?}");
        for room in ["@ada", "lobby"] {
            assert_eq!(expires_at(&world, &connection.id, room), Some(answer.expires_at), "{operation:?} {room}");
        }
    }
}

#[tokio::test]
async fn what_an_interrupted_renewal_has_left_catches_up_when_its_room_is_asked_for_again() {
    let world = World::new();
    let connection = connected(&world).await;
    world.join(&connection, "lobby").await;
    let plan = Plan::new().nth(Operation::Extend, 1, Fault::Before(How::Unavailable));
    let body = request(&token(&world, "ada", 10, json!({})));
    let interrupted = ask_over(&world, Faulty::new(world.store.clone(), plan), ada(), &body).await.0;
    assert_eq!(refused(&interrupted), "unavailable");
    assert_eq!(expires_at(&world, &connection.id, "lobby"), ada().expires_at);
    ask(&world, r#"{"action":"sync","id":1,"rooms":{"lobby":null}}"#).await;
    // A token expires at a whole second.
    let end = domain::Timestamp::from_ms(world.clock.now().plus(MINUTE * 10).as_s() * 1_000).minus(MOMENT);
    assert_eq!(expires_at(&world, &connection.id, "lobby"), Some(end));
}

#[tokio::test]
async fn a_join_that_was_judged_by_the_token_before_is_to_be_asked_again() {
    let world = World::new();
    connected(&world).await;
    let store = world.store.clone();
    let renewed = Identity { expires_at: Some(world.clock.now().plus(MINUTE * 10)), ..ada() };
    // The token is renewed after the join has read the identity, and before the membership is
    // written.
    let ports = Faulty::new(store.clone(), move |call: PortCall| {
        if call.operation == Operation::Join {
            futures::executor::block_on(store.renew(&samples::connection_id("c1"), &renewed, samples::NOW)).unwrap();
        }
        Fault::Pass
    });
    let join = r#"{"action":"join","id":7,"room":"lobby"}"#;
    let refusal = ask_over(&world, ports, ada(), join).await.0;
    assert_eq!(refused(&refusal), "unavailable");
    assert!(world.store.membership(&samples::connection_id("c1"), &samples::room("lobby")).is_none());
    assert!(done(&ask(&world, join).await));
}

#[tokio::test]
async fn a_renewal_is_counted_and_what_it_costs_is_one_read_and_a_write_for_each_membership() {
    let world = World::new();
    let connection = connected(&world).await;
    world.join(&connection, "lobby").await;
    let ports = Faulty::new(world.store.clone(), Plan::new());
    let body = request(&token(&world, "ada", 10, json!({})));
    let (_, summary) = ask_over(&world, ports.clone(), ada(), &body).await;
    assert_eq!(summary.counted(metric::TOKENS_RENEWED), 1);
    let calls = |operation| ports.calls(operation);
    assert_eq!((calls(Operation::Charge), calls(Operation::Renew), calls(Operation::Holdings)), (1, 1, 1));
    assert_eq!((calls(Operation::Extend), calls(Operation::Leave), calls(Operation::Touch)), (1, 0, 0));
    let ping = ask_over(&world, ports.clone(), ada(), r#"{"action":"ping"}"#).await.0;
    assert!(done(&ping));
    assert_eq!((ports.calls(Operation::Charge), ports.calls(Operation::Find)), (2, 0), "one call, as before");
}

#[tokio::test]
async fn permissions_that_were_added_count_at_once() {
    let world = World::new();
    connected(&world).await;
    let narrow = Permissions { join: vec![Pattern::new("lobby")], ..Permissions::default() };
    let came_as = Identity { permissions: narrow, ..ada() };
    let join = r#"{"action":"join","id":1,"room":"den"}"#;
    assert_eq!(refused(&ask_over(&world, world.store.clone(), came_as.clone(), join).await.0), "forbidden");
    renewed(auth(&world, &token(&world, "ada", 10, json!({}))).await);
    assert!(done(&ask_over(&world, world.store.clone(), came_as, join).await.0));
}

#[tokio::test]
async fn a_banned_user_renews_no_token_until_the_ban_ends() {
    let world = World::new();
    connected(&world).await;
    let ban = Ban { user: samples::user("ada"), scope: BanScope::User, until: world.clock.now().plus(MINUTE / 2) };
    world.store.ban(&ban, world.clock.now()).await.unwrap();
    assert_eq!(refused(&auth(&world, &token(&world, "ada", 10, json!({}))).await), "forbidden");
    world.clock.advance(MINUTE / 2);
    renewed(auth(&world, &token(&world, "ada", 10, json!({}))).await);
}

#[tokio::test]
async fn a_revoked_token_renews_nothing_and_one_that_was_issued_later_renews() {
    let world = World::new();
    let connection = connected(&world).await;
    let issued_s = world.clock.now().as_s() - 60;
    let second = |number: u64| Timestamp::from_ms((issued_s + number) * 1_000);
    for scope in [BanScope::IssuedBefore(second(1)), BanScope::Token(TokenId::parse("t1").unwrap())] {
        let ban = Ban { user: samples::user("ada"), scope, until: limits::BAN_WITHOUT_END };
        world.store.ban(&ban, world.clock.now()).await.unwrap();
    }
    for revoked in [json!({ "iat": issued_s }), json!({}), json!({ "iat": issued_s + 1, "jti": "t1" })] {
        assert_eq!(refused(&auth(&world, &token(&world, "ada", 10, revoked)).await), "invalid_token");
    }
    let good = token(&world, "ada", 10, json!({ "iat": issued_s + 1, "jti": "t2" }));
    renewed(auth(&world, &good).await);
    let stored = world.store.find(&connection.id).await.unwrap().unwrap();
    assert_eq!(stored.stamp, samples::stamp("t2", second(1)));
}

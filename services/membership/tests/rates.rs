//! Every request is charged to the rate of its connection. A refusal names the exact time of the
//! next try, and a client that follows the rules is never refused.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests fail by panicking")]

use std::collections::BTreeMap;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use domain::{Charge, Connection, Endpoint, Format, Identity, Permissions, Shards, limits};
use futures::future::join_all;
use futures::poll;
use lambda_kit::start::Routes;
use lambda_kit::websocket::Call;
use membership::{Membership, Ports};
use protocol::context::Context;
use protocol::reply::{Answer, Failure};
use protocol::server::ServerFrame;
use serde_json::json;
use telemetry::Summary;
use testkit::faults::{Call as Made, Decide, Fault, Faulty, Operation, Plan};
use testkit::{World, samples};
use tokens::Verifier;
use tokio::sync::Semaphore;

async fn ask_over(world: &World, ports: impl Ports, connection: &Connection, body: &str) -> ServerFrame {
    let identity = Identity {
        user: connection.user.clone(),
        device: None,
        guest: false,
        admin: false,
        expires_at: None,
        permissions: Permissions::all(),
        stamp: domain::TokenStamp::default(),
    };
    let call = Call {
        connection: connection.id.clone(),
        connected_at: connection.connected_at,
        route: "join".to_owned(),
        request_id: "r".to_owned(),
        context: Ok(Context { identity, format: Format::RoomsV1, room: None }),
        derived_endpoint: Endpoint::new(samples::ENDPOINT),
        body: body.to_owned(),
        subprotocols: Vec::new(),
        query: std::collections::HashMap::new(),
    };
    let verifier = Verifier::new(None, Some(testkit::keys::JWKS), None, None).unwrap();
    let function = Membership::new(ports, verifier, world.clock.clone(), world.chance.clone(), None);
    let answer = function.handle(call, &mut Summary::new("membership")).await;
    ServerFrame::parse(&answer.body.unwrap()).unwrap()
}

async fn ask(world: &World, connection: &Connection, body: &str) -> ServerFrame {
    ask_over(world, world.store.clone(), connection, body).await
}

/// Returns the pause of a refusal for too many requests; `None` for any other answer.
fn too_soon(frame: &ServerFrame) -> Option<Duration> {
    match frame {
        ServerFrame::Answer(Answer { outcome: Err(Failure { code, after_ms, retry, .. }), .. })
            if code.as_str() == "rate_limited" =>
        {
            assert!(retry);
            after_ms.map(Duration::from_millis)
        }
        _ => None,
    }
}

/// A request of each action, with its charge.
fn requests() -> Vec<(String, Charge)> {
    let at = |prefix: &str| -> BTreeMap<String, serde_json::Value> {
        (0..100).map(|n| (format!("{prefix}{n}"), json!({ "ep": "k7Qf", "seq": 0 }))).collect()
    };
    vec![
        (json!({ "action": "sync", "id": 1, "rooms": at("r") }).to_string(), Charge::sync(100)),
        (json!({ "action": "join", "id": 1, "room": "r1" }).to_string(), Charge::join()),
        (json!({ "action": "leave", "id": 1, "room": "r1" }).to_string(), Charge::leave()),
        (json!({ "action": "history", "id": 1, "room": "r1", "limit": 50 }).to_string(), Charge::history(50)),
        (json!({ "action": "who", "id": 1, "room": "r1" }).to_string(), Charge::who()),
        (json!({ "action": "ping", "id": 1, "at": at("r") }).to_string(), Charge::ping(100)),
        (json!({ "action": "auth", "id": 1, "token": "a.b.c" }).to_string(), Charge::auth()),
    ]
}

#[tokio::test]
async fn each_action_is_charged_by_its_weight_and_refused_until_the_exact_moment() {
    for (body, charge) in requests() {
        let world = World::new();
        let ada = world.connect("c1", "ada").await;
        // The calls of a request take no time, so the allowance does not grow meanwhile.
        let world = World { store: world.store.with_transaction_hold(Duration::ZERO), ..world };
        let mut accepted = 0;
        let pause = loop {
            match too_soon(&ask(&world, &ada, &body).await) {
                None => accepted += 1,
                Some(pause) => break pause,
            }
        };
        let burst = limits::REQUEST_RATE.takes(limits::REQUEST_RATE.burst());
        assert_eq!(accepted, burst.as_millis() / charge.takes().as_millis(), "{body}");
        assert_eq!(charge.takes() * (accepted as u32 + 1) - burst, pause, "{body}");
        world.clock.advance(pause - Duration::from_millis(1));
        assert_eq!(too_soon(&ask(&world, &ada, &body).await), Some(Duration::from_millis(1)), "{body}");
        world.clock.advance(Duration::from_millis(1));
        assert_eq!(too_soon(&ask(&world, &ada, &body).await), None, "{body}");
    }
}

#[tokio::test]
async fn a_refused_request_makes_one_call_and_no_other_connection_waits_for_it() {
    let world = World::new();
    let (ada, bob) = (world.connect("c1", "ada").await, world.connect("c2", "bob").await);
    let (sync, _) = requests().remove(0);
    let world = World { store: world.store.with_transaction_hold(Duration::ZERO), ..world };
    while too_soon(&ask(&world, &ada, &sync).await).is_none() {}
    let ports = Faulty::new(world.store.clone(), Plan::new());
    assert!(too_soon(&ask_over(&world, ports.clone(), &ada, &sync).await).is_some());
    let calls: u32 = Operation::ALL.iter().map(|operation| ports.calls(*operation)).sum();
    assert_eq!((ports.calls(Operation::Charge), calls), (1, 1));
    assert_eq!(too_soon(&ask(&world, &bob, &sync).await), None);
}

/// Holds the requests that were accepted, so that all of them run at once.
#[derive(Clone)]
struct Gate(Arc<Semaphore>);

impl Decide for Gate {
    fn decide(&self, _: Made) -> Fault {
        Fault::Pass
    }

    async fn before(&self, call: Made) {
        if call.operation == Operation::Holdings {
            drop(self.0.acquire().await);
        }
    }
}

#[tokio::test]
async fn of_the_requests_that_a_connection_sends_at_once_only_those_run_that_its_allowance_covers() {
    const ASKED: u32 = 200;
    let world = World::new();
    let ada = world.connect("c1", "ada").await;
    let world = World { store: world.store.with_transaction_hold(Duration::ZERO), ..world };
    let (sync, charge) = requests().remove(0);
    let gate = Gate(Arc::new(Semaphore::new(0)));
    let ports = Faulty::new(world.store.clone(), gate.clone());
    let mut asking = pin!(join_all((0..ASKED).map(|_| ask_over(&world, ports.clone(), &ada, &sync))));
    // Each turn lets every request advance by a call.
    for _ in 0..ASKED {
        assert!(poll!(&mut asking).is_pending());
        tokio::task::yield_now().await;
    }
    let running = ports.calls(Operation::Holdings);
    let burst = limits::REQUEST_RATE.takes(limits::REQUEST_RATE.burst());
    assert_eq!(u128::from(running), burst.as_millis() / charge.takes().as_millis());
    let calls: u32 = Operation::ALL.iter().map(|operation| ports.calls(*operation)).sum();
    assert!(calls <= ASKED + 2 * running, "a refused request makes one call: {calls} of {running} accepted ones");
    gate.0.add_permits(1);
    let refused = asking.await.iter().filter_map(too_soon).count();
    assert_eq!(refused, (ASKED - running) as usize);
}

#[tokio::test]
async fn a_list_of_many_members_is_charged_for_them_and_one_of_few_is_not() {
    for (members, expected) in [(20, 0), (300, 1)] {
        let world = World::new();
        let ada = world.connect("c1", "ada").await;
        for n in 0..members {
            let member = world.connect(&format!("m{n}"), "bob").await;
            world.join(&member, "lobby").await;
        }
        let ports = Faulty::new(world.store.clone(), Plan::new());
        ask_over(&world, ports.clone(), &ada, r#"{"action":"who","id":1,"room":"lobby"}"#).await;
        assert_eq!(ports.calls(Operation::Charge), 1 + expected, "{members} members");
    }
}

#[tokio::test]
async fn ten_connections_of_a_user_list_no_more_members_than_its_allowance_covers() {
    const MEMBERS: usize = 300;
    let world = World::new();
    for n in 0..MEMBERS {
        let member = world.connect(&format!("m{n}"), "carol").await;
        world.join(&member, "lobby").await;
    }
    let mut floods = Vec::new();
    for n in 0..10 {
        floods.push(world.connect(&format!("c{n}"), "eve").await);
    }
    let bob = world.connect("b1", "bob").await;
    let world = World { store: world.store.with_transaction_hold(Duration::ZERO), ..world };
    let who = r#"{"action":"who","id":1,"room":"lobby"}"#;
    let (mut lists, mut calls) = (0, Faulty::new(world.store.clone(), Plan::new()));
    for connection in floods.iter().cycle().take(1_000) {
        let before = calls.calls(Operation::Occupants);
        let answer = ask_over(&world, calls.clone(), connection, who).await;
        let has_read = calls.calls(Operation::Occupants) > before;
        assert_eq!(too_soon(&answer).is_none(), has_read, "a refused list reads no member");
        lists += u32::from(has_read);
    }
    let shards = Shards::initial(&samples::room("lobby")).iter().count();
    let costs = Charge::who().takes() + Charge::who_beyond(MEMBERS, shards).unwrap().takes();
    let burst = limits::REQUEST_RATE.takes(limits::REQUEST_RATE.burst());
    assert!(u128::from(lists) <= burst.as_millis() / costs.as_millis() && lists > 0, "{lists} lists");
    calls = Faulty::new(world.store.clone(), Plan::new());
    assert_eq!(too_soon(&ask_over(&world, calls, &bob, who).await), None, "another user is not refused");
}

#[tokio::test]
async fn a_list_that_is_refused_for_its_members_is_accepted_after_its_pause() {
    let world = World::new();
    let ada = world.connect("c1", "ada").await;
    for n in 0..300 {
        let member = world.connect(&format!("m{n}"), "carol").await;
        world.join(&member, "lobby").await;
    }
    let world = World { store: world.store.with_transaction_hold(Duration::ZERO), ..world };
    let who = r#"{"action":"who","id":1,"room":"lobby"}"#;
    let pause = loop {
        if let Some(pause) = too_soon(&ask(&world, &ada, who).await) {
            break pause;
        }
    };
    world.clock.advance(pause);
    assert_eq!(too_soon(&ask(&world, &ada, who).await), None);
}

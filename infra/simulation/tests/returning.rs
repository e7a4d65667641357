//! A client that follows the rules is never refused for too many requests: the real client library
//! asks, and the real function answers.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests fail by panicking")]

use std::time::Duration;

use domain::ports::Rooms;
use domain::{Connection, Data, Endpoint, Format, Identity, Permissions, Position, RoomId, Sequence, limits};
use futures::executor::block_on;
use lambda_kit::start::Routes;
use lambda_kit::websocket::Call;
use membership::Membership;
use protocol::context::Context;
use roomcast_client::rules::{Client, Event, LinkId, Output, Ticket};
use telemetry::Summary;
use testkit::{World, samples};
use tokens::Verifier;

/// The time from a request to its answer.
const ROUND_TRIP_MS: u64 = 30;
/// Publications that the client missed in each room.
const MISSED: usize = 10;

/// A client and the function that answers it.
struct Bench {
    world: World,
    connection: Connection,
    client: Client,
    now_ms: u64,
    answers: Vec<(u64, LinkId, String)>,
    sent: usize,
    refused: Vec<String>,
    events: Vec<Event>,
}

impl Bench {
    async fn new() -> Self {
        let world = World::new();
        let connection = world.connect("c1", "ada").await;
        let client = Client::new(7, 0);
        let (answers, refused, events) = (Vec::new(), Vec::new(), Vec::new());
        Self { world, connection, client, now_ms: 0, answers, sent: 0, refused, events }
    }

    /// Lets this time pass.
    async fn pass(&mut self, time: Duration) {
        let end_ms = self.now_ms + u64::try_from(time.as_millis()).unwrap();
        while self.now_ms < end_ms {
            self.client.tick(self.now_ms);
            while let Some(output) = self.client.poll_output() {
                match output {
                    Output::Connect(link) => self.client.connected(link, self.now_ms),
                    Output::Send { link, text } => self.ask(link, &text).await,
                    Output::Event(event) => self.events.push(event),
                    Output::Renew(_) | Output::CloseSocket(_) => {}
                }
            }
            self.now_ms += 10;
            self.world.clock.advance(Duration::from_millis(10));
            let due: Vec<_> = self.answers.extract_if(.., |(at_ms, ..)| *at_ms <= self.now_ms).collect();
            for (_, link, text) in due {
                self.client.received(link, &text, self.now_ms);
            }
        }
    }

    async fn ask(&mut self, link: LinkId, text: &str) {
        let identity = Identity {
            user: self.connection.user.clone(),
            device: None,
            guest: false,
            admin: false,
            expires_at: None,
            permissions: Permissions::all(),
            stamp: domain::TokenStamp::default(),
        };
        let call = Call {
            connection: self.connection.id.clone(),
            connected_at: self.connection.connected_at,
            route: "sync".to_owned(),
            request_id: "r".to_owned(),
            context: Ok(Context { identity, format: Format::RoomsV1, room: None }),
            derived_endpoint: Endpoint::new(samples::ENDPOINT),
            body: text.to_owned(),
            subprotocols: Vec::new(),
            query: std::collections::HashMap::new(),
        };
        let World { store, clock, chance, .. } = &self.world;
        let verifier = Verifier::new(None, Some(testkit::keys::JWKS), None, None).unwrap();
        let function = Membership::new(store.clone(), verifier, clock.clone(), chance.clone(), None);
        let answer = function.handle(call, &mut Summary::new("membership")).await.body.unwrap();
        self.sent += 1;
        if answer.contains("rate_limited") {
            self.refused.push(format!("{text}: {answer}"));
        }
        self.answers.push((self.now_ms + ROUND_TRIP_MS, link, answer));
    }

    fn messages(&self) -> usize {
        self.events.iter().filter(|event| matches!(event, Event::Message(_))).count()
    }
}

/// A room with so many publications of 500 bytes.
async fn room(world: &World, name: &str, publications: usize) -> RoomId {
    let room = samples::room(name);
    let head = world.store.create(&room, &samples::epoch("k7Qf"), samples::NOW).await.unwrap();
    let data = vec![Data::text(&"x".repeat(500)).unwrap(); publications];
    world.store.append(&samples::append(&room, &head, &data, samples::NOW)).await.unwrap();
    room
}

/// The questions of a client that wait at the same time, at most.
const WAITING_QUESTIONS: usize = 16;

fn start() -> Position {
    Position { epoch: samples::epoch("k7Qf"), sequence: Sequence::ZERO }
}

#[test]
fn a_client_that_returns_to_a_hundred_rooms_is_never_refused() {
    block_on(async {
        let mut bench = Bench::new().await;
        for n in 0..limits::ROOMS_PER_CONNECTION {
            let room = room(&bench.world, &format!("r{n}"), MISSED).await;
            bench.client.join(room.clone(), Some(start()), 0).unwrap();
            if n < WAITING_QUESTIONS {
                bench.client.who(Ticket(n as u64), room, None, 50, 0).unwrap();
            }
        }
        // The replays, the lists of members, two pings that settle, and keep-alives.
        bench.pass(Duration::from_secs(20 * 60)).await;
        assert_eq!(bench.refused, Vec::<String>::new());
        assert_eq!(bench.messages(), limits::ROOMS_PER_CONNECTION * MISSED);
        let listed = bench.events.iter().filter(|event| matches!(event, Event::Who { page: Ok(_), .. })).count();
        assert_eq!(listed, WAITING_QUESTIONS);
        assert!(bench.sent > WAITING_QUESTIONS + 20, "{} requests", bench.sent);
    });
}

#[test]
fn a_client_that_joins_a_hundred_rooms_one_after_the_other_is_never_refused() {
    block_on(async {
        let mut bench = Bench::new().await;
        bench.pass(Duration::from_secs(1)).await;
        for n in 0..limits::ROOMS_PER_CONNECTION {
            let room = room(&bench.world, &format!("r{n}"), 1).await;
            bench.client.join(room, None, bench.now_ms).unwrap();
            bench.pass(Duration::from_millis(10)).await;
        }
        bench.pass(Duration::from_secs(60)).await;
        assert_eq!(bench.refused, Vec::<String>::new());
        let joined = bench.events.iter().filter(|event| matches!(event, Event::Joined { .. })).count();
        assert_eq!(joined, limits::ROOMS_PER_CONNECTION);
    });
}

#[test]
fn a_client_that_pages_through_a_history_is_never_refused() {
    block_on(async {
        let mut bench = Bench::new().await;
        let lobby = room(&bench.world, "lobby", 49).await;
        bench.pass(Duration::from_secs(1)).await;
        // A user scrolls through 500 pages, as fast as they come.
        for page in 0..500 {
            bench.client.history(Ticket(page), lobby.clone(), Some(Sequence::new(50)), 100, bench.now_ms).unwrap();
            bench.pass(Duration::from_millis(ROUND_TRIP_MS + 40)).await;
        }
        let pages = bench.events.iter().filter(|event| matches!(event, Event::History { page: Ok(_), .. })).count();
        assert_eq!((bench.refused.len(), pages), (0, 500), "{:?}", bench.refused.first());
    });
}

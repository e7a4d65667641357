//! A gateway without functions, with real peers.

use std::collections::HashMap;
use std::sync::Mutex;

use aws_adapters::{Account, Management};
use bytes::Bytes;
use domain::{ConnectionId, Endpoint};
use futures::{SinkExt, StreamExt};
use lambda_kit::SystemClock;
use local_gateway::{Config, Gateway, Limits};
use testkit::contracts::{GatewayFixture, Peer};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio_tungstenite::connect_async;
use tokio_tungstenite::tungstenite::Message;

/// A gateway of one test.
pub(crate) struct Served {
    management: Management,
    address: String,
    peers: Mutex<HashMap<ConnectionId, End>>,
}

/// The test's end of a peer: the frames that it received, and a way to close it.
struct End {
    frames: Vec<Bytes>,
    closed: bool,
    events: UnboundedReceiver<Option<Bytes>>,
    hang_up: UnboundedSender<()>,
}

/// There is no function to invoke.
struct Nobody;

impl local_invoke::Invoke for Nobody {
    async fn invoke(&self, function: &str, _: Bytes) -> Result<Bytes, local_invoke::Error> {
        Err(local_invoke::Error::NotFound(function.to_owned()))
    }
}

pub(crate) async fn start() -> Served {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let config = Config {
        api_id: "contracts".to_owned(),
        region: "us-east-1".to_owned(),
        account_id: "000000000000".to_owned(),
        stage: "local".to_owned(),
        domain_name: address.clone(),
        route_selection_expression: "$request.body.action".to_owned(),
        routes: Vec::new(),
        authorizer: None,
        http: None,
        allow_binary: false,
        hosts: None,
        limits: Limits::default(),
    };
    let gateway = Gateway::new(config, Nobody).unwrap();
    tokio::spawn(gateway.serve(listener, std::future::pending()));
    let environment = |name: &str| {
        let known = [("AWS_REGION", "us-east-1"), ("AWS_ACCESS_KEY_ID", "key"), ("AWS_SECRET_ACCESS_KEY", "secret")];
        known.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned())
    };
    let management = Management::new(&Account::from_environment(environment).unwrap());
    Served { management, address, peers: Mutex::default() }
}

impl Served {
    /// Takes in the frames that a peer has received by now.
    fn look<T>(&self, peer: &Peer, see: impl FnOnce(&End) -> T) -> T {
        let mut peers = self.peers.lock().unwrap();
        let end = peers.get_mut(&peer.connection).unwrap();
        while let Ok(event) = end.events.try_recv() {
            match event {
                Some(frame) => end.frames.push(frame),
                None => end.closed = true,
            }
        }
        see(end)
    }
}

impl GatewayFixture for Served {
    type Gateway = Management;
    type Clock = SystemClock;

    fn gateway(&self) -> &Management {
        &self.management
    }

    fn clock(&self) -> &SystemClock {
        &SystemClock
    }

    async fn open(&self) -> Peer {
        let (mut socket, _) = connect_async(format!("ws://{}/local", self.address)).await.unwrap();
        // No route is served: the gateway answers with an error that names the connection.
        socket.send(Message::text("{}")).await.unwrap();
        let Some(Ok(Message::Text(text))) = socket.next().await else { panic!("no answer") };
        let id = text.split("\"connectionId\":\"").nth(1).and_then(|rest| rest.split('"').next()).unwrap();
        let connection = ConnectionId::parse(id).unwrap();
        let (sees, events) = unbounded_channel();
        let (hang_up, mut hangs_up) = unbounded_channel::<()>();
        tokio::spawn(async move {
            loop {
                tokio::select! {
                    _ = hangs_up.recv() => { let _ = socket.close(None).await; }
                    message = socket.next() => match message {
                        Some(Ok(Message::Text(text))) => drop(sees.send(Some(Bytes::from(text.to_string())))),
                        Some(Ok(_)) => {}
                        _ => { drop(sees.send(None)); return; }
                    }
                }
            }
        });
        let end = End { frames: Vec::new(), closed: false, events, hang_up };
        self.peers.lock().unwrap().insert(connection.clone(), end);
        Peer { endpoint: Endpoint::new(format!("http://{}/local", self.address)), connection }
    }

    async fn frames(&self, peer: &Peer) -> Vec<Bytes> {
        self.look(peer, |end| end.frames.clone())
    }

    async fn hang_up(&self, peer: &Peer) {
        self.look(peer, |end| end.hang_up.send(()).unwrap());
    }

    async fn is_closed(&self, peer: &Peer) -> bool {
        self.look(peer, |end| end.closed)
    }
}

//! The ways to post one frame to many connections.

use std::collections::BTreeMap;
use std::time::Duration;

use aws_adapters::{Account, Management};
use bytes::Bytes;
use domain::ports::{Clock, Receipt, Rooms};
use domain::{Connection, Endpoint, Job, Range, Shards, limits};
use fanout::Fanout;
use futures::{StreamExt, stream};
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy::{Client, connect::HttpConnector};
use hyper_util::rt::TokioExecutor;
use lambda_kit::batch::Message;
use lambda_kit::start::Batches;
use lambda_kit::{Deadline, SystemChance, SystemClock};
use telemetry::{Summary, metric};
use testkit::{World, samples};

/// Connections that receive the frame: a full shard.
pub(crate) const MEMBERS: usize = 500;
const ROOM: &str = "lobby";
const KEY: &str = "AKIDEXAMPLE";
const SECRET: &str = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";

/// A way to broadcast. Returns the number of accepted posts.
pub(crate) trait Way {
    async fn broadcast(&self) -> u64;
}

fn ids() -> impl Iterator<Item = String> {
    (0..MEMBERS).map(|n| format!("L0SM9cOFvH{n:04}="))
}

/// Returns the frame of one small publication.
fn frame() -> Bytes {
    Bytes::from_static(
        br#"{"b":[{"room":"lobby","ep":"k7Qf","seq":1,"m":[{"id":"0","by":"ada","at":1764000000000,"data":{"text":"hi"}}]}]}"#,
    )
}

/// The minimum that HTTP needs: no signatures, no reads, no decisions.
pub(crate) struct Hyper {
    client: Client<HttpConnector, Full<Bytes>>,
    url: String,
}

impl Hyper {
    pub(crate) fn new(url: &str) -> Self {
        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        Self { client: Client::builder(TokioExecutor::new()).build(connector), url: url.to_owned() }
    }
}

impl Way for Hyper {
    async fn broadcast(&self) -> u64 {
        let posts = stream::iter(ids()).map(|id| async move {
            let url = format!("{}/@connections/{}", self.url, id.replace('=', "%3D"));
            let request = http::Request::post(url).body(Full::new(frame())).expect("a request");
            let answer = self.client.request(request).await.expect("an answer");
            let is_taken = answer.status().is_success();
            let _ = answer.into_body().collect().await;
            u64::from(is_taken)
        });
        posts.buffer_unordered(limits::POSTS_IN_FLIGHT).fold(0, async |sum, taken| sum + taken).await
    }
}

/// The AWS SDK, with one call for each connection.
pub(crate) struct Sdk(aws_sdk_apigatewaymanagement::Client);

impl Sdk {
    pub(crate) fn new(url: &str) -> Self {
        use aws_sdk_apigatewaymanagement::config::{BehaviorVersion, Config, Credentials, Region, retry::RetryConfig};
        let tls = aws_smithy_http_client::tls::rustls_provider::CryptoMode::Ring;
        let tls = aws_smithy_http_client::tls::Provider::Rustls(tls);
        let config = Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new("us-east-1"))
            .credentials_provider(Credentials::new(KEY, SECRET, None, None, "benchmark"))
            .http_client(aws_smithy_http_client::Builder::new().tls_provider(tls).build_https())
            .retry_config(RetryConfig::disabled())
            .endpoint_url(url);
        Self(aws_sdk_apigatewaymanagement::Client::from_conf(config.build()))
    }
}

impl Way for Sdk {
    async fn broadcast(&self) -> u64 {
        let posts = stream::iter(ids()).map(|id| async move {
            let blob = aws_sdk_apigatewaymanagement::primitives::Blob::new(frame());
            u64::from(self.0.post_to_connection().connection_id(id).data(blob).send().await.is_ok())
        });
        posts.buffer_unordered(limits::POSTS_IN_FLIGHT).fold(0, async |sum, taken| sum + taken).await
    }
}

/// The fan-out function as it is deployed, with tables in memory. Each broadcast uses a new
/// `Fanout` whose rate limiter is full, so that all posts are sent without a delay.
pub(crate) struct Fanned {
    world: World,
    gateway: Management,
}

impl Fanned {
    pub(crate) async fn new(url: &str) -> Self {
        let (world, room) = (World::new(), samples::room(ROOM));
        world.store.create(&room, &samples::epoch("k7Qf"), samples::NOW).await.expect("a head");
        let now = SystemClock.now();
        for id in ids() {
            let endpoint = Endpoint::new(url);
            let connection = world.open(Connection { endpoint, ..samples::connection(&id, "ada", now) }).await;
            world.join(&connection, ROOM).await;
        }
        let environment = [("AWS_REGION", "us-east-1"), ("AWS_ACCESS_KEY_ID", KEY), ("AWS_SECRET_ACCESS_KEY", SECRET)];
        let lookup = |wanted: &str| {
            let found = environment.iter().find(|(name, _)| *name == wanted);
            found.map(|(_, value)| (*value).to_owned())
        };
        let gateway = Management::new(&Account::from_environment(lookup).expect("an account"));
        Self { world, gateway }
    }

    /// Publishes one publication and returns its job.
    async fn publish(&self) -> Message {
        let room = samples::room(ROOM);
        let head = self.world.store.head(&room).await.expect("a store").expect("a head");
        let append = samples::append(&room, &head, &[samples::data(r#"{"text":"hi"}"#)], SystemClock.now());
        self.world.store.append(&append).await.expect("a log");
        let range = Range { epoch: head.epoch, after: head.sequence, through: head.sequence.next() };
        let job = Job::for_shards(&room, &range, Shards::new(1)).remove(0);
        Message {
            id: "m".to_owned(),
            receipt: Receipt { queue: "deliveries.fifo".to_owned(), handle: "h".to_owned() },
            group: job.group(),
            receives: 1,
            first_received_at: SystemClock.now(),
            attributes: BTreeMap::new(),
            body: protocol::queue::encode(&job).expect("a job"),
        }
    }
}

impl Way for Fanned {
    async fn broadcast(&self) -> u64 {
        let message = self.publish().await;
        let (tables, queues) = (self.world.store.clone(), self.world.queues.clone());
        let fanout = Fanout::new(tables, queues, self.gateway.clone(), SystemClock, SystemChance);
        let mut summary = Summary::new("fanout");
        let deadline = Deadline::at(SystemClock.now().plus(Duration::from_secs(60)));
        let failed = fanout.handle(vec![vec![message]], deadline, &mut summary).await;
        assert!(failed.is_empty(), "{failed:?}");
        summary.counted(metric::POSTS_DELIVERED)
    }
}

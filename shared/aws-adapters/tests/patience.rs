//! Against an endpoint that accepts and never answers, every port gives up within its limit.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests fail by panicking")]

use std::future::Future;
use std::time::{Duration, Instant};

use aws_adapters::{Account, Management, PROBE_TIMEOUT, QUEUE_TIMEOUT, Queues, TABLE_TIMEOUT, Tables};
use domain::ports::{Connections, Error, Gateway, Jobs, Memberships, Receipt, Retries, Rooms, Submissions};
use domain::{Delivery, Endpoint, Head, Job, Sequence, Shard, Shards, limits};
use testkit::samples;

/// The time by which a limit may be exceeded on a busy machine.
const SLACK: Duration = Duration::from_millis(700);

/// An endpoint that accepts connections, reads, and never answers.
async fn silence() -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        let mut held = Vec::new();
        while let Ok((socket, _)) = listener.accept().await {
            held.push(socket);
        }
    });
    url
}

fn account(url: &str) -> Account {
    let known = [
        ("AWS_REGION", "us-east-1"),
        ("AWS_ACCESS_KEY_ID", "key"),
        ("AWS_SECRET_ACCESS_KEY", "secret"),
        ("AWS_ENDPOINT_URL", url),
    ];
    Account::from_environment(|name| known.iter().find(|(known, _)| *known == name).map(|(_, v)| (*v).to_owned()))
        .unwrap()
}

async fn gives_up<T: std::fmt::Debug>(what: &str, limit: Duration, call: impl Future<Output = Result<T, Error>>) {
    let begun = Instant::now();
    let answer = call.await;
    assert!(matches!(answer, Err(Error::Unavailable { .. })), "{what}: {answer:?}");
    assert!(begun.elapsed() < limit + SLACK, "{what} took {:?}", begun.elapsed());
}

#[tokio::test]
async fn every_call_to_a_table_gives_up_within_its_limit() {
    let tables = Tables::new(&account(&silence().await), "connections", "rooms");
    let connection = samples::connection("c", "ada", samples::NOW);
    let room = samples::room("lobby");
    let head = Head::new(&room, samples::epoch("k7Qf"));
    let append = samples::append(&room, &head, &[samples::data("1")], samples::NOW);
    let membership = samples::membership(&connection, &room, Shard::FIRST);
    let elsewhere = samples::membership(&connection, &samples::room("den"), Shard::FIRST);
    let range = samples::range(&head.epoch, 0, 1);
    let (id, limit, t) = (&connection.id, TABLE_TIMEOUT, &tables);
    tokio::join!(
        gives_up("open", limit, t.open(&connection, &[])),
        gives_up("find", limit, t.find(id)),
        gives_up("touch", limit, t.touch(id, samples::NOW)),
        gives_up("bury", limit, t.bury(id, samples::NOW)),
        gives_up("silent", limit, t.silent(0, samples::NOW, 1)),
        gives_up("join", limit, async { t.join(std::slice::from_ref(&membership)).await.remove(0) }),
        gives_up("join of two", limit, async { t.join(&[membership.clone(), elsewhere.clone()]).await.remove(0) }),
        gives_up("take_back", limit, t.take_back(std::slice::from_ref(&membership))),
        gives_up("leave", limit, t.leave(id, std::slice::from_ref(&room))),
        gives_up("rooms_of", limit, t.rooms_of(id)),
        gives_up("page", limit, t.page(&room, Shard::FIRST, None)),
        gives_up("count", limit, t.count(&room, Shard::FIRST)),
        gives_up("members_among", limit, t.members_among(&room, std::slice::from_ref(id))),
        gives_up("head", limit, t.head(&room)),
        gives_up("heads", limit, t.heads(std::slice::from_ref(&room))),
        gives_up("create", limit, t.create(&room, &head.epoch, samples::NOW)),
        gives_up("grow", limit, t.grow(&room, Shards::new(1), Shards::new(2))),
        gives_up("append", limit, t.append(&append)),
        gives_up("mark_sent", limit, t.mark_sent(&room, &head.epoch, Sequence::new(1), samples::NOW)),
        gives_up("delivered", limit, t.delivered(&room, Shard::FIRST, &head.epoch)),
        gives_up("mark_delivered", limit, t.mark_delivered(&room, Shard::FIRST, &range, samples::NOW)),
        gives_up("log", limit, t.log(&room, &range, 1, samples::NOW)),
        gives_up("log_backwards", limit, t.log_backwards(&room, &head.epoch, Sequence::new(1), 1, samples::NOW)),
    );
}

#[tokio::test]
async fn every_call_to_a_queue_gives_up_within_its_limit() {
    let url = silence().await;
    let queue = format!("{url}/000000000000/q.fifo");
    let queues = Queues::new(&account(&url))
        .with_publications(queue.clone())
        .with_deliveries(queue.clone(), queue.clone())
        .with_own(vec![queue]);
    let range = samples::range(&samples::epoch("k7Qf"), 0, 1);
    let jobs = Job::for_shards(&samples::room("lobby"), &range, Shards::new(1));
    let submission = samples::submission("lobby", "ada", &["a"]);
    let receipt = Receipt { queue: "q.fifo".to_owned(), handle: "h".to_owned() };
    tokio::join!(
        gives_up("submit", QUEUE_TIMEOUT, queues.submit(&submission)),
        gives_up("dispatch", QUEUE_TIMEOUT, queues.dispatch(&jobs)),
        gives_up("retry_after", QUEUE_TIMEOUT, queues.retry_after(&receipt, Duration::ZERO)),
    );
}

#[tokio::test]
async fn a_post_that_hangs_has_failed_within_its_limit_and_so_has_a_look() {
    let url = silence().await;
    let gateway = Management::new(&account(&url));
    let (endpoint, id) = (Endpoint::new(format!("{url}/local")), samples::connection_id("c"));
    let begun = Instant::now();
    assert_eq!(gateway.post(&endpoint, &id, "x".into()).await, Delivery::Failed);
    assert!(begun.elapsed() < limits::POST_TIMEOUT + SLACK);
    tokio::join!(
        gives_up("probe", PROBE_TIMEOUT, gateway.probe(&endpoint, &id)),
        gives_up("close", PROBE_TIMEOUT, gateway.close(&endpoint, &id)),
    );
}

//! Tests the inspector over HTTP: the stream of events, its views, and the refused requests.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use local::TimeLimits;
use serde_json::Value;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::net::TcpStream;

use crate::harness::{PATIENCE, Running, start, start_with};

/// A function that stores each message, and a queue without a consumer.
const WITNESSED: &str = "
websocket:
  route_selection_expression: $request.body.action
functions:
  witness:
    binary: witness
    memory_mb: 128
    timeout_s: 5
    environment: { WITNESS_TABLE: { table: seen } }
    triggers:
      - queue: { queue: inbox, batch_size: 1 }
      - websocket: { routes: [$default] }
    grants: [{ table: seen, actions: [PutItem] }]
queues:
  inbox: { visibility_timeout_s: 30 }
  idle: { fifo: true }
tables:
  seen: { partition_key: { name: id, type: S } }
";

fn address(running: &Running) -> String {
    running.stack.addresses().aws_endpoint.trim_start_matches("http://").to_owned()
}

/// Sends one request on its own connection. Returns status and body.
async fn request(address: &str, method: &str, path: &str, headers: &[&str]) -> (u16, String) {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let has_host = headers.iter().any(|line| line.starts_with("Host:"));
    let host = if has_host { String::new() } else { format!("Host: {address}\r\n") };
    let more: String = headers.iter().map(|line| format!("{line}\r\n")).collect();
    let head = format!("{method} {path} HTTP/1.1\r\n{host}{more}Connection: close\r\nContent-Length: 0\r\n\r\n");
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    (head.split(' ').nth(1).unwrap().parse().unwrap(), body.to_owned())
}

async fn get(running: &Running, path: &str) -> Value {
    let (status, body) = request(&address(running), "GET", path, &[]).await;
    assert_eq!(status, 200, "{body}");
    serde_json::from_str(&body).unwrap()
}

/// A reader of the stream of events.
struct Events(Lines<BufReader<TcpStream>>);

impl Events {
    async fn open(running: &Running, query: &str) -> Self {
        let address = address(running);
        let mut stream = TcpStream::connect(&address).await.unwrap();
        let head = format!("GET /_local/events{query} HTTP/1.1\r\nHost: {address}\r\n\r\n");
        stream.write_all(head.as_bytes()).await.unwrap();
        let mut lines = BufReader::new(stream).lines();
        while lines.next_line().await.unwrap().unwrap() != "retry: 1000" {}
        Self(lines)
    }

    /// Returns the next event for which `wanted` holds.
    async fn find(&mut self, wanted: impl Fn(&Value) -> bool) -> Value {
        let reading = async {
            loop {
                let line = self.0.next_line().await.unwrap().unwrap();
                let event = line.strip_prefix("data: ").map(|json| serde_json::from_str::<Value>(json).unwrap());
                if let Some(event) = event.filter(|event| wanted(event)) {
                    return event;
                }
            }
        };
        tokio::time::timeout(PATIENCE, reading).await.expect("the event happens")
    }

    async fn next_of(&mut self, of_type: &str) -> Value {
        self.find(|event| event["type"] == of_type).await
    }
}

async fn send(running: &Running, queue: &str, body: &str) {
    let url = &running.stack.addresses().resources.queues[queue].url;
    let mut request = running.stack.clients().sqs.send_message().queue_url(url).message_body(body);
    if queue == "idle" {
        request = request.message_group_id("lobby").message_deduplication_id(body);
    }
    request.send().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_is_followed_from_the_queue_through_the_function_to_its_deletion() {
    let running = start(WITNESSED).await;
    let mut events = Events::open(&running, "").await;
    send(&running, "inbox", "hello").await;
    let sent = events.next_of("message_sent").await;
    assert_eq!((&sent["queue"], &sent["body"], &sent["bytes"]), (&"inbox".into(), &"hello".into(), &5.into()));
    let received = events.next_of("message_received").await;
    assert_eq!((&received["message_id"], &received["receive_count"]), (&sent["message_id"], &1.into()));
    let started = events.next_of("invocation_started").await;
    let event: Value = serde_json::from_str(started["body"].as_str().unwrap()).unwrap();
    assert_eq!((&started["function"], &event["Records"][0]["messageId"]), (&"witness".into(), &sent["message_id"]));
    let ended = events.next_of("invocation_ended").await;
    assert_eq!((&ended["request_id"], &ended["status"]), (&started["request_id"], &"success".into()));
    let deleted = events.next_of("message_deleted").await;
    assert_eq!(deleted["message_id"], sent["message_id"]);
    let ids: Vec<u64> =
        [&sent, &received, &started, &ended, &deleted].map(|event| event["id"].as_u64().unwrap()).to_vec();
    assert!(ids.is_sorted(), "{ids:?}");
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_is_followed_from_its_handshake_through_its_frames_and_posts_to_its_end() {
    let running = start(WITNESSED).await;
    let websocket = running.stack.addresses().websocket.clone().unwrap();
    let mut events = Events::open(&running, "?types=connection_opened,connection_closed,frame_received,posted").await;
    let (mut socket, _) = tokio_tungstenite::connect_async(&websocket.ws_url).await.unwrap();
    let opened = events.next_of("connection_opened").await;
    let id = opened["connection_id"].as_str().unwrap();
    let open = get(&running, "/_local/connections").await;
    assert_eq!(open[0]["connection_id"], id);
    futures::SinkExt::send(&mut socket, "hello".into()).await.unwrap();
    let received = events.next_of("frame_received").await;
    assert_eq!((&received["connection_id"], &received["body"]), (&id.into(), &"hello".into()));
    assert_eq!(received["route"], "$default");
    let authorization = "Authorization: AWS4-HMAC-SHA256 Credential=local/20260101/us-east-1/execute-api/aws4_request, SignedHeaders=host, Signature=x";
    let gateway = websocket.management_url.trim_start_matches("http://").trim_end_matches("/local").to_owned();
    let path = format!("/local/@connections/{}", id.replace('=', "%3D"));
    assert_eq!(request(&gateway, "POST", &path, &[authorization]).await.0, 200);
    let posted = events.next_of("posted").await;
    assert_eq!((&posted["outcome"], &posted["by"]), (&"delivered".into(), &"developer".into()));
    drop(socket);
    let closed = events.next_of("connection_closed").await;
    assert_eq!((&closed["connection_id"], &closed["code"]), (&id.into(), &1006.into()));
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn faults_and_kills_are_events_and_a_killed_function_is_replaced() {
    let running = start_with(WITNESSED, |options| options.faults = "F7=1".parse().unwrap()).await.unwrap();
    let mut events = Events::open(&running, "?types=fault_fired,process_ended").await;
    send(&running, "inbox", "hello").await;
    let fired = events.next_of("fault_fired").await;
    assert_eq!((&fired["fault"], &fired["what"]), (&"F7".into(), &"an invocation is throttled".into()));
    let (status, body) = request(&address(&running), "POST", "/_local/functions/witness/kill", &[]).await;
    assert!(status == 200 && body.starts_with("{\"killed\":"), "{status} {body}");
    let ended = events.next_of("process_ended").await;
    assert_eq!((&ended["function"], &ended["reason"]), (&"witness".into(), &"signal: killed".into()));
    assert_eq!(request(&address(&running), "POST", "/_local/functions/nothing/kill", &[]).await.0, 404);
    assert_eq!(request(&address(&running), "GET", "/_local/functions/witness/kill", &[]).await.0, 405);
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn messages_are_looked_at_without_being_received() {
    let running = start(WITNESSED).await;
    send(&running, "idle", "first").await;
    send(&running, "idle", "second").await;
    let messages = get(&running, "/_local/queues/idle.fifo/messages").await;
    let bodies: Vec<&str> = messages.as_array().unwrap().iter().filter_map(|found| found["body"].as_str()).collect();
    assert_eq!(bodies, ["first", "second"]);
    assert_eq!((&messages[0]["group"], &messages[0]["place"]), (&"lobby".into(), &"visible".into()));
    assert_eq!(messages[0]["receive_count"], 0);
    assert_eq!(get(&running, "/_local/queues/idle.fifo/messages?limit=1").await.as_array().unwrap().len(), 1);
    assert_eq!(get(&running, "/_local/queues").await["idle.fifo"]["visible"], 2);
    assert_eq!(request(&address(&running), "GET", "/_local/queues/nothing/messages", &[]).await.0, 404);
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn lines_of_functions_are_found_by_their_text() {
    let running = start(WITNESSED).await;
    send(&running, "inbox", "hello").await;
    let begun = Instant::now();
    let found = loop {
        let found = get(&running, "/_local/logs?q=witnessed&function=witness").await;
        if let Some(line) = found.as_array().unwrap().first() {
            break line.clone();
        }
        assert!(begun.elapsed() < PATIENCE, "the line is never found");
        tokio::task::yield_now().await;
    };
    assert_eq!((&found["text"], &found["output"]), (&"witnessed a message".into(), &"stdout".into()));
    let request_id = found["request_id"].as_str().unwrap();
    let by_request = get(&running, &format!("/_local/logs?q={request_id}")).await;
    assert_eq!(by_request[0]["text"], found["text"]);
    assert_eq!(request(&address(&running), "GET", "/_local/logs?limit=none", &[]).await.0, 400);
    running.stop().await;
}

/// Parses the text format of Prometheus. Returns the samples by series, and the types by metric.
/// <https://prometheus.io/docs/instrumenting/exposition_formats/>
fn parse_metrics(text: &str) -> (BTreeMap<String, f64>, BTreeMap<String, String>) {
    let (mut samples, mut types) = (BTreeMap::new(), BTreeMap::new());
    assert!(text.is_empty() || text.ends_with('\n'), "the last line has a line feed");
    for line in text.lines() {
        if let Some(rest) = line.strip_prefix("# TYPE ") {
            let (name, kind) = rest.split_once(' ').unwrap();
            assert!(types.insert(name.to_owned(), kind.to_owned()).is_none(), "{name} is described once");
        } else if !line.starts_with("# HELP ") {
            let (series, value) = line.rsplit_once(' ').unwrap();
            let name = series.split('{').next().unwrap();
            let is_name = |letter: char| letter.is_ascii_alphanumeric() || letter == '_';
            assert!(name.chars().all(is_name) && name.starts_with(|first: char| first.is_ascii_alphabetic()), "{line}");
            let family = ["_bucket", "_sum", "_count"].iter().find_map(|suffix| name.strip_suffix(suffix));
            assert!(types.contains_key(name) || family.is_some_and(|family| types[family] == "histogram"), "{line}");
            assert!(samples.insert(series.to_owned(), value.parse().unwrap()).is_none(), "{series} stands once");
        }
    }
    (samples, types)
}

#[tokio::test(flavor = "multi_thread")]
async fn metrics_of_functions_are_served_in_the_text_format_of_prometheus() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("help.json"), r#"{"events_seen":"Events of the witness."}"#).unwrap();
    let settings = folder.path().join("local.yaml");
    std::fs::write(&settings, "metric_help: help.json\n").unwrap();
    let running = start_with(WITNESSED, |options| options.local = Some(settings)).await.unwrap();
    for body in ["one", "two"] {
        send(&running, "inbox", body).await;
    }
    let begun = Instant::now();
    let (samples, types, text) = loop {
        let (status, text) = request(&address(&running), "GET", "/_local/metrics", &[]).await;
        assert_eq!(status, 200);
        let (samples, types) = parse_metrics(&text);
        if samples.get("tests_events_seen_total{function=\"witness\"}") == Some(&2.0) {
            break (samples, types, text);
        }
        assert!(begun.elapsed() < PATIENCE, "{text}");
        tokio::task::yield_now().await;
    };
    assert!(text.contains("# HELP tests_events_seen_total Events of the witness. Unit: Count.\n"), "{text}");
    assert_eq!((&*types["tests_events_seen_total"], &*types["tests_witness_took_ms"]), ("counter", "histogram"));
    assert_eq!(samples["tests_witness_took_ms_sum{function=\"witness\"}"], 14.0);
    assert_eq!(samples["tests_witness_took_ms_bucket{function=\"witness\",le=\"5\"}"], 0.0);
    assert_eq!(samples["tests_witness_took_ms_bucket{function=\"witness\",le=\"10\"}"], 2.0);
    assert_eq!(samples["tests_witness_took_ms_bucket{function=\"witness\",le=\"+Inf\"}"], 2.0);
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_page_and_the_folders_of_local_yaml_are_served_with_their_configuration() {
    let folder = tempfile::tempdir().unwrap();
    let pages = folder.path().join("pages");
    std::fs::create_dir(&pages).unwrap();
    std::fs::write(pages.join("index.html"), "<title>ours</title>").unwrap();
    let settings = folder.path().join("local.yaml");
    std::fs::write(&settings, "pages: { app: pages }\npage_config: { greeting: hello }\n").unwrap();
    let running = start_with(WITNESSED, |options| options.local = Some(settings)).await.unwrap();
    let address = address(&running);
    let (status, page) = request(&address, "GET", "/_local/", &[]).await;
    assert!(status == 200 && page.starts_with("<!doctype html>"), "{status}");
    assert_eq!(request(&address, "GET", "/app/", &[]).await, (200, "<title>ours</title>".to_owned()));
    let config = get(&running, "/_local/config").await;
    assert_eq!((&config["pages"][0], &config["page_config"]["greeting"]), (&"/app/".into(), &"hello".into()));
    assert_eq!((&config["functions"][0], &config["name"]), (&"witness".into(), &"test".into()));
    assert_eq!(config["ws_url"].as_str(), running.stack.addresses().websocket.as_ref().map(|found| &*found.ws_url));
    assert_eq!(request(&address, "GET", "/_local/nothing", &[]).await.0, 404);
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_web_page_drives_the_stack() {
    let running = start_with(WITNESSED, |options| options.hosts = vec!["stack.internal".to_owned()]).await.unwrap();
    let aws = address(&running);
    let port = aws.rsplit_once(':').unwrap().1;
    let websocket = running.stack.addresses().websocket.clone().unwrap();
    let gateway = websocket.management_url.trim_start_matches("http://").trim_end_matches("/local").to_owned();
    let form = "Content-Type: application/x-www-form-urlencoded";
    let sqs = "X-Amz-Target: AmazonSQS.ListQueues";
    let dynamodb = "X-Amz-Target: DynamoDB_20120810.ListTables";
    let foreign = [
        "Origin: http://evil.example",
        "Origin: null",
        "Origin: http://localhost:3000",
        "Host: evil.example",
        "Sec-Fetch-Site: cross-site",
    ];
    for sign in foreign {
        for (address, method, path, header) in [
            (&aws, "POST", "/", form),
            (&aws, "POST", "/", sqs),
            (&aws, "POST", "/", dynamodb),
            (&aws, "GET", "/_local/events", form),
            (&aws, "GET", "/_local/config", form),
            (&aws, "GET", "/_local/metrics", form),
            (&aws, "PUT", "/_local/faults", form),
            (&aws, "POST", "/_local/functions/witness/kill", form),
            (&gateway, "POST", "/local/@connections/AAAA1234=", form),
            (&gateway, "GET", "/ping", form),
        ] {
            let (status, body) = request(address, method, path, &[sign, header]).await;
            assert_eq!(status, 403, "{sign}: {method} {path}: {body}");
        }
    }
    for own in ["127.0.0.1", "localhost", "[::1]", "stack.internal"] {
        let host = format!("Host: {own}:{port}");
        assert_eq!(request(&aws, "GET", "/_local/stats", &[&host]).await.0, 200, "{own}");
        let origin = format!("Origin: http://{own}:{port}");
        assert_eq!(request(&aws, "GET", "/_local/stats", &[&host, &origin]).await.0, 200, "{own}");
    }
    let handshake = ["Upgrade: websocket", "Connection: Upgrade", "Sec-WebSocket-Version: 13"];
    let key = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==";
    let with = |sign| [&handshake[..], &[key, sign]].concat();
    assert_eq!(request(&gateway, "GET", "/local", &with("Host: evil.example")).await.0, 403);
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_stops_in_the_middle_of_a_request_holds_no_connection() {
    let second = Duration::from_secs(1);
    let limits = TimeLimits { head_within: second, body_within: second };
    let running = start_with(WITNESSED, |options| options.time_limits = limits).await.unwrap();
    let address = address(&running);
    let head = format!("POST / HTTP/1.1\r\nHost: {address}\r\nX-Amz-Target: AmazonSQS.ListQueues\r\n");
    for (sent, answer) in [
        (String::new(), ""),
        (head.clone(), ""),
        (format!("{head}Content-Length: 10\r\n\r\n{{}}"), "HTTP/1.1 408 Request Timeout"),
        (format!("{head}Transfer-Encoding: chunked\r\n\r\n2\r\n{{}}\r\n"), "HTTP/1.1 408 Request Timeout"),
    ] {
        let mut stream = TcpStream::connect(&address).await.unwrap();
        stream.write_all(sent.as_bytes()).await.unwrap();
        let mut received = Vec::new();
        // Ends when the server closes the connection.
        stream.read_to_end(&mut received).await.unwrap();
        assert!(String::from_utf8_lossy(&received).starts_with(answer), "{sent:?}: {received:?}");
    }
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_port_is_there_on_both_loopback_addresses() {
    let running = start(WITNESSED).await;
    let is_there = tokio::net::TcpListener::bind("[::1]:0").await.is_ok();
    let websocket = running.stack.addresses().websocket.clone().unwrap();
    assert!(websocket.ws_url.starts_with("ws://127.0.0.1:"), "{}", websocket.ws_url);
    let other = websocket.ws_url.replace("127.0.0.1", "[::1]");
    assert_eq!(tokio_tungstenite::connect_async(&other).await.is_ok(), is_there);
    let aws = address(&running).replace("127.0.0.1", "[::1]");
    assert_eq!(TcpStream::connect(&aws).await.is_ok(), is_there);
    if is_there {
        assert_eq!(request(&aws, "GET", "/_local/stats", &[]).await.0, 200);
    }
    running.stop().await;
}

//! Measures the gateway: posts a second through the management API, memory of idle connections, and
//! handshakes a second.
//!
//! `cargo run -p local-gateway --example throughput -- [connections] [seconds]`. The gateway runs
//! on one thread, as on one core. Clients and callers are plain sockets on other threads. Needs two
//! file descriptors for every connection.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use bytes::Bytes;
use local_gateway::{Config, Gateway, Limits, Route};
use local_invoke::{Error, Invoke};
use serde_json::Value;

type Failure = Box<dyn std::error::Error + Send + Sync>;

/// Number of concurrent callers. Equals the number of posts that the fan-out has in flight.
const CALLERS: usize = 64;

const DEFAULT_CONNECTIONS: usize = 4_000;
const DEFAULT_SECONDS: u64 = 5;
const MESSAGE: &str = r#"{"b":[{"room":"lobby","ep":"k7Qf","seq":1043,"m":[{"id":"01J9","by":"ada","at":1764000000000,"data":{"text":"hi"}}]}]}"#;

/// A `$connect` function that accepts every client and sends the connection's id to the channel.
struct Door(mpsc::Sender<String>);

impl Invoke for Door {
    async fn invoke(&self, _function: &str, payload: Bytes) -> Result<Bytes, Error> {
        let event: Value = serde_json::from_slice(&payload).unwrap_or_default();
        let id = event["requestContext"]["connectionId"].as_str().unwrap_or_default();
        let _ = self.0.send(id.to_owned());
        Ok(Bytes::from_static(br#"{"statusCode":200}"#))
    }
}

fn main() -> Result<(), Failure> {
    let mut arguments = std::env::args().skip(1);
    let connections = arguments.next().map_or(Ok(DEFAULT_CONNECTIONS), |argument| argument.parse())?;
    let seconds = arguments.next().map_or(Ok(DEFAULT_SECONDS), |argument| argument.parse())?;
    let (ids, admitted) = mpsc::channel();
    let address = start_gateway(ids)?;

    let before = resident_bytes()?;
    let started = Instant::now();
    let clients = (0..connections).map(|_| connect(address)).collect::<Result<Vec<_>, _>>()?;
    let ids: Vec<String> = admitted.iter().take(connections).collect();
    let rate = connections as f64 / started.elapsed().as_secs_f64();
    let each = resident_bytes()?.saturating_sub(before) / connections.max(1) as u64;
    println!("{connections} connections, {rate:.0} handshakes/s, {each} bytes resident each");

    let stop = Arc::new(AtomicBool::new(false));
    let readers = drain(clients, &stop)?;
    let (rate, latencies) = post(address, Arc::new(ids), Duration::from_secs(seconds))?;
    println!(
        "{rate:.0} posts/s by {CALLERS} callers; latency p50 {:?}, p99 {:?}",
        latencies[latencies.len() / 2],
        latencies[latencies.len() * 99 / 100],
    );
    stop.store(true, Ordering::Relaxed);
    println!("{} bytes read by the clients", readers.join().map_err(|_| "a reader failed")?);
    Ok(())
}

fn start_gateway(ids: mpsc::Sender<String>) -> Result<SocketAddr, Failure> {
    let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
    listener.set_nonblocking(true)?;
    let address = listener.local_addr()?;
    let route = |key: &str| Route { key: key.to_owned(), function: "door".to_owned(), responds: false, rate: None };
    let config = Config {
        api_id: "throughput".to_owned(),
        region: "us-east-1".to_owned(),
        account_id: "000000000000".to_owned(),
        stage: "local".to_owned(),
        domain_name: address.to_string(),
        route_selection_expression: "$request.body.action".to_owned(),
        routes: vec![route("$connect"), route("$default")],
        authorizer: None,
        http: None,
        allow_binary: false,
        hosts: None,
        limits: Limits { account_rate: None, connect_rate: None, ..Limits::default() },
    };
    let gateway = Gateway::new(config, Door(ids))?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    thread::spawn(move || {
        runtime.block_on(async {
            let listener = tokio::net::TcpListener::from_std(listener)?;
            gateway.serve(listener, std::future::pending()).await;
            Ok::<_, Failure>(())
        })
    });
    Ok(address)
}

fn connect(address: SocketAddr) -> Result<TcpStream, Failure> {
    let mut stream = TcpStream::connect(address)?;
    stream.write_all(
        b"GET /local HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
          Sec-WebSocket-Key: x3JJHMbDL1EzLkh9GBhXDw==\r\n\r\n",
    )?;
    let head = read_head(&mut stream)?;
    if head.starts_with("HTTP/1.1 101 ") { Ok(stream) } else { Err(head.into()) }
}

fn read_head(stream: &mut TcpStream) -> Result<String, Failure> {
    let mut head = Vec::new();
    let mut buffer = [0; 1024];
    while !head.ends_with(b"\r\n\r\n") {
        let read = stream.read(&mut buffer)?;
        if read == 0 {
            return Err("closed".into());
        }
        head.extend_from_slice(&buffer[..read]);
    }
    Ok(String::from_utf8(head)?)
}

/// Reads from every client on a separate thread, so that no client is slow.
fn drain(mut clients: Vec<TcpStream>, stop: &Arc<AtomicBool>) -> Result<thread::JoinHandle<u64>, Failure> {
    for client in &clients {
        client.set_nonblocking(true)?;
    }
    let stop = Arc::clone(stop);
    Ok(thread::spawn(move || {
        let mut buffer = vec![0; 64 * 1024];
        let mut total = 0;
        while !stop.load(Ordering::Relaxed) {
            for client in &mut clients {
                while let Ok(read) = client.read(&mut buffer) {
                    total += read as u64;
                    if read < buffer.len() {
                        break;
                    }
                }
            }
            thread::sleep(Duration::from_millis(50));
        }
        total
    }))
}

fn post(address: SocketAddr, ids: Arc<Vec<String>>, duration: Duration) -> Result<(f64, Vec<Duration>), Failure> {
    let posted = Arc::new(AtomicU64::new(0));
    let started = Instant::now();
    let callers: Vec<_> = (0..CALLERS)
        .map(|caller| {
            let (ids, posted) = (Arc::clone(&ids), Arc::clone(&posted));
            thread::spawn(move || call(address, &ids[caller * ids.len() / CALLERS..], duration, &posted))
        })
        .collect();
    let mut latencies = Vec::new();
    for caller in callers {
        latencies.extend(caller.join().map_err(|_| "a caller failed")??);
    }
    latencies.sort_unstable();
    Ok((posted.load(Ordering::Relaxed) as f64 / started.elapsed().as_secs_f64(), latencies))
}

fn call(address: SocketAddr, ids: &[String], duration: Duration, posted: &AtomicU64) -> Result<Vec<Duration>, Failure> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_nodelay(true)?;
    let started = Instant::now();
    let mut latencies = Vec::new();
    for id in ids.iter().cycle() {
        let id = id.replace('/', "%2F").replace('+', "%2B").replace('=', "%3D");
        let request = format!(
            "POST /local/%40connections/{id} HTTP/1.1\r\nHost: x\r\nContent-Length: {}\r\nX-Amz-Date: 20240209T181143Z\r\n\
             Authorization: AWS4-HMAC-SHA256 Credential=AKID/20240209/us-east-1/execute-api/aws4_request, \
             SignedHeaders=host;x-amz-date, Signature={:064}\r\n\r\n{MESSAGE}",
            MESSAGE.len(),
            0
        );
        let sent = Instant::now();
        stream.write_all(request.as_bytes())?;
        let head = read_head(&mut stream)?;
        if !head.starts_with("HTTP/1.1 200 ") {
            return Err(head.into());
        }
        latencies.push(sent.elapsed());
        posted.fetch_add(1, Ordering::Relaxed);
        if started.elapsed() > duration {
            break;
        }
    }
    Ok(latencies)
}

/// Returns the resident memory of this process (`VmRSS`), or zero where `/proc` does not exist.
fn resident_bytes() -> Result<u64, Failure> {
    let Ok(status) = std::fs::read_to_string("/proc/self/status") else { return Ok(0) };
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap_or("0 kB");
    Ok(line.trim().trim_end_matches(" kB").parse::<u64>()? * 1024)
}

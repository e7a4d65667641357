//! Echoes every message, for WebSocket conformance suites such as Autobahn. `conformance/run`
//! starts it.
//!
//! Run `cargo run -p local-gateway --example echo -- 127.0.0.1:9001 lifted`, then point the suite
//! at `ws://127.0.0.1:9001/local`. `lifted` lifts the limits and passes binary messages on.
//! `default` keeps the behaviour of API Gateway.

use std::time::Duration;

use bytes::Bytes;
use local_gateway::{Config, Gateway, Limits, Route};
use local_invoke::{Error, Invoke};
use serde_json::{Value, json};
use tokio::net::TcpListener;

/// Conformance suites send up to 16 MB in one message.
const LARGEST_MESSAGE_BYTES: usize = 64 * 1024 * 1024;

const DEFAULT_ADDRESS: &str = "127.0.0.1:9001";

/// A function whose answer is the message that it received.
struct Echo;

impl Invoke for Echo {
    async fn invoke(&self, function: &str, payload: Bytes) -> Result<Bytes, Error> {
        let failed = |error: serde_json::Error| Error::Failed {
            function: function.to_owned(),
            error_type: "Runtime.InvalidEvent".to_owned(),
            message: error.to_string(),
        };
        let event: Value = serde_json::from_slice(&payload).map_err(failed)?;
        let answer = json!({ "statusCode": 200, "body": event["body"], "isBase64Encoded": event["isBase64Encoded"] });
        Ok(answer.to_string().into())
    }
}

/// Processes one message at a time, because suites expect their echoes in order, which API Gateway
/// does not promise. Also lifts the rates.
fn in_order(limits: Limits) -> Limits {
    Limits { messages_in_flight: 1, account_rate: None, connect_rate: None, ..limits }
}

fn lifted_limits() -> Limits {
    in_order(Limits {
        frame_bytes: LARGEST_MESSAGE_BYTES,
        message_bytes: LARGEST_MESSAGE_BYTES,
        outbound_buffer_bytes: LARGEST_MESSAGE_BYTES,
        integration_timeout: Duration::from_secs(600),
        socket_send_buffer_bytes: None,
        ..Limits::default()
    })
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let address = std::env::args().nth(1).unwrap_or_else(|| DEFAULT_ADDRESS.to_owned());
    let lifted = match std::env::args().nth(2).as_deref() {
        None | Some("lifted") => true,
        Some("default") => false,
        Some(other) => return Err(format!("{other:?} is no mode; say lifted or default").into()),
    };
    let listener = TcpListener::bind(&address).await?;
    let domain_name = listener.local_addr()?.to_string();
    println!("echo on ws://{domain_name}/local");
    let config = Config {
        api_id: "echo".to_owned(),
        region: "us-east-1".to_owned(),
        account_id: "000000000000".to_owned(),
        stage: "local".to_owned(),
        domain_name,
        route_selection_expression: r"\$default".to_owned(),
        routes: vec![Route { key: "$default".to_owned(), function: "echo".to_owned(), responds: true, rate: None }],
        authorizer: None,
        http: None,
        allow_binary: lifted,
        hosts: None,
        limits: if lifted { lifted_limits() } else { in_order(Limits::default()) },
    };
    let stop = async { tokio::signal::ctrl_c().await.unwrap_or_default() };
    Gateway::new(config, Echo)?.serve(listener, stop).await;
    Ok(())
}

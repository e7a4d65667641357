//! The banner that the runner prints when the stack is ready.

use crate::settings::Settings;
use crate::stack::Addresses;

/// Returns the lines of the banner as plain text.
#[must_use]
pub fn text(name: &str, addresses: &Addresses, settings: &Settings, took: std::time::Duration) -> String {
    let mut text = format!("\n  {name} runs on this machine, ready in {:.1} s.\n\n", took.as_secs_f64());
    let mut line = |label: &str, value: &str| text.push_str(&format!("  {label:<13} {value}\n"));
    if addresses.is_embedded {
        line("Look inside", &format!("{}/_local/", addresses.aws_endpoint));
        for page in settings.pages.keys() {
            line("Page", &format!("{}/{page}/", addresses.aws_endpoint));
        }
    }
    if let Some(websocket) = &addresses.websocket {
        line("WebSocket", &websocket.ws_url);
        line("Management", &websocket.management_url);
    }
    if let Some(url) = &addresses.http_url {
        line("HTTP API", url);
    }
    line("AWS", &format!("{}  (DynamoDB, Streams, SQS, SNS)", addresses.aws_endpoint));
    for (topic, arn) in &addresses.resources.topics {
        line("Topic", &format!("{arn}  ({topic})"));
    }
    text.push('\n');
    let mut line = |label: &str, command: &str| text.push_str(&format!("  {label:<13} {command}\n"));
    if let Some(websocket) = &addresses.websocket {
        line("Try it", &format!("npx wscat -c {}", websocket.ws_url));
    }
    if addresses.is_embedded {
        line("For aws, SDKs", &format!("eval \"$(curl -s {}/_local/env)\"", addresses.aws_endpoint));
    }
    if !settings.banner.is_empty() {
        text.push('\n');
    }
    let ws_url = addresses.websocket.as_ref().map_or("", |websocket| &websocket.ws_url);
    for line in &settings.banner {
        let line = line.replace("{ws_url}", ws_url).replace("{aws_endpoint}", &addresses.aws_endpoint);
        text.push_str(&format!("  {line}\n"));
    }
    text.push_str("\n  Ctrl-C stops it.\n");
    text
}

//! What a person reads when the stack is ready.

use crate::stack::Addresses;

/// The lines of the banner, plain text.
#[must_use]
pub fn text(name: &str, addresses: &Addresses, extra: &[String], took: std::time::Duration) -> String {
    let mut text = format!("\n  {name} runs on this machine, ready in {:.1} s.\n\n", took.as_secs_f64());
    let mut line = |label: &str, value: &str| text.push_str(&format!("  {label:<12} {value}\n"));
    if let Some(websocket) = &addresses.websocket {
        line("WebSocket", &websocket.ws_url);
        line("Management", &websocket.management_url);
    }
    line("AWS", &format!("{}  (DynamoDB, Streams, SQS, SNS: AWS_ENDPOINT_URL)", addresses.aws_endpoint));
    for (topic, arn) in &addresses.resources.topics {
        line("Topic", &format!("{arn}  ({topic})"));
    }
    if let Some(websocket) = &addresses.websocket {
        text.push('\n');
        text.push_str(&format!("  Try it:  npx wscat -c {}\n", websocket.ws_url));
    }
    if !extra.is_empty() {
        text.push('\n');
    }
    for line in extra {
        let ws_url = addresses.websocket.as_ref().map_or("", |websocket| &websocket.ws_url);
        text.push_str(&format!("  {}\n", line.replace("{ws_url}", ws_url)));
    }
    text.push_str("\n  Ctrl-C stops it.\n");
    text
}

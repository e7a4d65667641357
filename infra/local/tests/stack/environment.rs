//! Tests the environment of a function, and the variables that it must not contain.

use std::collections::BTreeMap;

use crate::harness::{start, text};

const REFERENCES: &str = "
parameters:
  greeting: { description: What is said first., default: hello }
websocket:
  route_selection_expression: $request.body.action
functions:
  by-queue:
    binary: witness
    memory_mb: 256
    timeout_s: 5
    environment:
      WITNESS_TABLE: { table: seen }
      INBOX: { queue_url: inbox }
      NEWS: { topic_arn: news }
      MANAGEMENT: { websocket: management_url }
      GREETING: { parameter: greeting }
      PLAIN: as it is
    triggers:
      - queue: { queue: inbox }
      - websocket: { routes: [$default] }
    grants: [{ table: seen, actions: [PutItem] }]
queues:
  inbox: { visibility_timeout_s: 30 }
topics:
  news: {}
tables:
  seen: { partition_key: { name: id, type: S } }
";

#[tokio::test(flavor = "multi_thread")]
async fn a_function_sees_what_the_topology_gives_it_and_nothing_of_this_machine() {
    let running = start(REFERENCES).await;
    let addresses = running.stack.addresses();
    let inbox = addresses.resources.queues["inbox"].url.clone();
    running.stack.clients().sqs.send_message().queue_url(&inbox).message_body("hello").send().await.unwrap();
    let seen = running.witnessed(|item| text(item, "function") == "by-queue").await;
    let seen: BTreeMap<String, String> = serde_json::from_str(text(&seen, "environment")).unwrap();
    let given = [
        ("AWS_ENDPOINT_URL", addresses.aws_endpoint.as_str()),
        ("GREETING", "hello"),
        ("INBOX", &inbox),
        ("MANAGEMENT", &addresses.websocket.as_ref().unwrap().management_url),
        ("NEWS", "arn:aws:sns:us-east-1:000000000000:news"),
        ("PLAIN", "as it is"),
        ("WITNESS_TABLE", "seen"),
        ("AWS_LAMBDA_FUNCTION_NAME", "by-queue"),
        ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "256"),
        ("AWS_REGION", "us-east-1"),
    ];
    for (name, value) in given {
        assert_eq!(seen.get(name).map(String::as_str), Some(value), "{name}");
    }
    assert!(seen["AWS_ACCESS_KEY_ID"].starts_with("ASIA"), "temporary keys of its own");
    let is_given = |name: &&String| {
        let by_lambda = ["LAMBDA_", "AWS_LAMBDA_", "_"].iter().any(|prefix| name.starts_with(prefix));
        let by_system = ["LANG", "LD_LIBRARY_PATH", "PATH", "TZ"].contains(&name.as_str());
        let by_role = ["ACCESS_KEY_ID", "DEFAULT_REGION", "SECRET_ACCESS_KEY", "SESSION_TOKEN"]
            .iter()
            .any(|rest| name.strip_prefix("AWS_") == Some(rest));
        by_lambda || by_system || by_role || given.iter().any(|(given, _)| given == name)
    };
    let others: Vec<&String> = seen.keys().filter(|name| !is_given(name)).collect();
    assert!(others.is_empty(), "{others:?}");
    running.stop().await;
}

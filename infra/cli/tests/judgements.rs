//! Tests `doctor`, `explain`, `logs` and `top` on a local stack, and `logs` against CloudWatch
//! Logs.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests fail by panicking")]

mod common;

use std::collections::BTreeSet;

use common::{Roomcast, get};
use e2e::{Member, aws, everything, start};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

#[tokio::test(flavor = "multi_thread")]
async fn a_healthy_stack_passes_every_check_and_a_dead_letter_fails_with_its_fix() {
    let (stack, _) = start(everything()).await;
    let roomcast = Roomcast::beside(&stack);
    let well = roomcast.run(&["--json", "doctor"]).await;
    assert_eq!(well.status, 0, "{well:?}");
    let findings = well.objects();
    assert!(findings.iter().all(|finding| finding["status"] == "ok"), "{findings:?}");
    let codes: BTreeSet<&str> = findings.iter().map(|finding| finding["code"].as_str().unwrap()).collect();
    assert_eq!(codes.into_iter().collect::<Vec<_>>(), ["D1", "D3", "D4", "D5", "D6", "D8"]);

    let url = &stack.variables()["ROOMCAST_EVENTS_DEAD_QUEUE_URL"];
    aws(&stack).sqs.send_message().queue_url(url).message_body("no JSON").send().await.unwrap();
    roomcast.until_dead("events-dead", 1).await;
    let ill = roomcast.run(&["doctor"]).await;
    assert_eq!(ill.status, 2, "{ill:?}");
    assert!(ill.out.contains("fix: roomcast dead-letters show events-dead"), "{}", ill.out);
    stack.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_that_lost_its_expiry_is_found() {
    let (stack, _) = start(everything()).await;
    let roomcast = Roomcast::beside(&stack);
    let specification =
        aws_sdk_dynamodb::types::TimeToLiveSpecification::builder().enabled(false).attribute_name("ttl");
    let rooms = &stack.variables()["ROOMCAST_ROOMS_TABLE"];
    let update = aws(&stack).dynamodb.update_time_to_live().table_name(rooms);
    update.time_to_live_specification(specification.build().unwrap()).send().await.unwrap();
    let ill = roomcast.run(&["--json", "doctor"]).await;
    let failed: Vec<Value> = ill.objects().into_iter().filter(|finding| finding["status"] == "failure").collect();
    assert_eq!((ill.status, failed.len(), &failed[0]["subject"]), (2, 1, &json!("table rooms")), "{failed:?}");
    assert_eq!(failed[0]["found"], "items expire by none instead of ttl");
    stack.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_publication_is_explained_by_its_id_its_sequence_and_for_a_member() {
    let (stack, ws_url) = start(everything()).await;
    let roomcast = Roomcast::beside(&stack);
    let mut ada = Member::with_claims(&ws_url, json!({ "sub": "ada" })).await;
    ada.join("lobby").await;
    ada.publish("lobby", "p1").await;
    roomcast.json(&["publish", "lobby", "--id", "order-7", "1"]).await;
    ada.hear("lobby", 2).await;
    let mut bob = Member::with_claims(&ws_url, json!({ "sub": "bob" })).await;
    bob.join("lobby").await;
    roomcast.until(&["room", "lobby"], |rows| rows[0]["shards"][0]["through"] == 2).await;
    for subject in [&["p1"][..], &["p1", "--by", "ada"], &["order-7"], &["1"], &["2"]] {
        let explained = roomcast.json(&[&["explain", "lobby"], subject].concat()).await;
        let steps: Vec<&str> = explained.iter().filter_map(|row| row["step"].as_str()).collect();
        assert_eq!(steps, ["accepted", "sequenced", "queued", "given"], "{subject:?}");
        let verdict = explained.last().unwrap()["verdict"].as_str().unwrap();
        assert_eq!(verdict, "Given to 1 of 1 shards with members (2 members now).");
    }
    let shown = roomcast.run(&["explain", "lobby", "p1", "--member", "@ada"]).await;
    assert!(shown.status == 0 && shown.out.contains("its shard 0 was given it"), "{shown:?}");
    let shown = roomcast.run(&["explain", "lobby", "p1", "--member", "@bob"]).await;
    assert!(shown.out.contains("the member joined after it was sequenced"), "{shown:?}");
    let unknown = roomcast.run(&["explain", "lobby", "p9"]).await;
    assert!(unknown.status == 1 && unknown.out.contains("no publication p9"), "{unknown:?}");
    let unknown = roomcast.run(&["explain", "lobby", "9"]).await;
    assert!(unknown.status == 1 && unknown.out.contains("the head is at 2"), "{unknown:?}");
    stack.shutdown().await;
}

/// Returns the functions of log lines, and requires the order of time.
fn functions(lines: &[Value]) -> BTreeSet<&str> {
    assert!(lines.is_sorted_by_key(|line| line["at"].as_u64().unwrap()), "{lines:?}");
    lines.iter().map(|line| line["function"].as_str().unwrap()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn one_publication_id_finds_its_lines_in_every_function_that_touched_it() {
    const PUBLISHERS: usize = 5;
    const ITEMS: usize = 10;
    let (stack, ws_url) = start(everything()).await;
    let roomcast = Roomcast::beside(&stack);
    let mut ada = Member::connect(&ws_url, "ada").await;
    ada.join("lobby").await;
    let events = BTreeSet::from(["events", "sequencer", "fanout"]);
    let ingest = BTreeSet::from(["ingest", "sequencer", "fanout"]);
    roomcast.json(&["publish", "lobby", "--id", "order-7", "1"]).await;
    ada.hear("lobby", 1).await;
    roomcast.until(&["logs", "--publication", "order-7"], |lines| functions(lines) == events).await;

    // Many at once: the sequencer and the fan-out have more ids in a batch than a line lists.
    let mut publishers = e2e::members(&ws_url, "p", PUBLISHERS, &[]).await;
    for (number, publisher) in publishers.iter_mut().enumerate() {
        let items: Vec<Value> =
            (0..ITEMS).map(|item| json!({ "pid": format!("p{number}.{item}"), "data": item })).collect();
        let request = json!({ "action": "publish", "id": 1, "room": "lobby", "items": items });
        publisher.say(request.to_string()).await;
    }
    ada.hear("lobby", 1 + PUBLISHERS * ITEMS).await;
    for number in 0..PUBLISHERS {
        let id = format!("p{number}.{}", ITEMS - 1);
        roomcast.until(&["logs", "--publication", &id, "--room", "lobby"], |lines| functions(lines) == ingest).await;
    }
    let of_fanout = roomcast.json(&["logs", "--room", "lobby", "--function", "fanout"]).await;
    assert_eq!(functions(&of_fanout), BTreeSet::from(["fanout"]));
    assert!(roomcast.json(&["logs", "--room", "lob"]).await.is_empty());
    let shown = roomcast.run(&["logs", "--publication", "order-7"]).await.out;
    assert!(shown.starts_with("AT ") && shown.contains("publication.range=[\"lobby "), "{shown}");
    let unknown = roomcast.run(&["logs", "--function", "fan"]).await;
    assert!(
        unknown.status == 1 && unknown.err.contains("there is no function fan; there are authorizer"),
        "{unknown:?}"
    );

    let all = (1 + PUBLISHERS * ITEMS) as u64;
    let top = roomcast.until(&["top"], |rows| rows[0]["publications"] == all).await;
    assert_eq!(top[0]["room"], "lobby");
    let count = |name: &str| top[0][name].as_u64().unwrap();
    assert!(count("deliveries") > 0 && count("posts") >= count("deliveries"), "{top:?}");
    assert!(count("bytes") > 10 * all && count("slowest_ms") > 0, "{top:?}");
    let shards = roomcast.json(&["top", "--shards", "--by", "slowest"]).await;
    assert_eq!((&shards[0]["room"], &shards[0]["shard"]), (&json!("lobby"), &json!(0)));

    let metrics = get(&stack, "/_local/metrics").await;
    for line in [
        "# HELP roomcast_publications_accepted_total Publications accepted through any door. Unit: Count.".to_owned(),
        format!("roomcast_publications_accepted_total{{function=\"ingest\"}} {}", PUBLISHERS * ITEMS),
        "roomcast_publications_accepted_total{function=\"events\"} 1".to_owned(),
        "# TYPE roomcast_delivery_took_ms histogram".to_owned(),
    ] {
        assert!(metrics.lines().any(|found| found == line), "{line} is not in {metrics}");
    }
    stack.shutdown().await;
}

/// Answers requests with these bodies, one after the other, and returns the bodies of the requests.
async fn answer_with(listener: TcpListener, answers: Vec<Value>) -> Vec<(String, Value)> {
    let mut requests = Vec::new();
    for answer in answers {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut received = Vec::new();
        let (head, body) = loop {
            stream.read_buf(&mut received).await.unwrap();
            let text = String::from_utf8(received.clone()).unwrap();
            let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
            let head = head.to_lowercase();
            let length = head.split("content-length: ").nth(1).unwrap().lines().next().unwrap().parse().unwrap();
            if body.len() >= length {
                break (head.clone(), body.to_owned());
            }
        };
        requests.push((head, serde_json::from_str(&body).unwrap()));
        let (status, body) =
            (if answer["__type"].is_null() { "200 OK" } else { "400 Bad Request" }, answer.to_string());
        let head = format!("HTTP/1.1 {status}\r\nConnection: close\r\nContent-Length: {}\r\n\r\n", body.len());
        stream.write_all((head + &body).as_bytes()).await.unwrap();
    }
    requests
}

#[tokio::test(flavor = "multi_thread")]
async fn logs_of_a_deployment_are_read_from_cloudwatch_to_the_last_page() {
    let folder = tempfile::tempdir().unwrap();
    let output = |value: Value| json!({ "value": value });
    let outputs = json!({
        "table_names": output(json!({})), "queue_urls": output(json!({})), "topic_arns": output(json!({})),
        "secret_names": output(json!({})), "log_groups": output(json!({ "fanout": "/aws/lambda/chat-fanout" })),
    });
    let file = folder.path().join("live.json");
    std::fs::write(&file, outputs.to_string()).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    let line = |room: &str| json!({ "level": "ERROR", "room.id": room, "message": "failed" }).to_string() + "\n";
    let event = |at: u64, text: String| json!({ "timestamp": at, "message": text, "eventId": "e" });
    let answers = vec![
        json!({ "__type": "ThrottlingException" }),
        json!({ "events": [], "nextToken": "two" }),
        json!({ "events": [event(7, line("lobby")), event(8, line("lobby2"))], "nextToken": "three" }),
        json!({ "events": [event(9, "REPORT of lobby".to_owned())] }),
    ];
    let served = tokio::spawn(answer_with(listener, answers));
    let roomcast = Roomcast::at(&endpoint);
    let file = file.to_str().unwrap();
    let arguments =
        ["--json", "--outputs", file, "logs", "--function", "fanout", "--room", "lobby", "--failed", "--since", "2h"];
    let mut command = roomcast.command(&arguments);
    for (name, value) in [
        ("AWS_ENDPOINT_URL", endpoint.as_str()),
        ("AWS_REGION", "eu-west-1"),
        ("AWS_ACCESS_KEY_ID", "key"),
        ("AWS_SECRET_ACCESS_KEY", "secret"),
    ] {
        command.env(name, value);
    }
    let printed = command.output().await.unwrap();
    let requests = served.await.unwrap();
    let lines: Vec<Value> =
        String::from_utf8(printed.stdout).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!((lines.len(), &lines[0]["at"], &lines[0]["line"]["room.id"]), (1, &json!(7), &json!("lobby")));
    let tokens: Vec<&Value> = requests.iter().map(|(_, body)| &body["nextToken"]).collect();
    assert_eq!(tokens, [&Value::Null, &Value::Null, &json!("two"), &json!("three")]);
    for (head, body) in &requests {
        assert!(head.contains("x-amz-target: logs_20140328.filterlogevents"), "{head}");
        assert!(head.contains("/eu-west-1/logs/aws4_request"), "{head}");
        assert_eq!(
            (&body["logGroupName"], &body["filterPattern"]),
            (&json!("/aws/lambda/chat-fanout"), &json!("\"lobby\""))
        );
        assert!(body["startTime"].as_u64().unwrap() > 1_700_000_000_000, "{body}");
    }
}

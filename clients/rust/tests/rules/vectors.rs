//! The test vectors of PROTOCOL.md, which any client can run.

use roomcast_client::rules::{Event, LinkId, Loss};
use serde_json::{Value, json};

use crate::bench::Bench;

/// Converts an event to the form of the vectors; `None` for events that the vectors do not cover.
fn words(event: Event) -> Option<Value> {
    Some(match event {
        Event::Online => json!({"online": true}),
        Event::Offline { .. } => json!({"offline": true}),
        Event::Ended { .. } => json!({"ended": true}),
        Event::Joined { room, head, .. } => json!({"joined": {"room": room, "seq": head.sequence}}),
        Event::Resumed { room, at, .. } => json!({"resumed": {"room": room, "seq": at.sequence}}),
        Event::Missed { room, from, to } => json!({"missed": {"room": room, "from": from.sequence, "to": to.sequence}}),
        Event::Message(message) => json!({"message": {"room": message.room, "seq": message.at.sequence}}),
        Event::Accepted { pid, .. } => json!({"accepted": pid}),
        Event::Left { room } => json!({"left": {"room": room}}),
        Event::Removed { room, .. } => json!({"removed": {"room": room}}),
        Event::Refused { room, .. } => json!({"refused": {"room": room}}),
        _ => return None,
    })
}

/// Returns true if `all` contains everything that is expected. It may contain more.
fn contains(all: &Value, expected: &Value) -> bool {
    match (all, expected) {
        (Value::Object(all), Value::Object(expected)) => {
            expected.iter().all(|(name, value)| all.get(name).is_some_and(|here| contains(here, value)))
        }
        (all, expected) => all == expected,
    }
}

/// A frame of a vector, with the id of the last request inserted.
fn filled(frame: &Value, id: &Value) -> Value {
    let mut frame = frame.clone();
    if frame["id"] == "$id" {
        frame["id"] = id.clone();
    }
    frame
}

fn take(bench: &mut Bench, step: &Value, id: &mut Value, closed: &mut Vec<LinkId>) {
    closed.extend(bench.closed());
    let is_name = |name: &str| name != "answering_pings" && name != "on";
    let (name, argument) = step.as_object().unwrap().iter().find(|(name, _)| is_name(name)).unwrap();
    match name.as_str() {
        "do" if argument["join"].is_string() => bench.join(argument["join"].as_str().unwrap()),
        "do" => {
            let publish = &argument["publish"];
            bench.publish(publish["room"].as_str().unwrap(), publish["pid"].as_str().unwrap());
        }
        "open" => drop(bench.open()),
        "refuse" => bench.fail(Loss::Refused { status: u16::try_from(argument.as_u64().unwrap()).unwrap() }),
        "lose" => bench.reset(),
        "receive" if step["on"] == "replaced" => {
            bench.receive_on(bench.replaced.unwrap(), &filled(argument, id).to_string());
        }
        "receive" => bench.receive(&filled(argument, id)),
        "pass_ms" if step["answering_pings"] == true => bench.pass_answering_pings(argument.as_u64().unwrap()),
        "pass_ms" => bench.pass(argument.as_u64().unwrap()),
        "sleep_ms" => bench.sleep(argument.as_u64().unwrap()),
        "sent" => {
            let sent = bench.sent();
            assert!(contains(&sent, argument), "sent {sent}, expected {argument}");
            *id = sent["id"].clone();
        }
        "quiet" => bench.nothing_sent(),
        "closed" => assert!(!std::mem::take(closed).is_empty(), "the connection is to be closed"),
        "told" => {
            let told: Vec<Value> = bench.events().into_iter().filter_map(words).collect();
            assert_eq!(Value::Array(told), *argument);
        }
        other => panic!("a vector says {other:?}, which nobody knows"),
    }
}

#[test]
fn this_client_passes_every_vector() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../shared/protocol/vectors");
    let mut files: Vec<_> = std::fs::read_dir(folder).unwrap().map(|file| file.unwrap().path()).collect();
    files.sort();
    files.retain(|file| file.extension().is_some_and(|extension| extension == "json"));
    assert!(files.len() >= 19);
    for file in files {
        let vector: Value = serde_json::from_str(&std::fs::read_to_string(&file).unwrap()).unwrap();
        if vector["page"] == true {
            continue;
        }
        for seed in 0..20 {
            let mut bench = if vector["renews"] == true { Bench::renewing(seed) } else { Bench::with_seed(seed) };
            let (mut id, mut closed) = (Value::Null, Vec::new());
            for step in vector["steps"].as_array().unwrap() {
                println!("{} seed {seed}: {step}", file.display());
                take(&mut bench, step, &mut id, &mut closed);
            }
        }
    }
}

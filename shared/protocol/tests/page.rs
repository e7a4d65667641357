//! PROTOCOL.md is what the code does: its examples are read by the code, and its lists are complete.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests fail by panicking")]

use std::collections::BTreeSet;

use domain::Code;
use protocol::classic::ClassicFrame;
use protocol::reply::{Accepted, Answer, History, Joined, SyncedRooms};
use protocol::request::Request;
use protocol::server::ServerFrame;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use serde_json::value::RawValue;

const PAGE: &str = include_str!("../PROTOCOL.md");

/// The examples of one kind: what stands between "```json KIND" and "```".
fn examples(kind: &str) -> Vec<&'static str> {
    let fence = format!("```json {kind}\n");
    let found: Vec<&str> = PAGE.split(&fence).skip(1).map(|rest| rest.split("\n```").next().unwrap()).collect();
    assert!(!found.is_empty(), "there are no examples of {kind}");
    found
}

#[test]
fn every_request_on_the_page_is_read() {
    for text in examples("client") {
        Request::parse(text).unwrap_or_else(|refused| panic!("{text}: {refused}"));
    }
}

#[test]
fn every_action_has_an_example() {
    let refused = Request::parse(r#"{"action":"there is no such action"}"#).unwrap_err().reject.message;
    let actions: BTreeSet<&str> = refused.rsplit("there are ").next().unwrap().split(", ").collect();
    let shown: Vec<Value> = examples("client").iter().map(|text| serde_json::from_str(text).unwrap()).collect();
    let shown: BTreeSet<&str> = shown.iter().map(|request| request["action"].as_str().unwrap()).collect();
    assert_eq!(shown, actions);
}

/// Whether reading and writing it again gives the same: no field of the example is unknown, none is missing.
fn survives<T: DeserializeOwned + Serialize>(raw: &RawValue) -> bool {
    let Ok(read) = serde_json::from_str::<T>(raw.get()) else { return false };
    serde_json::to_value(read).unwrap() == serde_json::from_str::<Value>(raw.get()).unwrap()
}

fn is_known(done: &RawValue) -> bool {
    #[derive(serde::Deserialize, Serialize)]
    struct Left {
        room: domain::RoomId,
    }
    survives::<Joined>(done)
        || survives::<SyncedRooms>(done)
        || survives::<Accepted>(done)
        || survives::<History>(done)
        || survives::<Left>(done)
}

#[test]
fn every_frame_on_the_page_is_written_so() {
    for text in examples("server") {
        let value: Value = serde_json::from_str(text).unwrap();
        match ServerFrame::parse(text).unwrap_or_else(|error| panic!("{text}: {error}")) {
            ServerFrame::Answer(Answer { outcome: Ok(done), .. }) => assert!(is_known(&done), "{text}"),
            ServerFrame::Answer(Answer { outcome: Err(failure), .. }) => {
                assert_eq!(serde_json::to_value(failure).unwrap(), value["err"]);
            }
            ServerFrame::Blocks(blocks) => assert_eq!(serde_json::to_value(blocks).unwrap(), value["b"]),
            ServerFrame::System(system) => assert_eq!(serde_json::to_value(system).unwrap(), value),
        }
    }
    for text in examples("classic") {
        let frame: ClassicFrame = serde_json::from_str(text).unwrap();
        assert_eq!(serde_json::to_string(&frame).unwrap(), text);
    }
}

#[test]
fn every_code_is_on_the_page_with_whether_to_try_again() {
    for code in Code::ALL {
        let row = format!("| `{}` | {} |", code.as_str(), if code.retry() { "yes" } else { "no" });
        assert!(PAGE.contains(&row), "the page lacks {row}");
    }
    let rows = PAGE.split("### Codes").nth(1).unwrap().split("\n## ").next().unwrap();
    let listed = rows.lines().filter(|line| line.starts_with("| `")).count();
    assert_eq!(listed, Code::ALL.len(), "the page lists a code that there is not");
}

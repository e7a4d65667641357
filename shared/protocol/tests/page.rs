//! PROTOCOL.md describes what the code does: the code reads its examples, and its lists are
//! complete.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests fail by panicking")]

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use domain::{Activity, Charge, Check, Code, Job, Kind, Rate, Submission, limits};
use protocol::backend::{Letter, Wrapping};
use protocol::classic::ClassicFrame;
use protocol::queue;
use protocol::reply::{Accepted, Answer, History, Joined, Renewed, Reply, SyncedRooms, Who};
use protocol::request::Request;
use protocol::server::ServerFrame;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use serde_json::value::RawValue;

const PAGE: &str = include_str!("../PROTOCOL.md");

/// Returns all examples with their kind, in order: the text between "```json KIND" and "```".
fn all_examples() -> impl Iterator<Item = (&'static str, &'static str)> {
    PAGE.split("```json ").skip(1).map(|rest| {
        let (kind, rest) = rest.split_once('\n').unwrap();
        (kind, rest.split("\n```").next().unwrap())
    })
}

/// Returns the examples of one kind.
fn examples(kind: &str) -> Vec<&'static str> {
    let found: Vec<_> = all_examples().filter(|(of, _)| *of == kind).map(|(_, text)| text).collect();
    assert!(!found.is_empty(), "there are no examples of {kind}");
    found
}

/// Returns the section under a heading, up to the next heading of the same depth or above.
fn section(heading: &str) -> &'static str {
    let (_, rest) = PAGE.split_once(&format!("\n{heading}\n")).unwrap_or_else(|| panic!("the page lacks {heading}"));
    rest.split("\n## ").next().unwrap().split("\n### ").next().unwrap()
}

/// Returns the cells of the rows of a section's tables. The first two rows are the heading and its
/// line.
fn rows(section: &'static str) -> Vec<Vec<&'static str>> {
    let cells = |line: &'static str| line.trim_matches('|').split(" | ").map(str::trim).collect::<Vec<_>>();
    section.lines().filter(|line| line.starts_with('|')).map(cells).collect()
}

/// Returns all actions, as the refusal of an unknown one lists them.
fn actions() -> BTreeSet<String> {
    let refused = Request::parse(r#"{"action":"dance"}"#).unwrap_err().reject.message;
    refused.rsplit("there are ").next().unwrap().split(", ").map(str::to_owned).collect()
}

#[test]
fn no_example_is_of_a_kind_that_nothing_reads() {
    let kinds: BTreeSet<&str> = all_examples().map(|(kind, _)| kind).collect();
    let read = ["activity", "check", "classic", "client", "command", "event", "job", "refused", "server", "submission"];
    assert_eq!(kinds, BTreeSet::from(read));
}

#[test]
fn every_request_on_the_page_is_read() {
    for text in examples("client") {
        Request::parse(text).unwrap_or_else(|refused| panic!("{text}: {refused}"));
    }
}

#[test]
fn every_action_has_a_section_and_an_example_and_there_is_no_other() {
    let titles = PAGE.lines().filter_map(|line| line.strip_prefix("### "));
    let lower = |title: &&str| title.starts_with(char::is_lowercase);
    let titled: BTreeSet<String> =
        titles.filter(lower).flat_map(|title| title.split(", ")).map(str::to_owned).collect();
    assert_eq!(titled, actions());
    let shown = examples("client").into_iter().map(|text| {
        let request: Value = serde_json::from_str(text).unwrap();
        request["action"].as_str().unwrap().to_owned()
    });
    assert_eq!(shown.collect::<BTreeSet<_>>(), actions());
}

#[test]
fn a_refused_request_gets_the_answer_that_follows_it() {
    let all: Vec<_> = all_examples().collect();
    for pair in all.windows(2).filter(|pair| pair[0].0 == "refused") {
        let refused = Request::parse(pair[0].1).expect_err(pair[0].1);
        assert_eq!(pair[1], ("server", Reply::refusal_of(pair[0].1, refused).to_text().as_str()));
    }
}

#[test]
fn every_event_on_the_page_is_understood() {
    let letter = |text| Letter::open(Wrapping::Raw, text, &BTreeMap::new(), "m1").unwrap();
    for text in examples("event") {
        letter(text).read_event().unwrap_or_else(|reason| panic!("{text}: {reason}"));
    }
    for text in examples("command") {
        letter(text).read_command().unwrap_or_else(|reason| panic!("{text}: {reason}"));
    }
}

/// Reports whether a value stays the same when it is read and written again: then no field of the
/// example is unknown, and none is missing.
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
        || survives::<Who>(done)
        || survives::<Renewed>(done)
        || survives::<Left>(done)
}

#[test]
fn every_frame_on_the_page_is_written_so() {
    for text in examples("server") {
        let value: Value = serde_json::from_str(text).unwrap();
        match ServerFrame::parse(text).unwrap_or_else(|error| panic!("{text}: {error}")) {
            ServerFrame::Answer(Answer { outcome: Ok(done), .. }) => assert!(is_known(&done), "{text}"),
            ServerFrame::Answer(Answer { outcome: Err(failure), .. }) => {
                let code = Code::ALL.into_iter().find(|code| failure.code == *code);
                assert_eq!(Some(failure.retry), code.map(Code::retry), "{text}");
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
fn every_queue_message_on_the_page_is_written_so() {
    fn travels<T: DeserializeOwned + Serialize>(text: &str) {
        let message: T = queue::decode(text).unwrap_or_else(|poison| panic!("{text}: {poison}"));
        assert_eq!(queue::encode(&message).unwrap(), text);
    }
    examples("submission").into_iter().for_each(travels::<Submission>);
    examples("job").into_iter().for_each(travels::<Job>);
    examples("check").into_iter().for_each(travels::<Check>);
    examples("activity").into_iter().for_each(travels::<Activity>);
}

#[test]
fn every_code_is_on_the_page_with_whether_to_try_again_and_there_is_no_other() {
    let listed: BTreeSet<(&str, &str)> =
        rows(section("### Codes")).into_iter().skip(2).map(|row| (row[0].trim_matches('`'), row[1])).collect();
    let codes = Code::ALL.map(|code| (code.as_str(), if code.retry() { "yes" } else { "no" }));
    assert_eq!(listed, BTreeSet::from(codes));
}

#[test]
fn every_kind_of_activity_is_on_the_page_and_there_is_no_other() {
    let listed = rows(section("## Backends: activity")).into_iter().skip(2);
    let listed = listed.flat_map(|row| row[0].split(", ").map(|name| name.trim_matches('`'))).collect::<BTreeSet<_>>();
    assert_eq!(listed, BTreeSet::from(Kind::ALL.map(Kind::as_str)));
}

#[test]
fn every_limit_on_the_page_is_what_its_constant_says() {
    let kib = |bytes: usize| format!("{} KiB", bytes / 1024);
    let rate = |rate: Rate| format!("{} a second, {} at once", rate.count_per_second(), rate.burst());
    let minutes = |time: Duration| format!("{} min", time.as_secs_f64() / 60.0);
    let expected = [
        ("GATEWAY_MESSAGE_BYTES", kib(limits::GATEWAY_MESSAGE_BYTES)),
        ("GATEWAY_FRAME_BYTES", kib(limits::GATEWAY_FRAME_BYTES)),
        ("GATEWAY_CONNECTION_LIFE", minutes(limits::GATEWAY_CONNECTION_LIFE)),
        ("ROOM_NAME_BYTES", format!("{} bytes", limits::ROOM_NAME_BYTES)),
        ("DEVICE_NAME_BYTES", format!("{} bytes", limits::DEVICE_NAME_BYTES)),
        ("PUBLICATION_ID_BYTES", format!("{} bytes", limits::PUBLICATION_ID_BYTES)),
        ("DATA_BYTES", kib(limits::DATA_BYTES)),
        ("EPHEMERAL_DATA_BYTES", kib(limits::EPHEMERAL_DATA_BYTES)),
        ("ITEMS_PER_PUBLISH", limits::ITEMS_PER_PUBLISH.to_string()),
        ("ROOMS_PER_CONNECTION", limits::ROOMS_PER_CONNECTION.to_string()),
        ("REQUEST_RATE", rate(limits::REQUEST_RATE)),
        ("CONNECTION_RATE", rate(limits::CONNECTION_RATE)),
        ("ROOM_RATE", rate(limits::ROOM_RATE)),
        ("PUBLISHER_SHARE", rate(limits::PUBLISHER_SHARE)),
        ("USER_CONNECTIONS", limits::USER_CONNECTIONS.to_string()),
        ("FRAME_BYTES", kib(limits::FRAME_BYTES)),
        ("REPLAY_BYTES", kib(limits::REPLAY_BYTES)),
        ("RESUME_PUBLICATIONS", limits::RESUME_PUBLICATIONS.to_string()),
        ("HISTORY_PUBLICATIONS", limits::HISTORY_PUBLICATIONS.to_string()),
        ("PRESENCE_NAMED_MEMBERS", limits::PRESENCE_NAMED_MEMBERS.to_string()),
        ("ROOM_MEMBERS", limits::ROOM_MEMBERS.to_string()),
        ("WHO_MEMBERS", limits::WHO_MEMBERS.to_string()),
        ("WHO_USERS", limits::WHO_USERS.to_string()),
        ("RETENTION", format!("{} h", limits::RETENTION.as_secs() / 3_600)),
        ("DEDUPE", format!("{} days", limits::DEDUPE.as_secs() / 86_400)),
        ("RENEWAL_PAUSE", format!("{} s", limits::RENEWAL_PAUSE.as_secs())),
        ("KEEP_ALIVE", minutes(limits::KEEP_ALIVE)),
        ("STALE", minutes(limits::STALE)),
    ];
    let expected: BTreeSet<(String, String)> =
        expected.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
    let listed = rows(section("## Limits")).into_iter().skip(2);
    let listed = listed.map(|row| (row[2].trim_matches('`').to_owned(), row[1].to_owned()));
    assert_eq!(listed.collect::<BTreeSet<_>>(), expected);
}

#[test]
fn every_weight_on_the_page_is_what_a_request_is_charged() {
    let units = |charge: Charge| charge.takes().as_millis() / limits::REQUEST_RATE.takes(1).as_millis();
    let more = |some: Charge, more: Charge| units(more) - units(some);
    let beyond = (0..).find(|members| Charge::who_beyond(members + 1, 1).is_some()).unwrap_or_default();
    let each_room = more(Charge::sync(0), Charge::sync(1));
    let expected = [
        ("`sync`", format!("{}, and {each_room} for each room", units(Charge::sync(0)))),
        ("`join`", units(Charge::join()).to_string()),
        ("`leave`", units(Charge::leave()).to_string()),
        (
            "`publish`, `sendMessage`, `broadcastAll`",
            format!("{} for each publication", units(Charge::publications(1))),
        ),
        (
            "`history`",
            format!(
                "{}, and 1 for each {} publications of its `limit`",
                units(Charge::history(0)),
                limits::ROWS_PER_UNIT
            ),
        ),
        (
            "`who`",
            format!(
                "{}, and 1 for each {} members of the room above {}",
                units(Charge::who()),
                limits::ROWS_PER_UNIT,
                beyond - 1
            ),
        ),
        ("`ping`", format!("{}, and {} for each room", units(Charge::ping(0)), more(Charge::ping(0), Charge::ping(1)))),
        ("`auth`", units(Charge::auth()).to_string()),
    ];
    let listed = rows(section("### Rates")).into_iter().skip(2);
    let listed: BTreeSet<(String, String)> = listed.map(|row| (row[0].to_owned(), row[1].to_owned())).collect();
    assert_eq!(listed, BTreeSet::from(expected.map(|(name, units)| (name.to_owned(), units))));
}

//! All requests of clients, and the refusals of wrong ones.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests fail by panicking")]

use domain::{Code, RoomId};
use proptest::prelude::*;
use protocol::request::{Action, ClassicAddress, Refused, Request};

fn refused(text: &str) -> Refused {
    Request::parse(text).expect_err(text)
}

fn action(text: &str) -> Action {
    Request::parse(text).expect(text).action
}

#[test]
fn every_action_of_the_specification_is_read() {
    let sync = action(r#"{"action":"sync","id":1,"rooms":{"lobby":{"ep":"k7Qf","seq":1042},"team:7":null}}"#);
    assert!(matches!(sync, Action::Sync { rooms } if rooms.len() == 2 && rooms[0].1.is_some() && rooms[1].1.is_none()));
    let join = action(r#"{"action":"join","id":2,"room":"lobby","since":{"ep":"k7Qf","seq":7}}"#);
    assert!(matches!(join, Action::Join { since: Some(since), .. } if since.sequence.get() == 7));
    assert!(matches!(action(r#"{"action":"leave","room":"lobby"}"#), Action::Leave { .. }));
    let history = action(r#"{"action":"history","id":4,"room":"lobby","before":1042,"limit":50}"#);
    assert!(matches!(history, Action::History { before: Some(before), limit: 50, .. } if before.get() == 1042));
    let who = action(r#"{"action":"who","id":5,"room":"lobby","after":"bob","limit":20}"#);
    assert!(matches!(who, Action::Who { after: Some(after), limit: 20, .. } if after.as_ref() == "bob"));
    assert!(matches!(action(r#"{"action":"who","room":"lobby"}"#), Action::Who { after: None, limit: 50, .. }));
    let ping = action(r#"{"action":"ping","at":{"lobby":{"ep":"k7Qf","seq":1043}}}"#);
    assert!(matches!(ping, Action::Ping { at } if at.len() == 1));
    assert!(matches!(action(r#"{"action":"ping"}"#), Action::Ping { at } if at.is_empty()));
    let auth = action(r#"{"action":"auth","id":7,"token":"a.b.c"}"#);
    assert!(matches!(&auth, Action::Auth { token } if token.expose() == "a.b.c"));
    assert!(!format!("{auth:?}").contains("a.b.c"), "the debug form shows the token");
    let publish = action(r#"{"action":"publish","id":3,"room":"lobby","pid":"01J","data":{"text":"hi"},"echo":true}"#);
    assert!(matches!(publish, Action::Publish { items, .. } if items[0].data.as_json() == r#"{"text":"hi"}"#));
    let publish =
        action(r#"{"action":"publish","room":"lobby","items":[{"pid":"a","data":1},{"pid":"b","data":null}]}"#);
    assert!(matches!(publish, Action::Publish { items, .. } if items.len() == 2));
}

#[test]
fn the_classic_recipes_clients_are_understood_word_for_word() {
    let own = action(r#"{"action":"sendMessage","message":"Hello world!"}"#);
    assert!(
        matches!(own, Action::Classic { to: ClassicAddress::OwnRoom, data } if data.as_json() == r#"{"text":"Hello world!"}"#)
    );
    let direct = action(r#"{"action":"sendMessage","targetUserId":"u_456","text":"hi"}"#);
    assert!(matches!(direct, Action::Classic { to: ClassicAddress::Room(room), .. } if room.as_str() == "@u_456"));
    let all = action(r#"{"action":"broadcastAll","message":"…"}"#);
    assert!(matches!(all, Action::Classic { to: ClassicAddress::Room(room), .. } if room == RoomId::everyone()));
}

#[test]
fn null_in_an_optional_field_is_like_no_field() {
    let ping = Request::parse(r#"{"action":"ping","id":null,"at":null}"#).unwrap();
    assert!(ping.id.is_none() && matches!(ping.action, Action::Ping { at } if at.is_empty()));
    let join = action(r#"{"action":"join","room":"lobby","since":null}"#);
    assert!(matches!(join, Action::Join { since: None, .. }));
    let history = action(r#"{"action":"history","room":"lobby","before":null,"limit":null}"#);
    assert!(matches!(history, Action::History { before: None, limit: 100, .. }));
    let publish = action(
        r#"{"action":"publish","room":"lobby","pid":"a","data":null,"items":null,"echo":null,"ephemeral":null}"#,
    );
    assert!(matches!(publish, Action::Publish { items, .. } if items.len() == 1 && items[0].data.as_json() == "null"));
    let own = action(r#"{"action":"sendMessage","message":"hi","targetUserId":null,"room":null}"#);
    assert!(matches!(own, Action::Classic { to: ClassicAddress::OwnRoom, .. }));
    assert_eq!(refused(r#"{"action":"join","room":null}"#).reject.field.as_deref(), Some("room"));
}

#[test]
fn a_refusal_names_the_field_and_carries_the_id() {
    for (text, code, field, id) in [
        ("hello", Code::NotJson, None, None),
        ("[1]", Code::NotJson, None, None),
        ("", Code::NotJson, None, None),
        (r#"{"id":1,"id":2,"action":"ping"}"#, Code::NotJson, None, None),
        (r#"{"id":"7","action":"ping"}"#, Code::InvalidField, Some("id"), None),
        (r#"{"id":-1,"action":"ping"}"#, Code::InvalidField, Some("id"), None),
        (r#"{"id":7}"#, Code::InvalidField, Some("action"), Some(7)),
        (r#"{"id":7,"action":5}"#, Code::InvalidField, Some("action"), Some(7)),
        (r#"{"id":7,"action":"dance"}"#, Code::UnknownAction, Some("action"), Some(7)),
        (r#"{"id":7,"action":"join"}"#, Code::InvalidField, Some("room"), Some(7)),
        (r#"{"id":7,"action":"auth"}"#, Code::InvalidField, Some("token"), Some(7)),
        (r#"{"id":7,"action":"auth","token":null}"#, Code::InvalidField, Some("token"), Some(7)),
        (r#"{"id":7,"action":"join","room":""}"#, Code::InvalidRoom, Some("room"), Some(7)),
        (r#"{"id":7,"action":"join","room":"a b"}"#, Code::InvalidRoom, Some("room"), Some(7)),
        (r#"{"id":7,"action":"join","room":"\ud800"}"#, Code::InvalidField, Some("room"), Some(7)),
        (r#"{"id":7,"action":"join","room":"r","since":7}"#, Code::InvalidField, Some("since"), Some(7)),
        (
            r#"{"id":7,"action":"join","room":"r","since":{"ep":"e","seq":-1}}"#,
            Code::InvalidField,
            Some("since.seq"),
            Some(7),
        ),
        (
            r#"{"id":7,"action":"join","room":"r","since":{"ep":"!e","seq":1}}"#,
            Code::InvalidField,
            Some("since.ep"),
            Some(7),
        ),
        (r#"{"id":7,"action":"sync","rooms":[]}"#, Code::InvalidField, Some("rooms"), Some(7)),
        (r#"{"id":7,"action":"history","room":"r","limit":0}"#, Code::InvalidField, Some("limit"), Some(7)),
        (r#"{"id":7,"action":"history","room":"r","limit":1.5}"#, Code::InvalidField, Some("limit"), Some(7)),
        (r#"{"id":7,"action":"who"}"#, Code::InvalidField, Some("room"), Some(7)),
        (r#"{"id":7,"action":"who","room":"r","limit":101}"#, Code::InvalidField, Some("limit"), Some(7)),
        (r#"{"id":7,"action":"who","room":"r","after":"a b"}"#, Code::InvalidField, Some("after"), Some(7)),
        (r#"{"id":7,"action":"who","room":"r","after":7}"#, Code::InvalidField, Some("after"), Some(7)),
        (r#"{"id":7,"action":"publish","room":"r","data":1}"#, Code::InvalidField, Some("pid"), Some(7)),
        (r#"{"id":7,"action":"publish","room":"r","pid":"p"}"#, Code::InvalidField, Some("data"), Some(7)),
        (r#"{"id":7,"action":"publish","room":"r","items":[]}"#, Code::LimitExceeded, Some("items"), Some(7)),
        (
            r#"{"id":7,"action":"publish","room":"r","items":[{"pid":"p","data":1},{"pid":""}]}"#,
            Code::InvalidField,
            Some("items[1].pid"),
            Some(7),
        ),
        (
            r#"{"id":7,"action":"publish","room":"r","pid":"p","data":1,"ephemeral":"yes"}"#,
            Code::InvalidField,
            Some("ephemeral"),
            Some(7),
        ),
        (r#"{"id":7,"action":"sendMessage"}"#, Code::InvalidField, Some("message"), Some(7)),
        (r#"{"id":7,"action":"sendMessage","text":"\ud800"}"#, Code::InvalidField, Some("text"), Some(7)),
        (r#"{"id":7,"action":"broadcastAll","data":1e999}"#, Code::InvalidField, Some("data"), Some(7)),
        (
            r#"{"id":7,"action":"sendMessage","targetUserId":"!","text":"x"}"#,
            Code::InvalidField,
            Some("targetUserId"),
            Some(7),
        ),
    ] {
        let Refused { id: got, reject } = refused(text);
        assert_eq!((reject.code, reject.field.as_deref(), got), (code, field, id), "{text}: {}", reject.message);
        assert!(!reject.message.is_empty());
    }
}

#[test]
fn depth_and_a_million_keys_cost_a_refusal_and_nothing_else() {
    let deep = format!(r#"{{"action":"join","id":1,"room":"r","x":{}{}}}"#, "[".repeat(32_000), "]".repeat(32_000));
    assert!(Request::parse(&deep).is_ok(), "what is not looked at is only passed over");
    let deep = format!(
        r#"{{"action":"publish","id":1,"room":"r","pid":"p","data":{}{}}}"#,
        "[".repeat(9_000),
        "]".repeat(9_000)
    );
    assert_eq!(refused(&deep).reject.field.as_deref(), Some("data"));
    let keys: String = (0..1_000_000).map(|n| format!(",\"k{n}\":0")).collect();
    assert!(Request::parse(&format!(r#"{{"action":"ping"{keys}}}"#)).is_ok());
}

#[test]
fn data_may_nest_127_levels() {
    for (levels, good) in [(127, true), (128, false)] {
        let data = "[".repeat(levels) + &"]".repeat(levels);
        let text = format!(r#"{{"action":"publish","room":"r","pid":"p","data":{data}}}"#);
        assert_eq!(Request::parse(&text).is_ok(), good, "{levels}");
    }
}

#[test]
fn a_sync_of_more_than_100_rooms_is_refused() {
    let rooms: Vec<String> = (0..101).map(|n| format!("\"r{n}\":null")).collect();
    let text = format!(r#"{{"action":"sync","id":1,"rooms":{{{}}}}}"#, rooms.join(","));
    assert_eq!(refused(&text).reject.code, Code::LimitExceeded);
}

proptest! {
    #[test]
    fn no_text_makes_the_parser_panic(text in ".{0,200}") {
        let _ = Request::parse(&text);
    }

    #[test]
    fn no_json_of_the_right_shape_makes_the_parser_panic(
        action in prop::sample::select(vec!["sync", "join", "leave", "history", "who", "ping", "publish", "sendMessage", "x"]),
        field in prop::sample::select(vec!["room", "rooms", "since", "at", "before", "limit", "pid", "data", "items", "message"]),
        value in prop::sample::select(vec!["null", "0", "-1", "1e400", "\"\"", "\"\\ud800\"", "[]", "{}", "[{}]", "{\"\":{}}", "true"]),
    ) {
        let _ = Request::parse(&format!(r#"{{"action":"{action}","id":1,"{field}":{value}}}"#));
    }
}

#[test]
fn an_ephemeral_publication_has_data_and_may_have_a_key_and_an_id() {
    let said = action(r#"{"action":"publish","room":"r","ephemeral":true,"key":"typing","data":true,"echo":false}"#);
    assert!(matches!(said, Action::Whisper { pid: None, key: Some(key), echo: false, .. } if key.as_ref() == "typing"));
    let said = action(r#"{"action":"publish","room":"r","ephemeral":true,"pid":"p","data":1}"#);
    assert!(matches!(said, Action::Whisper { pid: Some(pid), key: None, echo: true, .. } if pid.as_ref() == "p"));
    for (text, code, field) in [
        (r#"{"action":"publish","room":"r","ephemeral":true}"#.to_owned(), Code::InvalidField, "data"),
        (r#"{"action":"publish","room":"r","ephemeral":true,"items":[]}"#.to_owned(), Code::InvalidField, "items"),
        (r#"{"action":"publish","room":"r","ephemeral":true,"key":"","data":1}"#.to_owned(), Code::InvalidField, "key"),
        (r#"{"action":"publish","room":"r","pid":"p","key":"typing","data":1}"#.to_owned(), Code::InvalidField, "key"),
        (r#"{"action":"publish","room":"r","pid":"p","echo":1,"data":1}"#.to_owned(), Code::InvalidField, "echo"),
        (
            format!(r#"{{"action":"publish","room":"r","ephemeral":true,"data":"{}"}}"#, "x".repeat(5_000)),
            Code::TooLarge,
            "data",
        ),
    ] {
        let reject = refused(&text).reject;
        assert_eq!((reject.code, reject.field.as_deref()), (code, Some(field)), "{text}");
    }
}

#[test]
fn the_spellings_of_the_well_known_samples_are_one_request() {
    let expected = action(r#"{"action":"sendMessage","message":"hello world"}"#);
    for text in [
        r#"{"action":"sendmessage","data":"hello world"}"#,
        r#"{"action":"sendmessage","text":"hello world"}"#,
        r#"{"action":"SENDMESSAGE","message":"hello world"}"#,
        r#"{"message":"sendmessage","data":"hello world"}"#,
        r#"{"message":"sendMessage","data":"hello world"}"#,
    ] {
        assert_eq!(action(text), expected, "{text}");
    }
    assert_eq!(action(r#"{"action":"broadcastall","data":1}"#), action(r#"{"action":"broadcastAll","message":1}"#));
    for (text, field) in [
        (r#"{"message":"hello world","data":1}"#, "action"),
        (r#"{"message":"sendmessage"}"#, "action"),
        (r#"{"action":null,"message":"sendmessage","data":1}"#, "action"),
    ] {
        assert_eq!(refused(text).reject.field.as_deref(), Some(field), "{text}");
    }
}

#[test]
fn a_refusal_without_an_id_says_how_its_request_began() {
    use protocol::reply::Reply;
    use protocol::request::{BEGINNING_CHARACTERS, beginning_of};
    let long = "x".repeat(100);
    for (text, begins) in [
        ("hello", "hello".to_owned()),
        (r#"{"action":"sendMessage","message":"line 7"}"#, "line 7".to_owned()),
        (r#"{"action":"sendmessage","data":"line 8"}"#, "line 8".to_owned()),
        (r#"{"action":"sendMessage","message":"z\u00fcg\n\u001b[31m"}"#, "z?g??[31m".to_owned()),
        (
            r#"{"action":"sendMessage","message":{"n":1}}"#,
            r#"{"action":"sendMessage","message":{"n":1}"#[..40].to_owned(),
        ),
        (&*long, "x".repeat(BEGINNING_CHARACTERS)),
        ("", String::new()),
    ] {
        assert_eq!(beginning_of(text), begins, "{text}");
    }
    let with_id = refused(r#"{"id":7,"action":"dance"}"#);
    assert!(!Reply::refusal_of("text", with_id).to_text().contains("about"));
    let without = refused(r#"{"action":"dance"}"#);
    assert!(
        Reply::refusal_of(r#"{"action":"dance"}"#, without).to_text().contains(r#""about":"{\"action\":\"dance\"}""#)
    );
}

//! The lines of the chat. Text of other users cannot control the terminal.

use domain::{Device, Position, RoomId, Timestamp, UserId};
use jiff::tz::TimeZone;
use protocol::reply::Who;
use roomcast_client::rules::{Event, Loss, Message};

/// Maximum characters of a text that are shown.
const SHOWN_CHARS: usize = 2_000;
/// Maximum names that are shown at once.
const SHOWN_NAMES: usize = 5;

/// A line of output.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Line {
    /// A formatted publication.
    Said(String),
    /// A status of the connection or of a room.
    Status(String),
}

/// Formats a publication: `12:34 ada: hi`, preceded by the room if it is not the current one.
pub(crate) fn said(message: &Message, current: Option<&RoomId>, zone: &TimeZone) -> Line {
    let time = clock(message.accepted_at, zone);
    let room = if current == Some(&message.room) { String::new() } else { format!("[{}] ", message.room) };
    Line::Said(format!("{time} {room}{}: {}", message.by, plain(&text(message.data.as_json()))))
}

/// Formats the reason for a lost connection to `url`, with advice, in one line. The chat reconnects
/// by itself.
pub(crate) fn offline(because: &Loss, url: &str) -> Line {
    let place = url.split('?').next().unwrap_or_default();
    let why = plain(&because.to_string());
    Line::Status(match because {
        Loss::Unreachable(_) if is_loopback(place) => {
            format!(
                "cannot connect to {place}: {why}; start the stack with `cargo dev`, the chat tries again until then"
            )
        }
        Loss::Unreachable(_) => format!("cannot connect to {place}: {why}; the chat tries again until it can"),
        _ => format!("no connection: {why}; the chat tries again"),
    })
}

fn is_loopback(url: &str) -> bool {
    let host = url.split("://").nth(1).unwrap_or_default();
    ["localhost", "127.", "[::1]"].iter().any(|own| host.starts_with(own))
}

/// Formats an event as a line; `None` for events without one. [`offline`] formats a lost
/// connection.
pub(crate) fn status(event: &Event) -> Option<Line> {
    Some(Line::Status(match event {
        Event::Online => "connected".to_owned(),
        Event::Offline { .. } => return None,
        Event::Joined { room, members: Some(1), .. } => format!("in {room}, alone"),
        Event::Joined { room, members: Some(members), .. } => format!("in {room}, with {} others", members - 1),
        Event::Joined { room, .. } => format!("in {room}"),
        Event::Resumed { room, replayed: 0, .. } => format!("back in {room}; nothing was missed"),
        Event::Resumed { room, replayed, .. } => format!("back in {room}; {replayed} came meanwhile"),
        Event::Missed { room, from, to } => missed(room, from, to),
        Event::Left { room } => format!("left {room}"),
        Event::Removed { room, code } => format!("removed from {room}: {}", plain(code)),
        Event::Refused { room, failure } => format!("not in {room}: {}", plain(&failure.message)),
        Event::Repeated { room, pid } => {
            format!("not published in {room}: the publication id {pid} was used there before")
        }
        Event::Ended { because: because @ Loss::Refused { .. } } => format!("{because}: is the token valid?"),
        Event::Ended { because } => plain(&because.to_string()),
        Event::Presence { .. }
        | Event::Ephemeral { .. }
        | Event::Message(_)
        | Event::Accepted { .. }
        | Event::Rejected { .. }
        | Event::History { .. }
        | Event::Who { .. } => return None,
    }))
}

/// Formats arrivals and departures: `bob is here`, `ann and eve left`, preceded by the room if it
/// is not the current one.
pub(crate) fn presence(room: &RoomId, current: Option<&RoomId>, came: &[UserId], went: &[UserId]) -> Vec<Line> {
    let place = if current == Some(room) { String::new() } else { format!("[{room}] ") };
    let are = if came.len() == 1 { "is" } else { "are" };
    let lines = [(came, format!("{are} here")), (went, "left".to_owned())];
    let told = lines.into_iter().filter(|(names, _)| !names.is_empty());
    told.map(|(names, did)| Line::Status(format!("{place}{} {did}", listed(names)))).collect()
}

fn listed(names: &[UserId]) -> String {
    let (shown, rest) = names.split_at(names.len().min(SHOWN_NAMES));
    let mut all: Vec<String> = shown.iter().map(UserId::to_string).collect();
    if !rest.is_empty() {
        all.push(format!("{} others", rest.len()));
    }
    match all.split_last() {
        Some((last, before)) if !before.is_empty() => format!("{} and {last}", before.join(", ")),
        _ => all.concat(),
    }
}

/// Formats the members of a room: `in lobby: ada (phone, 2 connections), bob`.
pub(crate) fn who(who: &Who) -> Line {
    let Who { room, members, users, next } = who;
    let Some(users) = users else { return Line::Status(format!("in {room}: {members} connections")) };
    let one = |user: &protocol::reply::Present| {
        let mut said: Vec<String> = user.devices.iter().map(Device::to_string).collect();
        if user.connections > 1 {
            said.push(format!("{} connections", user.connections));
        }
        if said.is_empty() { user.user.to_string() } else { format!("{} ({})", user.user, said.join(", ")) }
    };
    let names: Vec<String> = users.iter().map(one).collect();
    let more = if next.is_some() { ", and more" } else { "" };
    let names = if names.is_empty() { "no members".to_owned() } else { names.join(", ") };
    Line::Status(format!("in {room}: {names}{more}"))
}

fn missed(room: &RoomId, from: &Position, to: &Position) -> String {
    if from.epoch == to.epoch {
        let count = to.sequence.beyond(from.sequence);
        format!("{count} publications in {room} were missed: they are too many or too old")
    } else {
        format!("the history of {room} began anew; earlier publications may be missing")
    }
}

/// Extracts the text of `{"text": …}` or of a string; otherwise returns the JSON.
fn text(json: &str) -> String {
    match serde_json::from_str(json) {
        Ok(serde_json::Value::String(text)) => text,
        Ok(serde_json::Value::Object(fields)) => match fields.get("text") {
            Some(serde_json::Value::String(text)) => text.clone(),
            _ => json.to_owned(),
        },
        _ => json.to_owned(),
    }
}

/// Replaces control characters and line breaks, so that text of other users cannot control the
/// terminal or imitate a second line.
pub(crate) fn plain(text: &str) -> String {
    let mut shown: String = text.chars().take(SHOWN_CHARS).map(harmless).collect();
    if text.chars().nth(SHOWN_CHARS).is_some() {
        shown.push('…');
    }
    shown
}

fn harmless(c: char) -> char {
    match c {
        '\n' | '\u{2028}' | '\u{2029}' => '⏎',
        '\t' => ' ',
        // Marks that change the direction of the text after them (Unicode Technical Report 36,
        // 2.6.2).
        '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{200e}' | '\u{200f}' | '\u{61c}' => '\u{fffd}',
        c if c.is_control() => '\u{fffd}',
        c => c,
    }
}

fn clock(at: Timestamp, zone: &TimeZone) -> String {
    let ms = i64::try_from(at.as_ms()).unwrap_or(i64::MAX);
    jiff::Timestamp::from_millisecond(ms)
        .map_or_else(|_| "--:--".to_owned(), |at| at.to_zoned(zone.clone()).strftime("%H:%M").to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::{Data, Epoch, PublicationId, Sequence, UserId};
    use proptest::prelude::*;

    fn at(epoch: &str, sequence: u64) -> Position {
        Position { epoch: Epoch::parse(epoch).unwrap(), sequence: Sequence::new(sequence) }
    }

    fn message(json: &str) -> Message {
        Message {
            room: RoomId::parse("lobby").unwrap(),
            at: at("e", 1),
            pid: PublicationId::parse("p").unwrap(),
            by: UserId::parse("ada").unwrap(),
            from: None,
            accepted_at: Timestamp::from_ms(1_764_000_000_000),
            data: Data::parse(json).unwrap(),
        }
    }

    fn shown(json: &str) -> String {
        let lobby = RoomId::parse("lobby").unwrap();
        let Line::Said(line) = said(&message(json), Some(&lobby), &TimeZone::UTC) else { panic!() };
        line
    }

    #[test]
    fn a_line_has_time_author_and_text() {
        assert_eq!(shown(r#"{"text":"hi"}"#), "16:00 ada: hi");
        assert_eq!(shown(r#"{"text":"hi","lang":"en"}"#), "16:00 ada: hi");
        assert_eq!(shown(r#""hi""#), "16:00 ada: hi");
        assert_eq!(shown(r#"{"typing":true}"#), r#"16:00 ada: {"typing":true}"#);
        let elsewhere = said(&message("1"), None, &TimeZone::UTC);
        assert_eq!(elsewhere, Line::Said("16:00 [lobby] ada: 1".to_owned()));
    }

    #[test]
    fn nothing_that_others_wrote_is_obeyed_by_the_terminal() {
        assert_eq!(
            shown(r#"{"text":"\u001b[2Ja\u0007b\u009bc\rd\u202ee"}"#),
            "16:00 ada: \u{fffd}[2Ja\u{fffd}b\u{fffd}c\u{fffd}d\u{fffd}e"
        );
        assert_eq!(shown(r#"{"text":"one\n12:35 bob: two"}"#), "16:00 ada: one⏎12:35 bob: two");
        assert_eq!(shown("{\"a\": \t1,\n\"b\":2}"), "16:00 ada: {\"a\":  1,⏎\"b\":2}");
    }

    #[test]
    fn who_came_and_who_went_is_told_in_a_few_words() {
        let lobby = RoomId::parse("lobby").unwrap();
        let names = |names: &[&str]| names.iter().map(|name| UserId::parse(*name).unwrap()).collect::<Vec<_>>();
        let told = |came: &[&str], went: &[&str]| {
            let lines = presence(&lobby, Some(&lobby), &names(came), &names(went));
            let text = |line| match line {
                Line::Status(text) | Line::Said(text) => text,
            };
            lines.into_iter().map(text).collect::<Vec<_>>()
        };
        assert_eq!(told(&["bob"], &[]), ["bob is here"]);
        assert_eq!(told(&["ann", "bob"], &["eve"]), ["ann and bob are here", "eve left"]);
        assert_eq!(told(&["a", "b", "c", "d", "e", "f", "g"], &[]), ["a, b, c, d, e and 2 others are here"]);
        assert!(told(&[], &[]).is_empty());
        let elsewhere = presence(&lobby, None, &names(&["bob"]), &[]);
        assert_eq!(elsewhere, [Line::Status("[lobby] bob is here".to_owned())]);
    }

    #[test]
    fn who_is_there_is_told_with_devices_and_connections() {
        let json = r#"{"room":"lobby","members":3,"users":[{"user":"ada","since":1,"devices":["phone"],"connections":2},{"user":"bob","since":1,"connections":1}]}"#;
        let told = |json: &str| who(&serde_json::from_str(json).unwrap());
        assert_eq!(told(json), Line::Status("in lobby: ada (phone, 2 connections), bob".to_owned()));
        let large = r#"{"room":"lobby","members":4812}"#;
        assert_eq!(told(large), Line::Status("in lobby: 4812 connections".to_owned()));
    }

    #[test]
    fn a_stack_that_does_not_run_is_one_line_that_says_how_to_start_it() {
        let nothing = Loss::Unreachable("nothing listens at 127.0.0.1:3001".to_owned());
        assert_eq!(
            offline(&nothing, "ws://127.0.0.1:3001/local?token=secret"),
            Line::Status(
                "cannot connect to ws://127.0.0.1:3001/local: nothing listens at 127.0.0.1:3001; start the stack with \
                 `cargo dev`, the chat tries again until then"
                    .to_owned()
            )
        );
        let Line::Status(elsewhere) = offline(&nothing, "wss://example.com/prod") else { panic!() };
        assert!(!elsewhere.contains("cargo dev"), "{elsewhere}");
        let Line::Status(closed) = offline(&Loss::Closed { code: Some(1001) }, "ws://[::1]:3001/local") else {
            panic!()
        };
        assert_eq!(closed, "no connection: the server closed the connection with code 1001; the chat tries again");
    }

    #[test]
    fn a_new_history_is_told_apart_from_a_gap() {
        let room = RoomId::parse("lobby").unwrap();
        let missed = |to| status(&Event::Missed { room: room.clone(), from: at("e", 1), to }).unwrap();
        assert_eq!(
            missed(at("e", 8)),
            Line::Status("7 publications in lobby were missed: they are too many or too old".to_owned())
        );
        let Line::Status(anew) = missed(at("f", 8)) else { panic!() };
        assert!(anew.starts_with("the history of lobby began anew"), "{anew}");
    }

    proptest! {
        #[test]
        fn no_text_keeps_a_control_character(text in "\\PC*|.*|[\\x00-\\xff]*") {
            let plain = plain(&text);
            let obeyed = |c: char| c.is_control() || ('\u{202a}'..='\u{202e}').contains(&c);
            prop_assert!(!plain.chars().any(obeyed), "{}", plain);
            prop_assert!(plain.chars().count() <= SHOWN_CHARS + 1);
        }
    }
}

//! The story of a run in plain words, with a legend.

use std::collections::BTreeSet;

use domain::Position;
use roomcast_client::rules::Event;

use crate::faults::Fault;

/// The number of characters of a frame that the story shows.
const FRAME: usize = 160;

/// The text before a story: how to read it, and the faults that may happen in it.
#[must_use]
pub fn legend(seed: u64, chosen: &BTreeSet<Fault>) -> Vec<String> {
    let mut lines = vec![
        format!("The story of seed {seed}."),
        String::new(),
        "  12.345  ada/0 joins lobby     at 12.345 s member 0, a device of user ada, does something".to_owned(),
        "  12.350  c7 -> {…}             the client of connection 7 sends a frame".to_owned(),
        "  12.380  c7 <- {…}             a frame arrives at that client".to_owned(),
        "  12.380  ada/0 reads p3 …      the application of the member gets something from its client".to_owned(),
        "  12.400  F33 …                 a fault happens: where, and what it does".to_owned(),
        "  12.400  BROKEN …              a promise is broken; GUARANTEES.md explains the kinds".to_owned(),
        "  k7Qf/3                        a position: the epoch of a room, and the sequence in it".to_owned(),
        String::new(),
    ];
    if chosen.is_empty() {
        lines.push("Nothing goes wrong in this run.".to_owned());
    } else {
        lines.push("What may go wrong in this run:".to_owned());
        lines.extend(chosen.iter().map(|fault| format!("  {:<4} {}", fault.to_string(), fault.describe())));
    }
    lines.push(String::new());
    lines
}

/// A frame, cut to fit a line of the story.
pub(crate) fn shortened(text: &str) -> String {
    match text.char_indices().nth(FRAME) {
        Some((end, _)) => format!("{}… ({} bytes)", &text[..end], text.len()),
        None => text.to_owned(),
    }
}

fn at(position: &Position) -> String {
    format!("{}/{}", position.epoch, position.sequence.get())
}

/// A position, or the word `nothing`.
pub(crate) fn standing(position: Option<&Position>) -> String {
    position.map_or_else(|| "nothing".to_owned(), at)
}

/// Describes an event of a client for its application; the story puts the name of the member before
/// it.
pub(crate) fn described(event: &Event) -> String {
    match event {
        Event::Online => "is online".to_owned(),
        Event::Offline { because, retry_in_ms } => format!("is offline: {because}; connects again in {retry_in_ms} ms"),
        Event::Ended { because } => format!("is at its end: {because}"),
        Event::Joined { room, head, members: Some(members) } => {
            format!("is in {room}, which stands at {} and has {members} members", at(head))
        }
        Event::Joined { room, head, members: None } => format!("is in {room}, which stands at {}", at(head)),
        Event::Message(message) => {
            format!("reads {} by {} at {} in {}", message.pid, message.by, at(&message.at), message.room)
        }
        Event::Ephemeral { room, by, data, .. } => format!("reads {} by {by} in {room}, ephemeral", data.as_json()),
        Event::Presence { room, members, came, went, .. } => {
            let names = |names: &[domain::UserId]| names.iter().map(|name| format!(" {name}")).collect::<String>();
            let came = if came.is_empty() { String::new() } else { format!(", came:{}", names(came)) };
            let went = if went.is_empty() { String::new() } else { format!(", went:{}", names(went)) };
            format!("sees {members} members in {room}{came}{went}")
        }
        Event::Resumed { room, at: to, replayed } => {
            format!("has all of {room} through {}, {replayed} of it replayed", at(to))
        }
        Event::Missed { room, from, to } => format!("has missed {room} from {} to {}", at(from), at(to)),
        Event::Left { room } => format!("has left {room}"),
        Event::Removed { room, code } => format!("was taken out of {room}: {code}"),
        Event::Refused { room, failure } => format!("may not be in {room}: {}", failure.message),
        Event::Accepted { room, pid } => format!("has {pid} accepted in {room}"),
        Event::Repeated { room, pid } => format!("learns that {pid} was used before in {room}"),
        Event::Rejected { room, pid, failure } => format!("has {pid} refused in {room}: {}", failure.message),
        Event::History { page, .. } => match page {
            Ok(page) => {
                let count: usize = page.history.iter().map(|block| block.m.len()).sum();
                format!("gets {count} publications of the history of {}", page.room)
            }
            Err(why) => format!("gets no history: {why}"),
        },
        Event::Who { page, .. } => match page {
            Ok(who) => format!("learns that {} has {} members", who.room, who.members),
            Err(why) => format!("does not learn who is there: {why}"),
        },
    }
}

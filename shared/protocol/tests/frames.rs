//! The frames of the server, compared letter by letter.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests fail by panicking")]

use domain::{
    Activity, Announcement, ConnectionId, Data, Device, Epoch, Kind, Position, Publication, PublicationId, Reject,
    RoomId, Sequence, Timestamp, UserId,
};
use protocol::block::{AnyBlock, Block, PresenceBlock};
use protocol::reply::{Accepted, Answer, Done, Joined, Present, Renewed, Reply, Synced, SyncedRooms, Who};
use protocol::server::{Return, ServerFrame, System, blocks_frame, presence_frame, system_text};
use protocol::{classic, queue};

fn room() -> RoomId {
    RoomId::parse("lobby").unwrap()
}

fn publication(data: &str) -> Publication {
    Publication {
        position: Position { epoch: Epoch::parse("k7Qf").unwrap(), sequence: Sequence::new(1043) },
        id: PublicationId::parse("01J9Z3K8Q4").unwrap(),
        by: UserId::parse("ada").unwrap(),
        sender: Some(ConnectionId::parse("L0SM9cOFvHcCIhw=").unwrap()),
        echo: true,
        accepted_at: Timestamp::from_ms(1_764_000_000_000),
        sequenced_at: Timestamp::from_ms(1_764_000_000_050),
        data: Data::parse(data).unwrap(),
    }
}

fn joined() -> Joined {
    Joined {
        room: room(),
        ep: Epoch::parse("k7Qf").unwrap(),
        seq: Sequence::new(1060),
        members: Some(4812),
        recovered: Some(true),
        next: Some(Sequence::new(1043)),
        b: Block::of(&room(), &[publication(r#"{"text":"hi"}"#)]),
    }
}

fn golden(name: &str, written: &str) {
    let path = format!("{}/tests/golden/{name}", env!("CARGO_MANIFEST_DIR"));
    if std::env::var_os("BLESS").is_some() {
        std::fs::write(&path, format!("{written}\n")).unwrap();
    }
    let golden = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}; BLESS=1 writes it"));
    assert_eq!(written, golden.trim_end(), "{name}");
}

#[test]
fn frames_are_what_the_golden_files_say() {
    let publications = [publication(r#"{"text":"hi"}"#)];
    let text = |bytes: bytes::Bytes| String::from_utf8(bytes.to_vec()).unwrap();
    golden("blocks.json", &text(blocks_frame(&Block::of(&room(), &publications))));
    let user = |name: &str| UserId::parse(name).unwrap();
    let told = Announcement { members: 4, users: Some(3), came: vec![user("bob")], went: vec![user("eve")] };
    golden("presence.json", &text(presence_frame(&PresenceBlock { room: room(), p: told })));
    let told = Announcement { members: 4_813, ..Announcement::default() };
    golden("presence-large.json", &text(presence_frame(&PresenceBlock { room: room(), p: told })));
    golden("classic.json", &text(classic::frame(&room(), &publications[0])));
    golden("classic-data.json", &text(classic::frame(&room(), &publication(r#"{"text":"hi","n":1}"#))));
    let accepted = Done::Accepted(Accepted { accepted: vec![publications[0].id.clone()], repeated: Vec::new() });
    golden("reply-accepted.json", &Reply::done(Some(3), accepted).to_text());
    golden("reply-joined.json", &Reply::done(Some(2), Done::Joined(joined())).to_text());
    let present = Present {
        user: user("ada"),
        since: Timestamp::from_ms(1_764_000_000_000),
        devices: vec![Device::parse("phone").unwrap()],
        connections: 2,
    };
    let who = Who { room: room(), members: 3, users: Some(vec![present]), next: Some(user("ada")) };
    golden("reply-who.json", &Reply::done(Some(5), Done::Who(who)).to_text());
    let who = Who { room: room(), members: 4_812, users: None, next: None };
    golden("reply-who-large.json", &Reply::done(Some(5), Done::Who(who)).to_text());
    let activity = Activity {
        id: "f07f8ca4b0b26cb9c4e5e77e69f274ee".to_owned(),
        kind: Kind::MemberJoined,
        room: Some(room()),
        user: Some(user("ada")),
        connection: Some(ConnectionId::parse("L0SM9cOFvHcCIhw=").unwrap()),
        device: None,
        members: None,
        at: Timestamp::from_ms(1_764_000_000_000),
    };
    golden("activity-member.json", &queue::encode(&activity).unwrap());
    let occupied = Activity { user: None, connection: None, kind: Kind::RoomOccupied, members: Some(1), ..activity };
    golden("activity-room.json", &queue::encode(&occupied).unwrap());
    let renewed = Renewed { expires_at: Timestamp::from_ms(1_764_003_600_000), left: vec![room()] };
    golden("reply-renewed.json", &Reply::done(Some(7), Done::Renewed(renewed)).to_text());
    let bye = System::Bye { code: "expired".to_owned(), retry: Return::Never };
    golden("bye-expired.json", &system_text(&bye));
    let mut refusal = Reject::field("data", "data is 30000 bytes of JSON; at most 24576 are allowed");
    refusal.after_ms = Some(1_500);
    golden("reply-refused.json", &Reply::refusal(Some(3), refusal).to_text());
    let behind = [(room(), Position { epoch: Epoch::parse("k7Qf").unwrap(), sequence: Sequence::new(1050) })];
    golden("pong.json", &system_text(&System::Pong { behind: behind.into() }));
}

#[test]
fn a_client_reads_every_reply_back() {
    let rooms = [
        (room(), Synced::Joined(joined())),
        (RoomId::parse("@bob").unwrap(), Synced::Refused { err: Reject::unavailable(100).into() }),
    ];
    let synced = SyncedRooms { rooms: rooms.into() };
    let text = Reply::done(Some(1), Done::Synced(synced.clone())).to_text();
    let Ok(ServerFrame::Answer(Answer { id: Some(1), outcome: Ok(raw) })) = ServerFrame::parse(&text) else {
        panic!("{text}");
    };
    assert_eq!(Answer::done::<SyncedRooms>(&raw).unwrap(), synced);
    let text = Reply::refusal(None, Reject::unavailable(100)).to_text();
    assert!(matches!(ServerFrame::parse(&text), Ok(ServerFrame::Answer(Answer { id: None, outcome: Err(_) }))));
}

#[test]
fn a_client_passes_over_blocks_of_kinds_it_does_not_know() {
    let text = r#"{"b":[{"room":"lobby","new":{}},{"room":"lobby","ep":"e","seq":1,"m":[]},{"room":"lobby","p":{"members":3}}]}"#;
    let Ok(ServerFrame::Blocks(blocks)) = ServerFrame::parse(text) else { panic!() };
    assert!(matches!(&blocks[..], [AnyBlock::Run(_), AnyBlock::Presence(presence)] if presence.p.members == 3));
}

#[test]
fn the_gateways_own_error_frames_are_not_ours() {
    let text =
        r#"{"message": "Internal server error", "connectionId":"Qyi07eCbtjMCJKw=", "requestId":"Qyi3UG41tjMFlUg="}"#;
    assert!(ServerFrame::parse(text).is_err());
}

#[test]
fn a_queue_message_of_another_version_is_poison_and_says_so() {
    let body = queue::encode(&joined()).unwrap();
    assert_eq!(queue::decode::<Joined>(&body).unwrap(), joined());
    let error = queue::decode::<Joined>(&body.replacen("\"v\":1", "\"v\":2", 1)).unwrap_err();
    assert_eq!(error.to_string(), "the body is of version 2; this function reads version 1");
}

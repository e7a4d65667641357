//! The parsers that read bytes from outside, each with seeds and checks.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use authorizer::{Handshake, Origin, Origins};
use aws_lambda_events::apigw::{ApiGatewayCustomAuthorizerRequestTypeRequest, ApiGatewayWebsocketProxyRequest};
use aws_lambda_events::sqs::SqsEvent;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use domain::{
    Check, ConnectionId, Data, Device, Job, Key, Pattern, PublicationId, RoomId, Submission, Timestamp, UserId,
};
use jsonwebtoken::{Algorithm, EncodingKey};
use lambda_kit::batch::by_group;
use lambda_kit::websocket::Call;
use protocol::backend::{Letter, Wrapping, read_row};
use protocol::queue;
use protocol::reply::Reply;
use protocol::request::Request;
use protocol::server::ServerFrame;
use protocol::stream::StreamEvent;
use roomcast_client::rules::{Client, Output};
use tokens::Verifier;
use topology::Topology;

/// A parser under test.
#[derive(Debug, Clone)]
pub struct Target {
    /// The name on the command line, and of the folder in `corpus/`.
    pub name: &'static str,
    own: &'static [&'static [u8]],
    run: fn(&[u8]),
}

impl Target {
    /// Describes a target. `own` are seeds besides those of its folder.
    #[must_use]
    pub const fn new(name: &'static str, own: &'static [&'static [u8]], run: fn(&[u8])) -> Self {
        Self { name, own, run }
    }

    /// Runs the parser on an input.
    pub fn run(&self, input: &[u8]) {
        (self.run)(input);
    }

    /// The folder with the target's seeds and the inputs that once failed.
    #[must_use]
    pub fn corpus(&self) -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus").join(self.name)
    }

    /// Returns the seeds: its own, those of its folder, and the examples of PROTOCOL.md.
    #[must_use]
    pub fn seeds(&self) -> Vec<Vec<u8>> {
        let mut seeds: Vec<Vec<u8>> = self.own.iter().map(|seed| seed.to_vec()).collect();
        let mut files: Vec<PathBuf> = std::fs::read_dir(self.corpus())
            .map(|entries| entries.filter_map(|entry| Some(entry.ok()?.path())).collect())
            .unwrap_or_default();
        files.sort();
        seeds.extend(files.iter().filter_map(|file| std::fs::read(file).ok()));
        seeds.extend(EXAMPLES.iter().map(|example| example.as_bytes().to_vec()));
        seeds
    }

    /// Returns inputs of about so many bytes that grow a seed of the target at one place: by text,
    /// depth, entries, escapes, digits, patterns or lines.
    #[must_use]
    pub fn grown(&self, bytes: usize) -> Vec<Vec<u8>> {
        const FILLERS: [&[u8]; 8] = [b"a", b"[", br#"{"a":"#, br#"{"a":1},"#, br#""a":1,"#, br"\u0041", b"1", b"*a\n"];
        let mut inputs = Vec::new();
        for seed in self.own {
            for filler in FILLERS {
                for at in [0, seed.len() / 3, seed.len() * 2 / 3, seed.len()] {
                    let times = bytes.saturating_sub(seed.len()) / filler.len();
                    inputs.push([&seed[..at], &filler.repeat(times), &seed[at..]].concat());
                }
            }
        }
        inputs
    }
}

/// The examples of PROTOCOL.md, of every kind.
static EXAMPLES: LazyLock<Vec<&'static str>> = LazyLock::new(|| {
    let page = include_str!("../../../shared/protocol/PROTOCOL.md");
    let example = |rest: &'static str| rest.split_once('\n').and_then(|(_, text)| text.split("\n```").next());
    page.split("```json ").skip(1).filter_map(example).collect()
});

/// Every parser of bytes from outside.
pub const TARGETS: &[Target] = &[
    Target::new("request", &[br#"{"action":"sendMessage","message":"hi","targetUserId":"u"}"#], request),
    Target::new("names", &[b"lobby", b"@ada", b"*", b"guest:0123", b"a|b+c=d~e", b"team:*#team:7"], names),
    Target::new("token", &[b"eyJhbGciOiJIUzI1NiIsImtpZCI6ImsifQ.eyJzdWIiOiJhZGEifQ.c2ln", b"..", b"a.b.c"], token),
    Target::new(
        "claims",
        &[br#"{"sub":"ada","exp":4102444800,"nbf":1,"iss":"i","aud":["a"],"device":"d","jti":"t","iat":1.5,"admin":true,"rooms":{"join":["*"]}}"#],
        claims,
    ),
    Target::new("jwks", &[br#"{"keys":[{"kty":"RSA","kid":"k","alg":"RS256","use":"sig","n":"_w","e":"AQAB"}]}"#], jwks),
    Target::new("handshake", &[HANDSHAKE], handshake),
    Target::new("origins", &[b"https://a.example\nhttps://a.example", b"http://localhost:*\nhttp://localhost:80"], origins),
    Target::new("gateway-event", &[EVENT], gateway_event),
    Target::new("queue-event", &[QUEUE_EVENT], queue_event),
    Target::new("envelope", &[br#"{"Type":"Notification","MessageId":"m","TopicArn":"t","Message":"{\"room\":\"lobby\",\"data\":1}"}"#], envelope),
    Target::new("stream-event", &[STREAM_EVENT], stream_event),
    Target::new("server-frame", &[br#"{"message":"Internal server error","connectionId":"c","requestId":"r"}"#], server_frame),
    Target::new("topology", &[include_bytes!("../../topology.yaml")], topology),
    Target::new("scenario", &[include_bytes!("../../../loadtest/scenarios/backend-events.toml")], scenario),
];

const HANDSHAKE: &[u8] = br#"{"type":"REQUEST","methodArn":"arn:aws:execute-api:eu-central-1:123456789012:abc/live/$connect","headers":{"Origin":"https://a.example"},"multiValueHeaders":{"Origin":["https://a.example"],"Authorization":["Bearer a.b.c"],"Sec-WebSocket-Protocol":["rooms.v1, token.a.b.c"]},"queryStringParameters":{"token":"a.b.c","guest":"0123456789abcdef0123456789abcdef"},"multiValueQueryStringParameters":{"token":["a.b.c"],"room":["lobby"]},"requestContext":{"requestId":"r","routeKey":"$connect"}}"#;
const EVENT: &[u8] = br#"{"headers":{},"multiValueHeaders":{},"queryStringParameters":{"room":"lobby"},"requestContext":{"routeKey":"publish","connectionId":"c=","connectedAt":1764000000000,"domainName":"a.example","stage":"live","requestId":"r","authorizer":{"user":"ada","permissions":"{}","format":"rooms.v1","expires_at":"1"}},"body":"{\"action\":\"join\"}","isBase64Encoded":false}"#;
const QUEUE_EVENT: &[u8] = br#"{"Records":[{"messageId":"m","receiptHandle":"h","body":"{\"v\":1,\"room\":\"lobby\"}","attributes":{"ApproximateReceiveCount":"1","SentTimestamp":"1764000000000","MessageGroupId":"g","ApproximateFirstReceiveTimestamp":"1764000000001"},"messageAttributes":{"room":{"dataType":"String","stringValue":"lobby"}},"eventSourceARN":"arn:aws:sqs:eu-central-1:123456789012:events","eventSource":"aws:sqs"}]}"#;
const STREAM_EVENT: &[u8] = br#"{"Records":[{"eventID":"1","eventName":"INSERT","dynamodb":{"SequenceNumber":"1","ApproximateCreationDateTime":1764000000,"Keys":{"id":{"S":"order-7"}},"NewImage":{"id":{"S":"order-7"},"room":{"S":"lobby"},"data":{"M":{"n":{"N":"1.10"},"l":{"L":[{"NULL":true},{"BOOL":false},{"SS":["a"]},{"NS":["1"]},{"B":"AA=="}]}}}}}},{"eventID":"2","eventName":"MODIFY","dynamodb":{"SequenceNumber":"2","Keys":{"pk":{"S":"CONN#c"},"sk":{"S":"ROOM#lobby"}},"NewImage":{"pk":{"S":"CONN#c"},"sk":{"S":"ROOM#lobby"},"room_shard":{"S":"ROOM#lobby#0"},"user":{"S":"ada"}}}}]}"#;

/// The secret with which claims are signed.
const SECRET: [u8; 32] = [7; 32];
/// The time of every check: some time in 2025.
const NOW: Timestamp = Timestamp::from_ms(1_764_000_000_000);

/// Runs a parser of texts. Bytes that are not UTF-8 never reach it: gateway and queues pass texts.
fn with_text(input: &[u8], run: impl FnOnce(&str)) {
    run(&String::from_utf8_lossy(input));
}

fn request(input: &[u8]) {
    with_text(input, |text| match Request::parse(text) {
        Ok(request) => drop(request),
        Err(refused) => {
            let reply = Reply::refusal_of(text, refused).to_text();
            assert!(serde_json::from_str::<serde_json::Value>(&reply).is_ok(), "a refusal that is no JSON: {reply}");
            assert!(reply.len() < 4_096, "a refusal of {} bytes", reply.len());
        }
    });
}

fn names(input: &[u8]) {
    with_text(input, |text| {
        let (pattern, name) = text.split_once('#').unwrap_or((text, text));
        if let Ok(room) = RoomId::parse(name) {
            let inner = room.inbox_owner().unwrap_or(room.as_str());
            assert!(inner == "*" || inner.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'#'), "{room}");
            assert_eq!(RoomId::parse(room.as_str()).as_ref(), Ok(&room));
            let _: bool = Pattern::new(pattern).matches(&room);
        }
        let is_plain =
            |name: &str| !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'#');
        assert!(UserId::parse(name).is_ok_and(|user| is_plain(user.as_ref())) || UserId::parse(name).is_err());
        assert!(Device::parse(name).map_or(true, |device| is_plain(device.as_ref())));
        assert!(PublicationId::parse(name).map_or(true, |id| is_plain(id.as_ref())));
        assert!(ConnectionId::parse(name).map_or(true, |id| is_plain(id.as_ref())));
        assert!(Key::parse(name).map_or(true, |key| is_plain(key.as_ref())));
        if let Ok(data) = Data::parse(text) {
            assert_eq!(
                Data::parse(data.as_json()).map(|again| again.as_json().to_owned()),
                Ok(data.as_json().to_owned())
            );
        }
    });
}

fn verifier() -> &'static Option<Verifier> {
    static VERIFIER: LazyLock<Option<Verifier>> = LazyLock::new(|| {
        let keys = serde_json::json!({ "k": URL_SAFE_NO_PAD.encode(SECRET) }).to_string();
        Verifier::new(Some(&keys), None, None, None).ok()
    });
    &VERIFIER
}

fn token(input: &[u8]) {
    let Some(verifier) = verifier() else { return };
    with_text(input, |text| assert!(verifier.identify(text, None, NOW).is_err(), "a token that no key has signed"));
}

/// Signs the input as if it were claims.
fn claims(input: &[u8]) {
    let Some(verifier) = verifier() else { return };
    let head = URL_SAFE_NO_PAD.encode(br#"{"alg":"HS256","kid":"k"}"#);
    let message = format!("{head}.{}", URL_SAFE_NO_PAD.encode(input));
    let Ok(signature) =
        jsonwebtoken::crypto::sign(message.as_bytes(), &EncodingKey::from_secret(&SECRET), Algorithm::HS256)
    else {
        return;
    };
    match verifier.identify(&format!("{message}.{signature}"), None, NOW) {
        Ok(identity) => {
            assert!(!identity.user.is_reserved() && !identity.guest, "{identity:?}");
            assert!(identity.expires_at.is_some_and(|at| at > NOW), "{identity:?}");
        }
        Err(bad) => assert!(bad.to_string().len() < 512, "{bad}"),
    }
}

fn jwks(input: &[u8]) {
    with_text(input, |text| {
        drop(Verifier::new(None, Some(text), None, None).map_err(|bad| bad.to_string()));
        drop(Verifier::new(Some(text), None, None, None).map_err(|bad| bad.to_string()));
    });
}

fn handshake(input: &[u8]) {
    let Ok(event) = serde_json::from_slice::<ApiGatewayCustomAuthorizerRequestTypeRequest>(input) else { return };
    let handshake = Handshake::from_event(&event);
    assert!(handshake.misplaced.is_none() || (handshake.token.is_none() && handshake.guest.is_none()));
    let _format = handshake.format();
}

/// The input is a list of origins, a line feed, and the origin of a page.
fn origins(input: &[u8]) {
    with_text(input, |text| {
        let (list, page) = text.split_once('\n').unwrap_or((text, text));
        let Ok(origins) = Origins::parse(list) else { return };
        let is_allowed = origins.allow(&Origin::Page(page.to_owned()));
        let is_any = list.trim() == "*";
        let host = |origin: &str| origin.split("://").nth(1).unwrap_or_default().to_ascii_lowercase();
        let listed = || {
            list.split(',').map(str::trim).any(|entry| {
                host(page)
                    .starts_with(host(entry).trim_end_matches(":*").trim_end_matches(":443").trim_end_matches(":80"))
            })
        };
        assert!(!is_allowed || is_any || listed(), "{page} is allowed by {list}");
    });
}

fn gateway_event(input: &[u8]) {
    let Ok(event) = serde_json::from_slice::<ApiGatewayWebsocketProxyRequest>(input) else { return };
    if let Ok(call) = Call::from_event(event) {
        drop(call.connected_as().map(|context| context.size_bytes()));
    }
}

fn queue_event(input: &[u8]) {
    let Ok(event) = serde_json::from_slice::<SqsEvent>(input) else {
        return with_text(input, decode_all);
    };
    for message in by_group(event).into_iter().flatten() {
        decode_all(&message.body);
    }
}

fn decode_all(body: &str) {
    if let Ok(submission) = queue::decode::<Submission>(body) {
        let text = queue::encode(&submission).unwrap_or_default();
        assert_eq!(queue::decode::<Submission>(&text).ok(), Some(submission));
    }
    let _: (bool, bool) = (queue::decode::<Job>(body).is_ok(), queue::decode::<Check>(body).is_ok());
}

fn envelope(input: &[u8]) {
    with_text(input, |text| {
        for wrapping in [Wrapping::Envelope, Wrapping::Raw] {
            let Ok(letter) = Letter::open(wrapping, text, &BTreeMap::new(), "m1") else { continue };
            let is_event = letter.read_event().is_ok();
            assert!(!is_event || letter.read_command().is_err(), "an event that is a command");
        }
    });
}

fn stream_event(input: &[u8]) {
    let Ok(event) = serde_json::from_slice::<StreamEvent>(input) else { return };
    for record in &event.records {
        drop(record.new.as_ref().map(read_row));
        drop(aws_adapters::change_of(record).map_err(|error| error.to_string()));
    }
}

fn server_frame(input: &[u8]) {
    with_text(input, |text| {
        drop(ServerFrame::parse(text).map_err(|error| error.to_string()));
        let mut client = Client::new(1, 0);
        client.tick(0);
        while let Some(output) = client.poll_output() {
            if let Output::Connect(link) = output {
                client.connected(link, 1);
                client.received(link, text, 2);
                break;
            }
        }
        while client.poll_output().is_some() {}
    });
}

fn topology(input: &[u8]) {
    with_text(input, |text| drop(Topology::parse(text).map_err(|mistakes| mistakes.to_string())));
}

fn scenario(input: &[u8]) {
    with_text(input, |text| drop(loadtest::scenario::parse(text, "scenario.toml").map_err(|error| error.to_string())));
}

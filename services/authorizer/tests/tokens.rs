//! Who comes in, with which token, and who does not.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests fail by panicking")]

use authorizer::{Authorizer, Config, Guests, Handshake, Origins, Refusal, Verifier};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use domain::Format;
use domain::ports::Clock;
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use serde_json::{Value, json};
use testkit::{World, samples};

const SECRET: &[u8] = b"a development key of 32 bytes or more";

fn authorizer(guests: Guests, origins: &str) -> Authorizer<impl Clock> {
    let keys = json!({ "dev": URL_SAFE_NO_PAD.encode(SECRET), "old": URL_SAFE_NO_PAD.encode([7; 32]) }).to_string();
    let (issuer, audience) = (Some("https://id.example.com".to_owned()), Some("roomcast".to_owned()));
    let verifier = Verifier::new(Some(&keys), None, issuer, audience).unwrap();
    let config = Config { verifier, guests, origins: Origins::parse(origins).unwrap() };
    Authorizer::new(config, World::new().clock)
}

fn claims() -> Value {
    let now = samples::NOW.as_s();
    json!({ "sub": "ada", "exp": now + 60, "iss": "https://id.example.com", "aud": "roomcast" })
}

fn sign(header: &Header, claims: &Value) -> String {
    encode(header, claims, &EncodingKey::from_secret(SECRET)).unwrap()
}

fn header(kid: &str) -> Header {
    Header { kid: Some(kid.to_owned()), ..Header::new(Algorithm::HS256) }
}

fn with(change: Value) -> Value {
    let mut all = claims();
    for (name, value) in change.as_object().unwrap() {
        match value {
            Value::Null => drop(all.as_object_mut().unwrap().remove(name)),
            value => all[name] = value.clone(),
        }
    }
    all
}

fn handshake(token: String) -> Handshake {
    Handshake { token: Some(token), request_id: "r".to_owned(), ..Handshake::default() }
}

#[test]
fn a_good_token_says_who_it_is_until_when_and_what_they_may() {
    let rooms = json!({ "rooms": { "join": ["team:*"] }, "device": "phone", "admin": true, "aud": ["x", "roomcast"] });
    let token = sign(&header("dev"), &with(rooms));
    let context = authorizer(Guests::Deny, "").decide(&handshake(token)).unwrap();
    let identity = context.identity;
    assert_eq!((identity.user.as_ref(), identity.admin, identity.guest), ("ada", true, false));
    assert_eq!(identity.expires_at.unwrap().as_s(), samples::NOW.as_s() + 60);
    assert_eq!(identity.device.unwrap().as_ref(), "phone");
    assert!(identity.permissions.publish.is_empty() && identity.permissions.join.len() == 1);
}

#[test]
fn a_bad_token_is_unauthorized_whatever_is_wrong_with_it() {
    let now = samples::NOW.as_s();
    let good = sign(&header("dev"), &claims());
    let (head, rest) = good.split_once('.').unwrap();
    let (body, _) = rest.split_once('.').unwrap();
    let forged = |alg: &str| {
        let head = URL_SAFE_NO_PAD.encode(json!({ "alg": alg, "kid": "dev", "typ": "JWT" }).to_string());
        format!("{head}.{body}.")
    };
    let bad = [
        ("expired", sign(&header("dev"), &with(json!({ "exp": now })))),
        ("never expires", sign(&header("dev"), &with(json!({ "exp": null })))),
        ("not yet valid", sign(&header("dev"), &with(json!({ "nbf": now + 5 })))),
        ("another issuer", sign(&header("dev"), &with(json!({ "iss": "https://evil.example.com" })))),
        ("no issuer", sign(&header("dev"), &with(json!({ "iss": null })))),
        ("another audience", sign(&header("dev"), &with(json!({ "aud": "chat" })))),
        ("no audience", sign(&header("dev"), &with(json!({ "aud": null })))),
        ("no subject", sign(&header("dev"), &with(json!({ "sub": null })))),
        ("a subject that is no name", sign(&header("dev"), &with(json!({ "sub": "a#b" })))),
        ("another key's id", sign(&header("old"), &claims())),
        ("an unknown key", sign(&header("../../dev"), &claims())),
        ("no key", sign(&Header::new(Algorithm::HS256), &claims())),
        (
            "another algorithm",
            encode(
                &Header { kid: Some("dev".into()), ..Header::new(Algorithm::HS512) },
                &claims(),
                &EncodingKey::from_secret(SECRET),
            )
            .unwrap(),
        ),
        ("alg none", forged("none")),
        ("alg nOnE", forged("nOnE")),
        ("alg RS256", forged("RS256")),
        ("no signature", format!("{head}.{body}.")),
        ("a stripped signature", format!("{head}.{body}")),
        ("no JWT", "abc".to_owned()),
        ("empty", String::new()),
        ("1 MB", "a".repeat(1 << 20)),
    ];
    for (what, token) in bad {
        let refusal = authorizer(Guests::Allow, "").decide(&handshake(token)).unwrap_err();
        assert!(matches!(&refusal, Refusal::Unauthorized(_)), "{what}: {refusal:?}");
        assert_eq!(refusal.to_string(), "Unauthorized", "{what}: the gateway looks for this word");
    }
    assert!(authorizer(Guests::Deny, "").decide(&handshake(good)).is_ok());
}

#[test]
fn guests_are_admitted_by_policy_and_known_by_their_device() {
    let guest = |device: &str| Handshake { device: Some(device.to_owned()), ..Handshake::default() };
    assert!(matches!(authorizer(Guests::Deny, "").decide(&guest("a")), Err(Refusal::Unauthorized(_))));
    let open = authorizer(Guests::Allow, "");
    let who = |device: &str| open.decide(&guest(device)).unwrap().identity;
    assert!(who("a").guest);
    assert_eq!(who("a").user, who("a").user);
    assert_ne!(who("a").user, who("b").user);
}

#[test]
fn a_page_that_may_not_connect_is_forbidden_even_with_a_good_token() {
    let mut handshake = handshake(sign(&header("dev"), &claims()));
    handshake.origin = Some("https://evil.example.com".to_owned());
    let refusal = authorizer(Guests::Allow, "https://example.com").decide(&handshake);
    assert!(matches!(refusal, Err(Refusal::Forbidden(_))));
}

#[test]
fn the_format_is_what_the_query_or_the_subprotocol_says_and_otherwise_classic() {
    let format = |format: Option<&str>, subprotocols: &[&str]| {
        let subprotocols = subprotocols.iter().map(|name| (*name).to_owned()).collect();
        Handshake { format: format.map(str::to_owned), subprotocols, ..Handshake::default() }.format()
    };
    assert_eq!(format(None, &["rooms.v1"]), Format::RoomsV1);
    assert_eq!(format(Some("rooms.v1"), &[]), Format::RoomsV1);
    assert_eq!(format(Some("classic"), &["rooms.v1"]), Format::Classic);
    assert_eq!(format(None, &["graphql-ws"]), Format::Classic);
}

#[test]
fn keys_that_cannot_be_used_are_named_and_never_shown() {
    let verifier = |keys: &str| Verifier::new(Some(keys), None, None, None).unwrap_err().to_string();
    assert_eq!(verifier(r#"{"dev":"c2hvcnQ"}"#), "key \"dev\" of TOKEN_KEYS must be base64url of at least 32 bytes");
    assert!(!verifier("secret").contains("secret"));
}

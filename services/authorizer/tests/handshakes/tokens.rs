//! The identity that a good token gives, clients without a token, and the format of frames.

use std::time::Duration;

use ::tokens::Verifier;
use authorizer::{Guests, Handshake, Origin, Refusal};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use domain::{Format, TokenStamp};
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use protocol::context::Context;
use serde_json::json;
use testkit::{keys, samples};

use crate::desk::{authorizer, claims, decide, handshake, header, sign, with};

#[test]
fn a_good_token_says_who_it_is_until_when_and_what_they_may() {
    let rooms = json!({ "rooms": { "join": ["team:*"] }, "device": "phone", "admin": true, "aud": ["x", "roomcast"] });
    let token = sign(&header("dev"), &with(rooms));
    let context = decide(&authorizer(Guests::Deny, ""), &handshake(token)).unwrap();
    let identity = context.identity;
    assert_eq!((identity.user.as_ref(), identity.admin, identity.guest), ("ada", true, false));
    assert_eq!(identity.expires_at.unwrap().as_s(), samples::NOW.as_s() + 60);
    assert_eq!(identity.device.unwrap().as_ref(), "phone");
    assert!(identity.permissions.publish.is_empty() && identity.permissions.join.len() == 1);
}

#[test]
fn the_marks_by_which_a_token_is_revoked_are_in_the_context_and_may_be_absent() {
    let stamp = |claims: serde_json::Value| {
        let context = decide(&authorizer(Guests::Deny, ""), &handshake(sign(&header("dev"), &claims))).unwrap();
        let map = context.to_map();
        assert_eq!(Context::from_lookup(|name| map.get(name).cloned()).unwrap(), context);
        context.identity.stamp
    };
    let issued_at = samples::NOW.minus(Duration::from_secs(5));
    let marked = with(json!({ "jti": "0b6c5f0e", "iat": issued_at.as_s() }));
    assert_eq!(stamp(marked), samples::stamp("0b6c5f0e", issued_at));
    assert_eq!(stamp(claims()), TokenStamp::default());
}

#[test]
fn a_token_of_each_kind_of_key_is_good() {
    let pem = |key: jsonwebtoken::errors::Result<EncodingKey>| key.unwrap();
    for (kid, algorithm, key) in [
        ("dev", Algorithm::HS256, EncodingKey::from_secret(crate::desk::SECRET)),
        ("old", Algorithm::HS256, EncodingKey::from_secret(&[7; 32])),
        ("rsa", Algorithm::RS256, pem(EncodingKey::from_rsa_pem(keys::RSA.as_bytes()))),
        ("ec", Algorithm::ES256, pem(EncodingKey::from_ec_pem(keys::EC.as_bytes()))),
        ("ed", Algorithm::EdDSA, pem(EncodingKey::from_ed_pem(keys::ED.as_bytes()))),
    ] {
        let header = Header { kid: Some(kid.to_owned()), ..Header::new(algorithm) };
        let token = encode(&header, &claims(), &key).unwrap();
        let context = decide(&authorizer(Guests::Deny, ""), &handshake(token)).unwrap();
        assert_eq!(context.identity.user.as_ref(), "ada", "{kid}");
    }
}

#[test]
fn the_device_is_what_the_token_says_and_else_what_the_client_says() {
    let device = |claim: serde_json::Value| {
        let token = sign(&header("dev"), &with(json!({ "device": claim })));
        let handshake = Handshake { device: Some("laptop".to_owned()), ..handshake(token) };
        decide(&authorizer(Guests::Deny, ""), &handshake).unwrap().identity.device.unwrap().into_string()
    };
    assert_eq!((device(json!("phone")), device(json!(null))), ("phone".to_owned(), "laptop".to_owned()));
}

#[test]
fn guests_are_admitted_by_policy() {
    let guest = Handshake::default();
    assert!(matches!(decide(&authorizer(Guests::Deny, ""), &guest), Err(Refusal::Unauthorized(_))));
    assert!(decide(&authorizer(Guests::Allow, ""), &guest).unwrap().identity.guest);
}

#[test]
fn a_page_that_may_not_connect_is_forbidden_even_with_a_good_token() {
    let mut handshake = handshake(sign(&header("dev"), &claims()));
    handshake.origin = Origin::Page("https://evil.example.com".to_owned());
    let refusal = decide(&authorizer(Guests::Allow, "https://example.com"), &handshake);
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
    assert_eq!(verifier(r#"{"dev":"c2hvcnQ"}"#), "key \"dev\" of token_keys must be base64url of at least 32 bytes");
    assert!(!verifier("hunter2").contains("hunter2"));
    let same = r#"{"rsa":"YSBkZXZlbG9wbWVudCBrZXkgb2YgMzIgYnl0ZXMgb3IgbW9yZQ"}"#;
    let twice = Verifier::new(Some(same), Some(keys::JWKS), None, None).unwrap_err().to_string();
    assert!(twice.starts_with("key \"rsa\" is defined twice"), "{twice}");
}

/// A set with one RSA key whose modulus has these bytes.
fn rsa_set(modulus: &[u8], more: serde_json::Value) -> String {
    let mut key = json!({ "kty": "RSA", "kid": "k", "n": URL_SAFE_NO_PAD.encode(modulus), "e": "AQAB" });
    key.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    json!({ "keys": [key] }).to_string()
}

#[test]
fn rsa_keys_of_fewer_than_2048_bits_are_refused_by_name() {
    let error = |modulus: &[u8]| Verifier::new(None, Some(&rsa_set(modulus, json!({}))), None, None).err();
    assert_eq!(error(&[0xff; 256]), None);
    let padded = [vec![0; 128], vec![0xff; 128]].concat();
    for weak in [vec![0xff; 128], vec![0xff; 255], padded, [vec![0x7f], vec![0xff; 255]].concat(), vec![0; 256]] {
        let error = error(&weak).unwrap().to_string();
        assert_eq!(error, "key \"k\" of token_jwks is RSA with fewer than 2048 bits; take a longer key", "{weak:?}");
    }
}

#[test]
fn a_public_key_is_for_the_algorithm_that_it_names_and_for_no_other() {
    let error = |more: serde_json::Value| Verifier::new(None, Some(&rsa_set(&[0xff; 256], more)), None, None).err();
    assert_eq!(error(json!({ "alg": "RS256", "use": "sig", "key_ops": ["verify"] })), None);
    for other in ["RS384", "RS512", "PS256", "ES256", "EdDSA", "HS256", "none", "x"] {
        let error = error(json!({ "alg": other })).unwrap().to_string();
        assert!(error.starts_with("key \"k\" of token_jwks has no kid, or is not for RS256"), "{other}: {error}");
    }
    // Keys for encryption stand beside keys for signatures and are ignored.
    for beside in [json!({ "alg": "RSA-OAEP" }), json!({ "use": "enc" }), json!({ "key_ops": ["encrypt", "wrapKey"] })]
    {
        assert_eq!(error(beside.clone()), None, "{beside}");
        let verifier = Verifier::new(None, Some(&rsa_set(&[0xff; 256], beside)), None, None).unwrap();
        assert_eq!(format!("{verifier:?}"), "Verifier { keys: [], .. }");
    }
}

//! A bad token is refused with 401. One log line names the reason and does not contain the token.

use authorizer::Guests;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use serde_json::{Value, json};
use testkit::{keys, samples};

use crate::desk::{SECRET, authorizer, claims, event, header, present, sign, sign_text, with};

/// Checks that each token is refused with 401, and that its log line contains the reason.
fn refused(cases: Vec<(&str, String, &str)>) {
    for (what, token, reason) in cases {
        // Guests are admitted here, and a client with a bad token still does not become a guest.
        let seen = present(&authorizer(Guests::Allow, "*"), &event(&[], &[("token", &token)]));
        assert_eq!(seen.status, 401, "{what}: {}", seen.said);
        assert!(seen.reason.contains(reason), "{what}: {} does not say {reason}", seen.reason);
        let parts = token.split('.').filter(|part| part.len() > 8);
        parts.for_each(|part| assert!(!seen.said.contains(part), "{what}: the log shows the token: {}", seen.said));
        assert_eq!(seen.said.trim_end().lines().count(), 2, "{what}: one line, and one answer");
    }
}

/// A token in which one claim is wrong.
fn one(change: Value) -> String {
    sign(&header("dev"), &with(change))
}

/// A token with this header. Its signature is valid for the header if the algorithm is HMAC.
fn headed(head: &Value) -> String {
    let payload = URL_SAFE_NO_PAD.encode(claims().to_string());
    let message = format!("{}.{payload}", URL_SAFE_NO_PAD.encode(head.to_string()));
    let key = EncodingKey::from_secret(SECRET);
    let signature = jsonwebtoken::crypto::sign(message.as_bytes(), &key, Algorithm::HS256).unwrap();
    format!("{message}.{signature}")
}

#[test]
fn a_token_at_the_wrong_time_is_refused() {
    let now = samples::NOW.as_s();
    let seconds = "claim exp is not a number of seconds since 1970";
    refused(vec![
        ("expired", one(json!({ "exp": now - 7 })), "expired 7 s ago"),
        ("expired this second: there is no leeway", one(json!({ "exp": now })), "expired 0 s ago"),
        ("expired in 1970", one(json!({ "exp": 0 })), "expired"),
        ("not yet valid", one(json!({ "nbf": now + 11 })), "valid in 11 s"),
        ("never expires", one(json!({ "exp": null })), "no claim exp"),
        ("a negative exp", one(json!({ "exp": -1 })), seconds),
        ("a huge exp", one(json!({ "exp": u64::MAX })), seconds),
        ("a larger one", sign_text(r#"{"sub":"ada","iss":"https://id.example.com","aud":"roomcast","exp":1e400}"#), ""),
        ("an exp of milliseconds", one(json!({ "exp": (now + 60) * 1_000 })), "it is not milliseconds"),
        ("an exp of text", one(json!({ "exp": (now + 60).to_string() })), seconds),
        ("a nbf of text", one(json!({ "nbf": "now" })), "claim nbf"),
    ]);
}

#[test]
fn a_token_of_a_name_that_is_guests_backends_or_an_inboxs_is_refused() {
    let name = |sub: &str| one(json!({ "sub": sub }));
    refused(vec![
        ("a guest", name("guest:0123456789abcdef0123456789abcdef"), "claim sub is reserved"),
        ("the prefix of guests", name("guest:"), "claim sub is reserved"),
        ("the author of backends", name("backend"), "claim sub is reserved"),
        ("an inbox", name("@ada"), "claim sub is reserved"),
        ("everyone", name("*"), "claim sub"),
    ]);
}

#[test]
fn an_issuer_or_audience_of_another_shape_is_refused_where_none_is_configured_too() {
    let secrets = json!({ "dev": URL_SAFE_NO_PAD.encode(SECRET) }).to_string();
    let verifier = ::tokens::Verifier::new(Some(&secrets), None, None, None).unwrap();
    let identify = |change: Value| verifier.identify(&one(change), None, samples::NOW).map(|_| ());
    // A claim of null is present. `with` would remove it.
    let text = |claims: &str| {
        let payload = format!(r#"{{"sub":"ada","exp":{},{claims}}}"#, samples::NOW.as_s() + 60);
        verifier.identify(&sign_text(&payload), None, samples::NOW).map(|_| ())
    };
    for (name, bad) in [
        ("iss", "null"),
        ("iss", "5"),
        ("iss", r#"["https://id.example.com"]"#),
        ("aud", "null"),
        ("aud", "5"),
        ("aud", "{}"),
        ("aud", "[null]"),
        ("aud", r#"["roomcast",5]"#),
    ] {
        let refused = text(&format!(r#""{name}":{bad}"#)).unwrap_err().to_string();
        assert!(refused.contains(&format!("claim {name} is not")), "{name} {bad}: {refused}");
    }
    assert_eq!(identify(json!({})), Ok(()));
    assert_eq!(identify(json!({ "iss": null, "aud": null })), Ok(()), "absent claims are not needed");
    assert_eq!(identify(json!({ "iss": "https://other.example.com", "aud": ["x", "y"] })), Ok(()));
}

#[test]
fn a_token_of_an_exp_with_a_fraction_and_of_a_clock_that_is_ahead_is_good() {
    let now = samples::NOW.as_s();
    for good in [json!({ "exp": now as f64 + 0.5 }), json!({ "nbf": now + 10 }), json!({ "exp": 253_402_300_799_u64 })]
    {
        let seen = present(&authorizer(Guests::Deny, "*"), &event(&[], &[("token", &one(good.clone()))]));
        assert_eq!(seen.status, 101, "{good}: {}", seen.said);
    }
}

#[test]
fn a_token_that_another_key_or_another_algorithm_signed_is_refused() {
    let rsa_as_secret = EncodingKey::from_secret(keys::RSA_PUBLIC.as_bytes());
    let confused = encode(&header("rsa"), &claims(), &rsa_as_secret).unwrap();
    let of_another = encode(&header("dev"), &claims(), &EncodingKey::from_secret(&[8; 32])).unwrap();
    let rs512 = Header { kid: Some("rsa".into()), ..Header::new(Algorithm::RS512) };
    let hs512 = Header { kid: Some("dev".into()), ..Header::new(Algorithm::HS512) };
    let rs512 = encode(&rs512, &claims(), &EncodingKey::from_rsa_pem(keys::RSA.as_bytes()).unwrap()).unwrap();
    let good = sign(&header("dev"), &claims());
    let (message, signature) = good.rsplit_once('.').unwrap();
    let (head, _) = message.split_once('.').unwrap();
    let other = URL_SAFE_NO_PAD.encode(with(json!({ "sub": "eve" })).to_string());
    let algorithm = "another algorithm";
    refused(vec![
        ("alg none", headed(&json!({ "alg": "none", "kid": "dev" })), "no JWT"),
        ("alg nOnE", headed(&json!({ "alg": "nOnE", "kid": "dev" })), "no JWT"),
        ("alg none, and no signature", format!("{}.{other}.", URL_SAFE_NO_PAD.encode(r#"{"alg":"none"}"#)), "no JWT"),
        ("no alg", headed(&json!({ "kid": "dev" })), "no JWT"),
        ("an unknown alg", headed(&json!({ "alg": "HS1", "kid": "dev" })), "no JWT"),
        ("a list of alg", headed(&json!({ "alg": ["HS256"], "kid": "dev" })), "no JWT"),
        ("the public key as a secret", confused, algorithm),
        ("the secret as an RSA key", headed(&json!({ "alg": "RS256", "kid": "dev" })), algorithm),
        ("HS512 with a key for HS256", sign(&hs512, &claims()), algorithm),
        ("RS512 with a key for RS256", rs512, algorithm),
        ("a key for encryption", sign(&header("enc"), &claims()), "not among the keys"),
        ("an unknown key", sign(&header("../../dev"), &claims()), "not among the keys"),
        ("no key, of several", sign(&Header::new(Algorithm::HS256), &claims()), "there are several"),
        ("another key's id", sign(&header("old"), &claims()), "signature"),
        ("another's key", of_another, "signature"),
        ("a key of its own", headed(&json!({ "alg": "HS256", "jwk": { "kty": "oct", "k": "AA" } })), "several"),
        ("critical extensions", headed(&json!({ "alg": "HS256", "kid": "dev", "crit": ["exp"] })), "critical"),
        ("the claims of another token", format!("{head}.{other}.{signature}"), "signature"),
        ("no signature", format!("{message}."), "signature"),
        ("a stripped signature", message.to_owned(), "no JWT"),
    ]);
}

#[test]
fn a_token_from_or_for_somebody_else_is_refused() {
    refused(vec![
        ("another issuer", one(json!({ "iss": "https://id.example.com.evil.org" })), "TOKEN_ISSUER"),
        ("an issuer in other letters", one(json!({ "iss": "https://ID.example.com" })), "TOKEN_ISSUER"),
        ("several issuers", one(json!({ "iss": ["https://id.example.com"] })), "claim iss is not a string"),
        ("no issuer", one(json!({ "iss": null })), "no claim iss"),
        ("another audience", one(json!({ "aud": "chat" })), "TOKEN_AUDIENCE"),
        ("other audiences", one(json!({ "aud": ["chat", "roomcast2"] })), "TOKEN_AUDIENCE"),
        ("an empty list of audiences", one(json!({ "aud": [] })), "TOKEN_AUDIENCE"),
        ("an audience of no shape", one(json!({ "aud": { "roomcast": true } })), "claim aud"),
        ("no audience", one(json!({ "aud": null })), "no claim aud"),
    ]);
}

#[test]
fn a_token_of_nobody_or_with_claims_of_the_wrong_shape_is_refused() {
    let twice = |claim: &str| {
        let text = claims().to_string();
        sign_text(&format!("{},{claim}}}", &text[..text.len() - 1]))
    };
    refused(vec![
        ("no subject", one(json!({ "sub": null })), "no claim sub"),
        ("an empty subject", one(json!({ "sub": "" })), "claim sub: user is empty"),
        ("a subject with a separator", one(json!({ "sub": "a#b" })), "claim sub: user has '#'"),
        ("a subject with a star", one(json!({ "sub": "*events" })), "claim sub: user has '*'"),
        ("a subject with a line's end", one(json!({ "sub": "a\nb" })), "claim sub"),
        ("a subject that looks alike", one(json!({ "sub": "аda" })), "claim sub"),
        ("a long subject", one(json!({ "sub": "a".repeat(128) })), "128 bytes long"),
        ("a subject that is a number", one(json!({ "sub": 7 })), "claim sub is not a string"),
        ("a null subject", twice(r#""device":null"#), "claim device is not a string"),
        ("an id that is a number", one(json!({ "jti": 7 })), "claim jti is not a string"),
        ("an id with a separator", one(json!({ "jti": "a#b" })), "claim jti"),
        ("a null id", twice(r#""jti":null"#), "claim jti is not a string"),
        ("a time of issue that is a text", one(json!({ "iat": "1764000000" })), "claim iat is not a number"),
        ("a time of issue in milliseconds", one(json!({ "iat": 1_764_000_000_000_u64 })), "claim iat is not a number"),
        ("a device with a space", one(json!({ "device": "my phone" })), "claim device"),
        ("admin in words", one(json!({ "admin": "true" })), "claim admin is not true or false"),
        ("rooms of a list", one(json!({ "rooms": ["lobby"] })), "claim rooms"),
        ("rooms of lists in a list", one(json!({ "rooms": [["lobby"]] })), "claim rooms"),
        ("rooms of text", one(json!({ "rooms": "*" })), "claim rooms"),
        ("rooms of one pattern", one(json!({ "rooms": { "join": "lobby" } })), "claim rooms"),
        ("rooms of an unknown permission", one(json!({ "rooms": { "read": ["lobby"] } })), "claim rooms"),
        ("rooms of null, which is not everything", twice(r#""rooms":null"#), "claim rooms"),
        ("a claim twice", twice(r#""sub":"eve""#), "each claim once"),
        ("an exp twice", twice(r#""exp":253402300799"#), "each claim once"),
        ("claims in a list", sign_text(r#"["ada",4102444800]"#), "each claim once"),
        ("claims that are no JSON", sign_text("{sub:ada}"), "each claim once"),
        ("claims that are no text", sign_text("\u{0}"), "each claim once"),
    ]);
}

#[test]
fn what_is_no_token_is_refused_whatever_its_size() {
    refused(vec![
        ("empty", String::new(), "takes a JWT"),
        ("a word", "abcdefghijk".to_owned(), "no JWT"),
        ("two dots", "..".to_owned(), "no JWT"),
        ("three words", "not.a.token".to_owned(), "no JWT"),
        ("five parts, as an encrypted one has", "aaaa.bbbb.cccc.dddd.eeee".to_owned(), "no JWT"),
        ("1 MB", "a".repeat(1 << 20), "at most 8192 are allowed"),
        ("8 KB of permissions", one(json!({ "rooms": { "join": ["r".repeat(6_100)] } })), "at most 8192"),
    ]);
}

#[test]
fn permissions_that_fit_no_answer_of_ours_are_refused_by_us() {
    // Each quote is escaped once in the token, and twice in the answer.
    let quotes = json!({ "rooms": { "join": ["\"".repeat(2_500)] } });
    refused(vec![("permissions of quotes", one(quotes), "at most 7168 fit")]);
    let much = json!({ "rooms": { "join": ["r".repeat(5_500)] } });
    let seen = present(&authorizer(Guests::Deny, "*"), &event(&[], &[("token", &one(much))]));
    assert_eq!(seen.status, 101, "{}", seen.reason);
}

//! Signed requests: a backend without a library for tokens signs each request with HMAC-SHA256.
//!
//! `Authorization: Roomcast-HMAC-SHA256 KEY:SECONDS:SIGNATURE`. The signature is over seven lines,
//! joined by a line feed: the scheme, the seconds since 1970, the route, the name in the path, the
//! query, the idempotency key, and the SHA-256 of the body. So a signature is good for one request,
//! for [`limits::SIGNATURE_AGE`].
//!
//! The keys are a secret of their own: a key that verifies tokens signs no request.

use std::collections::HashMap;
use std::fmt;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use domain::{Backend, Scope, Timestamp, UserId, limits};
use ring::{digest, hmac};
use serde::Deserialize;

use crate::keys::{BadKeys, SECRET_BYTES, malformed};

/// The scheme of the header `Authorization`, and the first line that is signed.
pub const SCHEME: &str = "Roomcast-HMAC-SHA256";
/// Characters of a key id: enough for a UUID.
const KEY_ID_CHARACTERS: usize = 64;
/// Hexadecimal digits of a signature.
const SIGNATURE_DIGITS: usize = 2 * digest::SHA256_OUTPUT_LEN;

/// The parts of a request that a signature covers.
#[derive(Debug, Clone, Copy)]
pub struct SignedRequest<'a> {
    /// The value of `Authorization` after the scheme: `KEY:SECONDS:SIGNATURE`.
    pub credential: &'a str,
    /// The route, such as `POST /rooms/{room}/publications`.
    pub route: &'a str,
    /// The name in the path, decoded.
    pub name: &'a str,
    /// The parameters of the query as `name=value`, sorted and joined by `&`.
    pub query: &'a str,
    /// The value of `Idempotency-Key`; empty without one.
    pub idempotency_key: &'a str,
    /// The body, as it was sent.
    pub body: &'a [u8],
}

/// The reason for refusing a signed request. It shows neither a key nor the right signature.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadSignature {
    /// The credential has another form.
    #[error("the credential is not KEY:SECONDS:SIGNATURE: a key id, seconds since 1970, and 64 hexadecimal digits")]
    Malformed,
    /// No signing key has this id.
    #[error("no signing key has the id that the request names")]
    UnknownKey,
    /// The time of the request and the time of the server differ too much.
    #[error(
        "the request was signed {0} s {1} now by the server's clock; at most 300 s are allowed: set the clock, and sign each try anew"
    )]
    Skewed(u64, &'static str),
    /// Another key signed the request, or something else was signed.
    #[error("the signature is not that of this request: compare the seven lines that are signed")]
    WrongSignature,
}

/// The signing keys by their id.
#[derive(Default)]
pub(crate) struct Signers(HashMap<String, Signer>);

struct Signer {
    key: hmac::Key,
    backend: Backend,
}

impl fmt::Debug for Signers {
    /// Shows the ids of the keys, and nothing else of them.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.0.keys()).finish()
    }
}

/// One key of the secret `request_keys`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct StoredKey {
    name: String,
    secret: String,
    scope: Scope,
}

impl Signers {
    /// Parses `{"key id": {"name": "shop", "secret": "base64url", "scope": {"publish": ["*"]}}}`.
    pub(crate) fn parse(json: &str) -> Result<Self, BadKeys> {
        let stored: HashMap<String, StoredKey> =
            serde_json::from_str(json).map_err(|error| malformed("request_keys", &error))?;
        let signer = |(id, stored): (String, StoredKey)| {
            let secret = URL_SAFE_NO_PAD.decode(stored.secret.trim_end_matches('='));
            let secret = secret.ok().filter(|secret| secret.len() >= SECRET_BYTES);
            let name = UserId::parse(stored.name).ok().filter(|name| !name.is_reserved());
            match (secret, name) {
                (Some(secret), Some(name)) if is_key_id(&id) => {
                    let key = hmac::Key::new(hmac::HMAC_SHA256, &secret);
                    Ok((id, Signer { key, backend: Backend { name, scope: stored.scope } }))
                }
                _ => Err(BadKeys::Signing(id)),
            }
        };
        Ok(Self(stored.into_iter().map(signer).collect::<Result<_, _>>()?))
    }

    /// Returns the backend that signed the request.
    pub(crate) fn verify(&self, request: &SignedRequest<'_>, now: Timestamp) -> Result<Backend, BadSignature> {
        let (key_id, seconds, signature) = parts(request.credential).ok_or(BadSignature::Malformed)?;
        let signer = self.0.get(key_id).ok_or(BadSignature::UnknownKey)?;
        check_time(Timestamp::from_ms(seconds.saturating_mul(1_000)), now)?;
        // `ring` compares in constant time.
        hmac::verify(&signer.key, signed_text(seconds, request).as_bytes(), &signature)
            .map_err(|_| BadSignature::WrongSignature)?;
        Ok(signer.backend.clone())
    }
}

/// Returns the text that a signature is over.
fn signed_text(seconds: u64, request: &SignedRequest<'_>) -> String {
    let SignedRequest { route, name, query, idempotency_key, body, .. } = request;
    let hash = hexadecimal(digest::digest(&digest::SHA256, body).as_ref());
    format!("{SCHEME}\n{seconds}\n{route}\n{name}\n{query}\n{idempotency_key}\n{hash}")
}

fn parts(credential: &str) -> Option<(&str, u64, Vec<u8>)> {
    let (key_id, rest) = credential.split_once(':')?;
    let (seconds, signature) = rest.split_once(':')?;
    let is_number = !seconds.is_empty() && seconds.bytes().all(|byte| byte.is_ascii_digit());
    let signature = from_hexadecimal(signature)?;
    (is_key_id(key_id) && is_number).then_some((key_id, seconds.parse().ok()?, signature))
}

fn is_key_id(id: &str) -> bool {
    let is_good = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    (1..=KEY_ID_CHARACTERS).contains(&id.len()) && id.bytes().all(is_good)
}

fn check_time(signed_at: Timestamp, now: Timestamp) -> Result<(), BadSignature> {
    let (late, early): (Duration, Duration) = (now.since(signed_at), signed_at.since(now));
    if late > limits::SIGNATURE_AGE {
        return Err(BadSignature::Skewed(late.as_secs(), "before"));
    }
    if early > limits::SIGNATURE_AGE {
        return Err(BadSignature::Skewed(early.as_secs(), "after"));
    }
    Ok(())
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn from_hexadecimal(text: &str) -> Option<Vec<u8>> {
    if text.len() != SIGNATURE_DIGITS || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    text.as_bytes().chunks(2).map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()).collect()
}

#[cfg(test)]
mod tests {
    use domain::{Pattern, RoomId};

    use super::*;

    const NOW: Timestamp = Timestamp::from_ms(1_800_000_000_000);
    const SECRET: &[u8] = b"a signing key of 32 bytes or more";
    const ROUTE: &str = "POST /rooms/{room}/publications";

    fn signers() -> Signers {
        let secret = URL_SAFE_NO_PAD.encode(SECRET);
        let keys = format!(r#"{{"k1":{{"name":"shop","secret":"{secret}","scope":{{"publish":["team:*"]}}}}}}"#);
        Signers::parse(&keys).unwrap()
    }

    fn request(credential: &str) -> SignedRequest<'_> {
        SignedRequest { credential, route: ROUTE, name: "team:7", query: "", idempotency_key: "order-7", body: b"{}" }
    }

    /// Signs as PROTOCOL.md describes it, without the code above.
    fn credential(key_id: &str, seconds: u64) -> String {
        let body = "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a";
        let text = format!("Roomcast-HMAC-SHA256\n{seconds}\n{ROUTE}\nteam:7\n\norder-7\n{body}");
        let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, SECRET), text.as_bytes());
        format!("{key_id}:{seconds}:{}", hexadecimal(tag.as_ref()))
    }

    #[test]
    fn a_signed_request_is_that_of_the_backend_with_the_key() {
        let backend = signers().verify(&request(&credential("k1", 1_800_000_000)), NOW).unwrap();
        assert_eq!(backend.name.as_ref(), "shop");
        assert_eq!(backend.scope.publish, [Pattern::new("team:*")]);
        assert!(!backend.scope.may_read(&RoomId::parse("team:7").unwrap()));
    }

    #[test]
    fn a_signature_is_good_for_this_request_only() {
        let credential = credential("k1", 1_800_000_000);
        let signed = request(&credential);
        for other in [
            SignedRequest { route: "DELETE /users/{user}/connections", ..signed },
            SignedRequest { name: "team:8", ..signed },
            SignedRequest { query: "limit=1", ..signed },
            SignedRequest { idempotency_key: "", ..signed },
            SignedRequest { body: b"{ }", ..signed },
        ] {
            assert_eq!(signers().verify(&other, NOW), Err(BadSignature::WrongSignature));
        }
    }

    #[test]
    fn a_signature_is_good_for_five_minutes_in_both_directions() {
        let verify = |seconds| signers().verify(&request(&credential("k1", seconds)), NOW);
        assert!(verify(1_800_000_000 - 300).is_ok() && verify(1_800_000_000 + 300).is_ok());
        assert_eq!(verify(1_800_000_000 - 301), Err(BadSignature::Skewed(301, "before")));
        assert_eq!(verify(1_800_000_000 + 301), Err(BadSignature::Skewed(301, "after")));
        assert_eq!(verify(u64::MAX), Err(BadSignature::Skewed((u64::MAX - 1_800_000_000_000) / 1_000, "after")));
    }

    #[test]
    fn another_form_and_an_unknown_key_are_named() {
        let good = credential("k1", 1_800_000_000);
        let signature = good.rsplit(':').next().unwrap();
        assert_eq!(signers().verify(&request(&credential("k2", 1_800_000_000)), NOW), Err(BadSignature::UnknownKey));
        for bad in [
            "",
            "k1",
            "k1:1800000000",
            &format!("k1:+1800000000:{signature}"),
            &format!("k1::{signature}"),
            &format!("k 1:1800000000:{signature}"),
            &format!("k1:1800000000:{}", &signature[1..]),
            &format!("k1:1800000000:é{}", &signature[2..]),
            &format!("{good},{good}"),
        ] {
            assert_eq!(signers().verify(&request(bad), NOW), Err(BadSignature::Malformed), "{bad}");
        }
    }

    #[test]
    fn a_bad_key_is_named_without_its_secret() {
        let secret = URL_SAFE_NO_PAD.encode(SECRET);
        let name = |keys: &str| Signers::parse(keys).unwrap_err().to_string();
        for keys in [
            r#"{"k1":{"name":"shop","secret":"c2hvcnQ","scope":{}}}"#.to_owned(),
            format!(r#"{{"k1":{{"name":"@shop","secret":"{secret}","scope":{{}}}}}}"#),
            format!(r#"{{"k1":{{"name":"backend","secret":"{secret}","scope":{{}}}}}}"#),
        ] {
            let error = name(&keys);
            assert!(error.contains("\"k1\" of request_keys") && !error.contains(&secret), "{error}");
        }
        let error = name(&format!(r#"{{"k1":{{"name":"shop","secret":"{secret}","scope":{{"write":["*"]}}}}}}"#));
        assert!(error.contains("request_keys is not the expected JSON") && !error.contains(&secret), "{error}");
    }
}

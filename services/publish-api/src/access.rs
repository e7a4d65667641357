//! The credential of a request, and the parts of a request that a signature covers.
//!
//! A credential is a token of a backend, `Authorization: Bearer <jwt>`, or a signature of the
//! request, `Authorization: Roomcast-HMAC-SHA256 KEY:SECONDS:SIGNATURE`. Anything else is refused,
//! with a sentence that shows nothing of it.

use std::collections::BTreeMap;

use domain::{Code, Reject, limits};
use lambda_kit::http::Request;
use tokens::{BadCredential, BadToken, Credential, SCHEME, SignedRequest};

use crate::{HISTORY, PUBLISH};

/// The header that makes a repeat of a request publish nothing more.
const IDEMPOTENCY_KEY: &str = "idempotency-key";

/// Refuses a body that no request has.
pub(crate) fn check_size(request: &Request) -> Result<(), Reject> {
    let (bytes, most) = (request.body.len(), limits::HTTP_BODY_BYTES);
    if bytes > most {
        let message = format!("the body is {bytes} bytes long; at most {most} are allowed");
        return Err(Reject::new(Code::TooLarge, message));
    }
    if request.route != PUBLISH && bytes > 0 {
        return Err(Reject::field("body", "this route takes no body"));
    }
    Ok(())
}

/// The parameters of the query, each given once.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Query(BTreeMap<String, String>);

impl Query {
    /// Reads the parameters. A parameter that the route does not have is refused.
    pub(crate) fn read(request: &Request) -> Result<Self, Reject> {
        let known: &[&str] = if request.route == HISTORY { &["before", "limit"] } else { &[] };
        let mut parameters = BTreeMap::new();
        for (name, values) in &request.query {
            let Some(name) = known.iter().find(|known| *known == name) else {
                let listed = if known.is_empty() { "none".to_owned() } else { known.join(" and ") };
                let message = format!("the query has a parameter that this route does not take; it takes {listed}");
                return Err(Reject::field("query", message));
            };
            let [value] = values.as_slice() else {
                let message = format!("{name} is given {} times; it is read once", values.len());
                return Err(Reject::field(*name, message));
            };
            parameters.insert((*name).to_owned(), value.clone());
        }
        Ok(Self(parameters))
    }

    /// Returns a whole number in a range.
    pub(crate) fn number(&self, name: &str, range: std::ops::RangeInclusive<u64>) -> Result<Option<u64>, Reject> {
        let Some(text) = self.0.get(name) else { return Ok(None) };
        let is_plain = text.bytes().all(|byte| byte.is_ascii_digit());
        let number = text.parse().ok().filter(|number| is_plain && range.contains(number));
        let wrong = || format!("{name} must be a whole number from {} to {}", range.start(), range.end());
        number.map(Some).ok_or_else(|| Reject::field(name, wrong()))
    }

    /// Returns the text that a signature covers: `before=41&limit=10`.
    pub(crate) fn signed_text(&self) -> String {
        self.0.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join("&")
    }
}

/// Reads the header `Idempotency-Key`, with or without the quotes of a structured header.
///
/// Source: <https://datatracker.ietf.org/doc/draft-ietf-httpapi-idempotency-key-header/>
pub(crate) fn idempotency_key(request: &Request) -> Result<Option<&str>, Reject> {
    if !request.has_header(IDEMPOTENCY_KEY) {
        return Ok(None);
    }
    let value = request.header(IDEMPOTENCY_KEY).unwrap_or_default();
    let key = value.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).unwrap_or(value);
    // Several values arrive joined by commas.
    let is_good = |character: char| character.is_ascii_graphic() && !matches!(character, '#' | ',' | '"');
    let most = limits::IDEMPOTENCY_KEY_BYTES;
    if (1..=most).contains(&key.len()) && key.chars().all(is_good) {
        return Ok(Some(key));
    }
    let message = format!("Idempotency-Key must be given once: 1 to {most} visible ASCII characters without # , \"");
    Err(Reject::field("Idempotency-Key", message))
}

/// Reads the credential.
pub(crate) fn credential<'a>(
    request: &'a Request,
    query: &'a str,
    key: Option<&'a str>,
) -> Result<Credential<'a>, Reject> {
    let unauthorized = |message: &str| Reject::new(Code::InvalidToken, message).of("Authorization");
    if !request.has_header("authorization") {
        return Err(unauthorized("the header Authorization is missing: Bearer <jwt>, or a signature"));
    }
    let form = "the header Authorization must be given once, and read Bearer <jwt> or Roomcast-HMAC-SHA256 KEY:SECONDS:SIGNATURE";
    let value = request.header("authorization").filter(|value| !value.contains(','));
    let (scheme, rest) = value.and_then(|value| value.split_once(' ')).ok_or_else(|| unauthorized(form))?;
    let rest = rest.trim();
    if rest.is_empty() || rest.contains([' ', '\t']) {
        return Err(unauthorized(form));
    }
    if scheme.eq_ignore_ascii_case("bearer") {
        return Ok(Credential::Token(rest));
    }
    if !scheme.eq_ignore_ascii_case(SCHEME) {
        return Err(unauthorized(form));
    }
    let name = if request.parameters.contains_key("user") { "user" } else { "room" };
    Ok(Credential::Signature(SignedRequest {
        credential: rest,
        route: &request.route,
        name: request.parameter(name),
        query,
        idempotency_key: key.unwrap_or_default(),
        body: &request.body,
    }))
}

/// Converts the reason for refusing a credential. Its text shows nothing of the credential.
pub(crate) fn refused(reason: BadCredential) -> Reject {
    let code = match &reason {
        // A good token of a user.
        BadCredential::Token(BadToken::Missing("backend")) => Code::Forbidden,
        BadCredential::Token(BadToken::Expired(_)) => Code::TokenExpired,
        _ => Code::InvalidToken,
    };
    Reject::new(code, reason.to_string()).of("Authorization")
}

//! An authorizer with four keys, tokens for it, and events as the gateway sends them.

use ::tokens::Verifier;
use authorizer::{Authorizer, Config, Guests, Handshake, Origins, Refusal};
use aws_lambda_events::apigw::ApiGatewayCustomAuthorizerRequestTypeRequest;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use domain::ports::Clock;
use futures::FutureExt;
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use lambda_runtime::{Context, LambdaEvent};
use serde_json::{Value, json};
use telemetry::{Summary, field};
use testkit::{World, keys, samples};

/// The secret of the key `dev`.
pub(crate) const SECRET: &[u8] = b"a development key of 32 bytes or more";
/// The issuer that a token must name.
pub(crate) const ISSUER: &str = "https://id.example.com";
/// The audience that a token must name.
pub(crate) const AUDIENCE: &str = "roomcast";

/// An authorizer that knows `dev`, `old`, and the public keys of the tests.
pub(crate) fn authorizer(guests: Guests, origins: &str) -> Authorizer<impl Clock> {
    let secrets = json!({ "dev": URL_SAFE_NO_PAD.encode(SECRET), "old": URL_SAFE_NO_PAD.encode([7; 32]) }).to_string();
    let (issuer, audience) = (Some(ISSUER.to_owned()), Some(AUDIENCE.to_owned()));
    let verifier = Verifier::new(Some(&secrets), Some(keys::JWKS), issuer, audience).unwrap();
    Authorizer::new(Config { verifier, guests, origins: Origins::parse(origins).unwrap() }, World::new().clock)
}

/// The claims of a good token that expires in a minute.
pub(crate) fn claims() -> Value {
    json!({ "sub": "ada", "exp": samples::NOW.as_s() + 60, "iss": ISSUER, "aud": AUDIENCE })
}

/// The same claims with a change; null removes a claim.
pub(crate) fn with(change: Value) -> Value {
    let mut all = claims();
    for (name, value) in change.as_object().unwrap() {
        match value {
            Value::Null => drop(all.as_object_mut().unwrap().remove(name)),
            value => all[name] = value.clone(),
        }
    }
    all
}

/// A header of HS256 that names a key.
pub(crate) fn header(kid: &str) -> Header {
    Header { kid: Some(kid.to_owned()), ..Header::new(Algorithm::HS256) }
}

/// Signs with the secret of `dev`, whatever key the header names.
pub(crate) fn sign(header: &Header, claims: &Value) -> String {
    encode(header, claims, &EncodingKey::from_secret(SECRET)).unwrap()
}

/// Signs any text as if it were claims, with the key `dev`.
pub(crate) fn sign_text(payload: &str) -> String {
    let head = URL_SAFE_NO_PAD.encode(json!({ "alg": "HS256", "kid": "dev" }).to_string());
    let message = format!("{head}.{}", URL_SAFE_NO_PAD.encode(payload));
    let key = EncodingKey::from_secret(SECRET);
    let signature = jsonwebtoken::crypto::sign(message.as_bytes(), &key, Algorithm::HS256).unwrap();
    format!("{message}.{signature}")
}

/// A handshake that presents a token.
pub(crate) fn handshake(token: String) -> Handshake {
    Handshake { token: Some(token), request_id: "r".to_owned(), ..Handshake::default() }
}

/// The gateway's event of a handshake with these headers.
pub(crate) fn event(headers: &[(&str, &str)], query: &[(&str, &str)]) -> Event {
    let object = |pairs: &[(&str, &str)]| -> Value {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), json!(value))).collect::<serde_json::Map<_, _>>().into()
    };
    let event = json!({
        "type": "REQUEST",
        "methodArn": "arn:aws:execute-api:eu-central-1:123456789012:abc/local/$connect",
        "headers": object(headers),
        "queryStringParameters": object(query),
        "requestContext": { "requestId": "r", "routeKey": "$connect" },
    });
    LambdaEvent::new(serde_json::from_value(event).unwrap(), Context::default())
}

/// An event with several values of a header and of a parameter, as the gateway sends them.
pub(crate) fn several(headers: Value, query: Value) -> Event {
    let last = |all: &Value| -> Value {
        let pairs = all.as_object().unwrap().iter();
        pairs
            .map(|(name, values)| (name.clone(), values.as_array().unwrap().last().unwrap().clone()))
            .collect::<serde_json::Map<_, _>>()
            .into()
    };
    let event = json!({
        "type": "REQUEST", "methodArn": "arn:aws:execute-api:eu-central-1:123456789012:abc/local/$connect",
        "headers": last(&headers), "multiValueHeaders": headers,
        "queryStringParameters": last(&query), "multiValueQueryStringParameters": query,
        "requestContext": { "requestId": "r", "routeKey": "$connect" },
    });
    LambdaEvent::new(serde_json::from_value(event).unwrap(), Context::default())
}

type Event = LambdaEvent<ApiGatewayCustomAuthorizerRequestTypeRequest>;

/// The answer to a handshake.
pub(crate) struct Seen {
    /// The status that the gateway makes of the answer.
    pub(crate) status: u16,
    /// The error in the log line.
    pub(crate) reason: String,
    /// All output of the function: its log line and its answer.
    pub(crate) said: String,
}

/// Returns the result of a future that must be ready at once: the keys are already loaded.
fn at_once<T>(answer: impl Future<Output = T>) -> T {
    answer.now_or_never().unwrap()
}

/// Returns the decision about a handshake.
pub(crate) fn decide(
    authorizer: &Authorizer<impl Clock>,
    handshake: &Handshake,
) -> Result<protocol::context::Context, Refusal> {
    at_once(authorizer.decide(handshake))
}

/// Passes an event to the authorizer, and reads the answer as the gateway does.
pub(crate) fn present(authorizer: &Authorizer<impl Clock>, event: &Event) -> Seen {
    let mut summary = Summary::new("authorizer");
    let answer = at_once(authorizer.handle(event, &mut summary));
    let (status, body) = match answer {
        Ok(response) => {
            let body = serde_json::to_value(&response).unwrap();
            let allowed = body["policyDocument"]["Statement"][0]["Effect"] == "Allow";
            (if allowed { 101 } else { 403 }, body.to_string())
        }
        // The gateway compares the whole message with this word; any other error is a 500.
        Err(error) if error.to_string() == "Unauthorized" => (401, error.to_string()),
        Err(error) => (500, error.to_string()),
    };
    let reason = summary.said(field::ERROR).unwrap_or_default().to_owned();
    Seen { status, reason, said: format!("{}\n{body}", summary.to_line(0)) }
}

//! What a function answers through a Lambda proxy integration.
//!
//! Source: <https://docs.aws.amazon.com/apigateway/latest/developerguide/set-up-lambda-proxy-integrations.html>

use std::collections::HashMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde::Deserialize;
use serde_json::Value;

/// An answer in the one format that API Gateway takes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Answer {
    /// 200 to 599.
    pub(crate) status: u16,
    /// `Sec-WebSocket-Protocol`, however the function spelled it.
    pub(crate) subprotocol: Option<String>,
    /// The body, decoded; and whether it was base64.
    pub(crate) body: Option<(Bytes, bool)>,
}

/// An unknown field makes the whole answer malformed, as on AWS (middy #1219).
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Wire {
    status_code: Value,
    headers: Option<HashMap<String, Value>>,
    multi_value_headers: Option<HashMap<String, Vec<Value>>>,
    body: Option<String>,
    is_base64_encoded: Option<bool>,
}

const SUBPROTOCOL: &str = "sec-websocket-protocol";

impl Answer {
    /// Reads an answer.
    ///
    /// # Errors
    /// Why it is a "Malformed Lambda proxy response".
    pub(crate) fn parse(payload: &[u8]) -> Result<Self, String> {
        let wire: Wire = serde_json::from_slice(payload).map_err(|error| error.to_string())?;
        let base64 = wire.is_base64_encoded.unwrap_or(false);
        let body = match wire.body {
            Some(text) if base64 => Some(STANDARD.decode(text).map_err(|error| format!("body: {error}"))?.into()),
            Some(text) => Some(Bytes::from(text)),
            None => None,
        };
        Ok(Self {
            status: status(&wire.status_code)?,
            subprotocol: subprotocol(wire.headers, wire.multi_value_headers),
            body: body.map(|body| (body, base64)),
        })
    }

    /// Whether `$connect` lets the client in.
    pub(crate) fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }
}

/// A number, or a string that is one.
fn status(value: &Value) -> Result<u16, String> {
    let number = value.as_u64().or_else(|| value.as_str()?.parse().ok());
    let status = number.and_then(|number| u16::try_from(number).ok()).filter(|status| (200..600).contains(status));
    status.ok_or_else(|| format!("statusCode is {value}; it must be a number from 200 to 599"))
}

fn subprotocol(headers: Option<HashMap<String, Value>>, multi: Option<HashMap<String, Vec<Value>>>) -> Option<String> {
    let is_it = |name: &str| name.eq_ignore_ascii_case(SUBPROTOCOL);
    let single = headers.into_iter().flatten().find(|(name, _)| is_it(name)).map(|(_, value)| value);
    let first_of_many = || {
        let (_, values) = multi.into_iter().flatten().find(|(name, _)| is_it(name))?;
        values.into_iter().next()
    };
    match single.or_else(first_of_many)? {
        Value::String(text) if !text.is_empty() => Some(text),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn body(payload: &str) -> Option<Bytes> {
        Answer::parse(payload.as_bytes()).unwrap().body.map(|(body, _)| body)
    }

    #[test]
    fn an_answer_has_a_status_and_may_have_a_body() {
        let bare = Answer::parse(br#"{"statusCode":200}"#).unwrap();
        assert_eq!(bare, Answer { status: 200, subprotocol: None, body: None });
        assert_eq!(Answer::parse(br#"{"statusCode":"204"}"#).unwrap().status, 204);
        assert_eq!(body(r#"{"statusCode":200,"body":null,"headers":null,"multiValueHeaders":null}"#), None);
        assert_eq!(body(r#"{"statusCode":200,"body":""}"#).unwrap(), "");
        assert_eq!(body(r#"{"statusCode":500,"body":"sorry","isBase64Encoded":false}"#).unwrap(), "sorry");
        assert_eq!(body(r#"{"statusCode":200,"body":"aGk=","isBase64Encoded":true}"#).unwrap(), "hi");
    }

    #[test]
    fn an_answer_in_any_other_format_is_malformed() {
        for wrong in [
            "null",
            "{}",
            r#""ok""#,
            r#"{"body":"hi"}"#,
            r#"{"statusCode":101}"#,
            r#"{"statusCode":600}"#,
            r#"{"statusCode":"ok"}"#,
            r#"{"statusCode":200,"body":{"not":"text"}}"#,
            r#"{"statusCode":200,"body":"???","isBase64Encoded":true}"#,
            r#"{"statusCode":200,"Data":"Hello"}"#,
            "",
        ] {
            assert!(Answer::parse(wrong.as_bytes()).is_err(), "{wrong}");
        }
    }

    #[test]
    fn the_subprotocol_is_found_however_it_is_spelled() {
        for headers in [
            r#""headers":{"Sec-WebSocket-Protocol":"rooms.v1"}"#,
            r#""headers":{"x":1,"sec-websocket-protocol":"rooms.v1"}"#,
            r#""multiValueHeaders":{"SEC-WEBSOCKET-PROTOCOL":["rooms.v1","other"]}"#,
        ] {
            let answer = Answer::parse(format!(r#"{{"statusCode":200,{headers}}}"#).as_bytes()).unwrap();
            assert_eq!(answer.subprotocol.as_deref(), Some("rooms.v1"), "{headers}");
        }
    }
}

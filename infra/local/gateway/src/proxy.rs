//! Parses the answer of a function to a Lambda proxy integration.
//!
//! Source:
//! <https://docs.aws.amazon.com/apigateway/latest/developerguide/set-up-lambda-proxy-integrations.html>

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde_json::{Map, Value};

/// An answer in the only format that API Gateway accepts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Answer {
    /// HTTP status from 200 to 599.
    pub(crate) status: u16,
    /// The `Sec-WebSocket-Protocol` header in any spelling.
    pub(crate) subprotocol: Option<String>,
    /// The decoded body, and whether it was base64.
    pub(crate) body: Option<(Bytes, bool)>,
}

const SUBPROTOCOL: &str = "sec-websocket-protocol";

impl Answer {
    /// Parses an answer. An unknown field makes the whole answer malformed, as on AWS (middy
    /// #1219).
    ///
    /// # Errors
    /// The reason for a "Malformed Lambda proxy response". It names the field, never its content.
    pub(crate) fn parse(payload: &[u8]) -> Result<Self, String> {
        let fields: Map<String, Value> =
            serde_json::from_slice(payload).map_err(|_| "it is not a JSON object".to_owned())?;
        let (mut status, mut text, mut base64) = (None, None, false);
        let (mut single, mut multiple) = (None, None);
        for (name, value) in fields {
            match (name.as_str(), value) {
                ("statusCode", value) => status = Some(read_status(&value)?),
                ("body" | "headers" | "multiValueHeaders" | "isBase64Encoded", Value::Null) => {}
                ("body", Value::String(body)) => text = Some(body),
                ("headers", Value::Object(headers)) => single = subprotocol(headers),
                ("multiValueHeaders", Value::Object(headers)) => multiple = subprotocol(headers),
                ("isBase64Encoded", Value::Bool(flag)) => base64 = flag,
                ("body", _) => return Err("body must be a string".to_owned()),
                ("headers" | "multiValueHeaders", _) => return Err(format!("{name} must be an object")),
                ("isBase64Encoded", _) => return Err("isBase64Encoded must be true or false".to_owned()),
                (unknown, _) => return Err(format!("there is no field {unknown:?} in a proxy response")),
            }
        }
        let body = text.map(|text| decode(text, base64)).transpose()?;
        Ok(Self {
            status: status.ok_or("statusCode is missing")?,
            subprotocol: single.or(multiple),
            body: body.map(|body| (body, base64)),
        })
    }

    /// Returns whether this answer of `$connect` admits the client.
    pub(crate) fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }
}

/// Parses a status that is a number or a string with a number.
fn read_status(value: &Value) -> Result<u16, String> {
    let number = value.as_u64().or_else(|| value.as_str()?.parse().ok());
    let status = number.and_then(|number| u16::try_from(number).ok()).filter(|status| (200..600).contains(status));
    status.ok_or_else(|| "statusCode must be a number from 200 to 599".to_owned())
}

fn decode(text: String, base64: bool) -> Result<Bytes, String> {
    if !base64 {
        return Ok(text.into());
    }
    STANDARD.decode(text).map(Bytes::from).map_err(|_| "body is not base64 although isBase64Encoded is true".to_owned())
}

/// Returns the header's value. If there are several, the first one counts.
fn subprotocol(headers: Map<String, Value>) -> Option<String> {
    let (_, value) = headers.into_iter().find(|(name, _)| name.eq_ignore_ascii_case(SUBPROTOCOL))?;
    let value = match value {
        Value::Array(values) => values.into_iter().next()?,
        single => single,
    };
    value.as_str().filter(|text| !text.is_empty()).map(str::to_owned)
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
    fn a_malformed_answer_is_named_without_being_quoted() {
        for (wrong, reason) in [
            (r#""secret""#, "it is not a JSON object"),
            (r#"{"statusCode":"secret"}"#, "statusCode must be a number from 200 to 599"),
            (r#"{"statusCode":200,"headers":"secret"}"#, "headers must be an object"),
            (r#"{"statusCode":200,"body":["secret"]}"#, "body must be a string"),
            (r#"{"statusCode":200,"Data":"secret"}"#, r#"there is no field "Data" in a proxy response"#),
            (r#"{"body":"secret"}"#, "statusCode is missing"),
        ] {
            assert_eq!(Answer::parse(wrong.as_bytes()).unwrap_err(), reason);
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

//! Builds answers of the query protocol.
//!
//! Source: <https://docs.aws.amazon.com/sns/latest/dg/sns-making-api-requests.html>

use bytes::Bytes;
use http::{HeaderValue, Response, StatusCode, header};
use uuid::Uuid;

use crate::model::error::Error;

const NAMESPACE: &str = "http://sns.amazonaws.com/doc/2010-03-31/";

/// A piece of XML to which elements are appended.
#[derive(Debug, Default)]
pub(super) struct Xml(String);

impl Xml {
    /// Appends `<name>text</name>` with escaped text.
    pub(super) fn text(mut self, name: &str, text: &str) -> Self {
        self.0.push_str(&format!("<{name}>"));
        escape(text, &mut self.0);
        self.0.push_str(&format!("</{name}>"));
        self
    }

    /// Appends `<name>…</name>` around the elements that `content` appends.
    pub(super) fn element(mut self, name: &str, content: impl FnOnce(Self) -> Self) -> Self {
        self.0.push_str(&format!("<{name}>"));
        let mut inner = content(self);
        inner.0.push_str(&format!("</{name}>"));
        inner
    }

    /// Appends an element with `<entry><key>…</key><value>…</value></entry>` for each entry.
    pub(super) fn map<'a>(self, name: &str, entries: impl Iterator<Item = (&'a String, &'a String)>) -> Self {
        self.element(name, |map| {
            entries.fold(map, |map, (key, value)| {
                map.element("entry", |entry| entry.text("key", key).text("value", value))
            })
        })
    }
}

fn escape(text: &str, to: &mut String) {
    for character in text.chars() {
        match character {
            '&' => to.push_str("&amp;"),
            '<' => to.push_str("&lt;"),
            '>' => to.push_str("&gt;"),
            '"' => to.push_str("&quot;"),
            '\r' => to.push_str("&#xD;"),
            character => to.push(character),
        }
    }
}

/// Builds the answer to a successful call.
pub(super) fn success(action: &str, result: Xml) -> Response<Bytes> {
    let id = Uuid::new_v4().hyphenated().to_string();
    let mut body = format!("<{action}Response xmlns=\"{NAMESPACE}\">");
    if !result.0.is_empty() {
        body.push_str(&format!("<{action}Result>{}</{action}Result>", result.0));
    }
    body.push_str(&format!("<ResponseMetadata><RequestId>{id}</RequestId></ResponseMetadata></{action}Response>"));
    respond(StatusCode::OK, body)
}

/// Builds the answer to a refused call.
pub(super) fn refusal(error: &Error) -> Response<Bytes> {
    let id = Uuid::new_v4().hyphenated().to_string();
    let body = Xml(format!("<ErrorResponse xmlns=\"{NAMESPACE}\">"))
        .element("Error", |xml| xml.text("Type", "Sender").text("Code", error.code).text("Message", &error.message))
        .text("RequestId", &id);
    respond(error.status, format!("{}</ErrorResponse>", body.0))
}

fn respond(status: StatusCode, body: String) -> Response<Bytes> {
    let mut response = Response::new(Bytes::from(body));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("text/xml"));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_escaped_and_elements_nest() {
        let xml = Xml::default().element("A", |xml| xml.text("B", "<&>\"").text("C", ""));
        assert_eq!(xml.0, "<A><B>&lt;&amp;&gt;&quot;</B><C></C></A>");
    }
}

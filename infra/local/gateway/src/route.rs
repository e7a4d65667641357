//! The route selection expression, which extracts from a message the text that is compared with the
//! route keys.
//!
//! Source:
//! <https://docs.aws.amazon.com/apigateway/latest/developerguide/websocket-api-develop-routes.html>

use crate::json::{self, Segment};

/// A parsed expression: a sequence of static texts and values of the message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Selection(Vec<Part>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Static(String),
    Body(Vec<Segment>),
}

const VARIABLE: &str = "request.body";

impl Selection {
    /// Parses expressions such as `$request.body.action`, `${request.body.a}/${request.body.b}` and
    /// `\$default`.
    ///
    /// # Errors
    /// A sentence that names the mistake and its correction.
    pub(crate) fn parse(expression: &str) -> Result<Self, String> {
        let mut parts = Vec::new();
        let mut text = String::new();
        let mut rest = expression;
        while let Some(next) = rest.chars().next() {
            let after = &rest[next.len_utf8()..];
            rest = match next {
                '\\' => take_escaped(after, &mut text),
                '$' => {
                    let (variable, after) = split_variable(after)?;
                    push_static(&mut parts, &mut text);
                    parts.push(Part::Body(parse_path(variable)?));
                    after
                }
                other => {
                    text.push(other);
                    after
                }
            };
        }
        push_static(&mut parts, &mut text);
        if parts.is_empty() {
            return Err("it is empty; $request.body.action is the usual one".to_owned());
        }
        Ok(Self(parts))
    }

    /// Evaluates the expression for a message. A missing value is empty. Returns `None` if the
    /// expression cannot be evaluated because the message is not JSON.
    pub(crate) fn evaluate(&self, body: &str) -> Option<String> {
        if let [Part::Static(text)] = self.0.as_slice() {
            return Some(text.clone());
        }
        let document = json::document(body)?;
        let mut key = String::new();
        for part in &self.0 {
            match part {
                Part::Static(text) => key.push_str(text),
                Part::Body(path) => key.push_str(&json::lookup(document, path).map(json::display).unwrap_or_default()),
            }
        }
        Some(key)
    }
}

fn push_static(parts: &mut Vec<Part>, text: &mut String) {
    if !text.is_empty() {
        parts.push(Part::Static(std::mem::take(text)));
    }
}

fn take_escaped<'a>(after: &'a str, text: &mut String) -> &'a str {
    let escaped = after.chars().next();
    text.extend(escaped);
    &after[escaped.map_or(0, char::len_utf8)..]
}

/// Splits the text after a `$` into the variable and the rest.
fn split_variable(after: &str) -> Result<(&str, &str), String> {
    if let Some(braced) = after.strip_prefix('{') {
        return braced.split_once('}').ok_or_else(|| "a `${` is never closed by `}`".to_owned());
    }
    let is_path = |c: char| c.is_alphanumeric() || matches!(c, '_' | '.' | '[' | ']');
    Ok(after.split_at(after.find(|c| !is_path(c)).unwrap_or(after.len())))
}

fn parse_path(variable: &str) -> Result<Vec<Segment>, String> {
    let wrong =
        || format!("{variable:?} is not a place in a message; write $request.body.NAME, or \\$ for a dollar sign");
    let mut rest = variable.strip_prefix(VARIABLE).ok_or_else(wrong)?;
    let mut path = Vec::new();
    while !rest.is_empty() {
        let (segment, after) = match rest.strip_prefix('[') {
            Some(bracketed) => parse_bracket(bracketed.split_once(']').ok_or_else(wrong)?, wrong)?,
            None => parse_name(rest.strip_prefix('.').ok_or_else(wrong)?),
        };
        if segment == Segment::Key(String::new()) {
            return Err(wrong());
        }
        path.push(segment);
        rest = after;
    }
    Ok(path)
}

fn parse_name(dotted: &str) -> (Segment, &str) {
    let (name, after) = dotted.split_at(dotted.find(['.', '[']).unwrap_or(dotted.len()));
    (Segment::Key(name.to_owned()), after)
}

fn parse_bracket<'a>(
    (inside, after): (&str, &'a str),
    wrong: impl Fn() -> String,
) -> Result<(Segment, &'a str), String> {
    let quoted = |quote| inside.strip_prefix(quote).and_then(|text| text.strip_suffix(quote));
    let segment = match quoted('\'').or_else(|| quoted('"')) {
        Some(name) => Segment::Key(name.to_owned()),
        None => Segment::Index(inside.parse().map_err(|_| wrong())?),
    };
    Ok((segment, after))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn evaluate(expression: &str, body: &str) -> Option<String> {
        Selection::parse(expression).unwrap().evaluate(body)
    }

    #[test]
    fn an_expression_evaluates_as_documented() {
        let body =
            r#"{"service":"chat","action":"join","nested":{"deep-er":["x",{"y":"z"}]},"list":["item1","item2"]}"#;
        for (expression, key) in [
            ("$request.body.action", "join"),
            ("${request.body.action}", "join"),
            ("${request.body.service}/${request.body.action}", "chat/join"),
            ("$request.body.service/$request.body.action", "chat/join"),
            ("${request.body.service}-v1", "chat-v1"),
            ("$request.body.missing", ""),
            ("${request.body.missing}/${request.body.action}", "/join"),
            ("$request.body.list", "[item1, item2]"),
            ("$request.body.list[1]", "item2"),
            ("${request.body.nested['deep-er'][1].y}", "z"),
            ("${request.body.nested.deep-er[0]}", "x"),
            (r"\$default", "$default"),
            ("static", "static"),
        ] {
            assert_eq!(evaluate(expression, body).as_deref(), Some(key), "{expression}");
        }
    }

    #[test]
    fn a_value_is_not_evaluated_again() {
        assert_eq!(
            evaluate("$request.body.action", r#"{"action":"$request.body.x","x":"y"}"#).unwrap(),
            "$request.body.x"
        );
    }

    #[test]
    fn a_body_that_is_not_json_cannot_be_evaluated_unless_nothing_is_asked_of_it() {
        for body in ["", "hello", "{", r#"{"action":"join"} trailing"#, "{'action':'join'}"] {
            assert_eq!(evaluate("$request.body.action", body), None, "{body}");
            assert_eq!(evaluate(r"\$default", body).as_deref(), Some("$default"));
        }
        for body in ["1", "null", "[]", r#""action""#] {
            assert_eq!(evaluate("$request.body.action", body).as_deref(), Some(""), "{body}");
        }
    }

    #[test]
    fn an_expression_that_means_nothing_is_refused() {
        for wrong in [
            "",
            "$",
            "$request.header.x",
            "${request.body.action",
            "$request.bodyaction",
            "$request.body..a",
            "$request.body.a[x]",
            "$context.routeKey",
        ] {
            assert!(Selection::parse(wrong).is_err(), "{wrong}");
        }
    }
}

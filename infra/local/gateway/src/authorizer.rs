//! Evaluates an authorizer's answer: whether the client is admitted, and the context of its later
//! events.
//!
//! Source:
//! <https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-websocket-api-lambda-auth.html>

use serde_json::value::{RawValue, to_raw_value};
use serde_json::{Map, Value};

use crate::config::IdentitySource;
use crate::fields::Request;
use crate::policy::{Policy, Verdict};

/// The decision about a client.
#[derive(Debug)]
pub(crate) enum Decision {
    /// Admit the client. The value becomes `requestContext.authorizer` of all its events.
    Allow(Box<RawValue>),
    /// Answer with 403.
    Deny {
        /// True if a statement denied the client. Otherwise no statement allowed it.
        explicit: bool,
    },
    /// Answer with 500: the authorizer's answer is not valid. The text is the reason.
    Misconfigured(String),
}

/// Returns whether every identity source is present and not empty. Otherwise the authorizer is not
/// invoked.
pub(crate) fn is_identified(sources: &[IdentitySource], request: &Request) -> bool {
    sources.iter().all(|source| {
        let value = match source {
            IdentitySource::Header(name) => request.headers.last(name),
            IdentitySource::QueryString(name) => request.query.last_exact(name),
        };
        value.is_some_and(|value| !value.is_empty())
    })
}

/// Evaluates the answer of an authorizer to a request for `method_arn`.
pub(crate) fn decide(answer: &[u8], method_arn: &str, limit_bytes: usize) -> Decision {
    if answer.len() > limit_bytes {
        return Decision::Misconfigured(format!(
            "the result has {} bytes; at most {limit_bytes} are allowed",
            answer.len()
        ));
    }
    read(answer, method_arn).unwrap_or_else(Decision::Misconfigured)
}

/// Parses the answer. `usageIdentifierKey` and other fields do not affect admission.
fn read(answer: &[u8], method_arn: &str) -> Result<Decision, String> {
    let mut answer: Map<String, Value> =
        serde_json::from_slice(answer).map_err(|_| "the result is not a JSON object".to_owned())?;
    let Some(Value::String(principal_id)) = answer.remove("principalId") else {
        return Err("principalId must be a string".to_owned());
    };
    let policy = answer.remove("policyDocument").ok_or("policyDocument is missing")?;
    let policy: Policy = serde_json::from_value(policy).map_err(|error| format!("policyDocument: {error}"))?;
    let values = match answer.remove("context") {
        None | Some(Value::Null) => Map::new(),
        Some(Value::Object(values)) => values,
        Some(_) => return Err("context must be an object".to_owned()),
    };
    Ok(match policy.evaluate(method_arn) {
        Verdict::Denied => Decision::Deny { explicit: true },
        Verdict::NotCovered => Decision::Deny { explicit: false },
        Verdict::Allowed => Decision::Allow(context(principal_id, values)?),
    })
}

/// Builds the context for later events: the principal, and every value as a string.
fn context(principal_id: String, values: Map<String, Value>) -> Result<Box<RawValue>, String> {
    let mut context = Map::with_capacity(values.len() + 1);
    for (key, value) in values {
        let text = match value {
            Value::String(text) => text,
            Value::Number(number) => number.to_string(),
            Value::Bool(flag) => flag.to_string(),
            Value::Null | Value::Array(_) | Value::Object(_) => {
                return Err(format!("context value {key:?} must be a string, a number or a boolean"));
            }
        };
        context.insert(key, Value::String(text));
    }
    context.insert("principalId".to_owned(), Value::String(principal_id));
    to_raw_value(&context).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    const ARN: &str = "arn:aws:execute-api:us-east-1:123456789012:abcdef123/default/$connect";

    fn answer(context: &str) -> String {
        format!(
            r#"{{"principalId":"me","policyDocument":{{"Version":"2012-10-17","Statement":[{{"Action":"execute-api:Invoke","Effect":"Allow","Resource":"{ARN}"}}]}},"context":{context},"usageIdentifierKey":"key"}}"#
        )
    }

    fn allowed(context: &str) -> String {
        match decide(answer(context).as_bytes(), ARN, 8_192) {
            Decision::Allow(context) => context.get().to_owned(),
            other => panic!("{other:?}"),
        }
    }

    fn misconfigured(answer: &str) -> String {
        match decide(answer.as_bytes(), ARN, 8_192) {
            Decision::Misconfigured(reason) => reason,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn context_values_become_strings_and_the_principal_joins_them() {
        assert_eq!(
            allowed(r#"{"stringKey":"value","numberKey":1,"booleanKey":true}"#),
            r#"{"booleanKey":"true","numberKey":"1","principalId":"me","stringKey":"value"}"#
        );
        assert_eq!(allowed("null"), r#"{"principalId":"me"}"#);
        assert_eq!(allowed(r#"{"principalId":"somebody else"}"#), r#"{"principalId":"me"}"#);
    }

    #[test]
    fn a_context_of_anything_else_is_a_configuration_error() {
        for value in ["null", "[]", "{}"] {
            let reason = misconfigured(&answer(&format!(r#"{{"key":{value}}}"#)));
            assert_eq!(reason, r#"context value "key" must be a string, a number or a boolean"#);
        }
    }

    #[test]
    fn an_answer_that_is_none_is_a_configuration_error() {
        for (wrong, reason) in [
            ("null", "the result is not a JSON object"),
            ("{}", "principalId must be a string"),
            (r#"{"isAuthorized":true}"#, "principalId must be a string"),
            (r#"{"principalId":"me"}"#, "policyDocument is missing"),
            (r#"{"principalId":1,"policyDocument":{"Statement":[]}}"#, "principalId must be a string"),
            (r#"{"principalId":"me","policyDocument":{}}"#, "policyDocument: missing field `Statement`"),
            (r#"{"principalId":"me","policyDocument":{"Statement":[]},"context":[]}"#, "context must be an object"),
        ] {
            assert_eq!(misconfigured(wrong), reason, "{wrong}");
        }
        let long = answer(&format!(r#"{{"key":"{}"}}"#, "x".repeat(8_192)));
        assert!(misconfigured(&long).contains("at most 8192"));
    }
}

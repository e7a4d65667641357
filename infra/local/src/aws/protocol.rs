//! Determines the API of a request, and builds that API's refusals.

use std::borrow::Cow;

use http::{HeaderMap, HeaderValue, StatusCode, header};
use uuid::Uuid;

use super::answer::{self, Answer};
use super::secrets;

/// An API and one call of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Call<'a> {
    /// AWS JSON 1.0: `DynamoDB_20120810.PutItem`, and the same of DynamoDB Streams.
    Dynamo(&'a str),
    /// AWS JSON 1.0: `AmazonSQS.SendMessage`.
    Sqs(&'a str),
    /// AWS JSON 1.1: `secretsmanager.GetSecretValue`.
    Secrets(&'a str),
    /// The query protocol: `Action=Publish`.
    Sns(Cow<'a, str>),
}

impl<'a> Call<'a> {
    /// Determines the call from the target header, or from the form in the body.
    pub(crate) fn of(headers: &'a HeaderMap, body: &'a [u8]) -> Option<Self> {
        if let Some(target) = headers.get("x-amz-target").and_then(|value| value.to_str().ok()) {
            let (service, operation) = target.split_once('.')?;
            return match service {
                "DynamoDB_20120810" | "DynamoDBStreams_20120810" => Some(Self::Dynamo(operation)),
                "AmazonSQS" => Some(Self::Sqs(operation)),
                "secretsmanager" => Some(Self::Secrets(operation)),
                _ => None,
            };
        }
        let content_type = headers.get(header::CONTENT_TYPE)?.to_str().ok()?;
        if !content_type.starts_with("application/x-www-form-urlencoded") {
            return None;
        }
        let (_, action) = form_urlencoded::parse(body).find(|(name, _)| name == "Action")?;
        Some(Self::Sns(action))
    }

    /// Returns the name of the call with the service's prefix in IAM.
    pub(crate) fn name(&self) -> String {
        match self {
            Self::Dynamo(operation) => format!("dynamodb:{operation}"),
            Self::Sqs(operation) => format!("sqs:{operation}"),
            Self::Secrets(operation) => format!("secretsmanager:{operation}"),
            Self::Sns(action) => format!("sns:{action}"),
        }
    }

    /// Builds the answer to a call that was not granted.
    pub(crate) fn denied(&self, sentence: &str) -> Answer {
        match self {
            Self::Dynamo(_) => refuse_json(StatusCode::BAD_REQUEST, "AccessDeniedException", sentence),
            Self::Sqs(_) => {
                let mut answer = refuse_json(StatusCode::FORBIDDEN, "AccessDeniedException", sentence);
                let query_error = HeaderValue::from_static("AccessDenied;Sender");
                answer.headers_mut().insert("x-amzn-query-error", query_error);
                answer
            }
            Self::Secrets(_) => secrets::refuse("AccessDeniedException", sentence),
            Self::Sns(_) => refuse_xml(StatusCode::FORBIDDEN, "AuthorizationError", sentence),
        }
    }

    /// Builds the answer to a call that is not signed.
    pub(crate) fn unsigned(&self) -> Answer {
        let sentence = "Request is missing Authentication Token";
        match self {
            Self::Dynamo(_) => refuse_json(StatusCode::BAD_REQUEST, "MissingAuthenticationTokenException", sentence),
            Self::Sqs(_) => refuse_json(StatusCode::FORBIDDEN, "MissingAuthenticationTokenException", sentence),
            Self::Secrets(_) => secrets::refuse("MissingAuthenticationTokenException", sentence),
            Self::Sns(_) => refuse_xml(StatusCode::FORBIDDEN, "MissingAuthenticationToken", sentence),
        }
    }
}

fn refuse_json(status: StatusCode, code: &str, sentence: &str) -> Answer {
    answer::json(status, answer::error_body(code, sentence))
}

/// Builds an error of the query protocol. Source:
/// <https://docs.aws.amazon.com/sns/latest/api/CommonErrors.html>
fn refuse_xml(status: StatusCode, code: &str, sentence: &str) -> Answer {
    let body = format!(
        "<ErrorResponse xmlns=\"http://sns.amazonaws.com/doc/2010-03-31/\"><Error><Type>Sender</Type><Code>{code}</Code>\
         <Message>{}</Message></Error><RequestId>{}</RequestId></ErrorResponse>",
        sentence.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;"),
        Uuid::new_v4()
    );
    answer::with_type(status, HeaderValue::from_static("text/xml"), body)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(name: &'static str, value: &'static str) -> HeaderMap {
        HeaderMap::from_iter([(name.parse().unwrap(), HeaderValue::from_static(value))])
    }

    #[test]
    fn the_target_header_or_the_form_says_which_call_it_is() {
        let dynamo = headers("x-amz-target", "DynamoDB_20120810.PutItem");
        assert_eq!(Call::of(&dynamo, b"{}"), Some(Call::Dynamo("PutItem")));
        let streams = headers("x-amz-target", "DynamoDBStreams_20120810.GetRecords");
        assert_eq!(Call::of(&streams, b"{}"), Some(Call::Dynamo("GetRecords")));
        let sqs = headers("x-amz-target", "AmazonSQS.SendMessage");
        assert_eq!(Call::of(&sqs, b"{}"), Some(Call::Sqs("SendMessage")));
        let secrets = headers("x-amz-target", "secretsmanager.GetSecretValue");
        assert_eq!(Call::of(&secrets, b"{}"), Some(Call::Secrets("GetSecretValue")));
        let form = headers("content-type", "application/x-www-form-urlencoded");
        assert_eq!(Call::of(&form, b"Version=2010-03-31&Action=Publish"), Some(Call::Sns("Publish".into())));
        assert_eq!(Call::of(&HeaderMap::new(), b""), None);
        assert_eq!(Call::of(&headers("x-amz-target", "Kinesis_20131202.PutRecord"), b"{}"), None);
    }
}

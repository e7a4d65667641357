//! Secrets Manager: named values that functions read. Values are only in memory and are never
//! logged.
//!
//! Source: <https://docs.aws.amazon.com/secretsmanager/latest/apireference/>

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use http::{HeaderValue, StatusCode};
use serde::Deserialize;
use serde_json::{Value, json};
use uuid::Uuid;

use super::answer::{self, Answer};
use crate::place::secret_arn;

/// The content type of AWS JSON 1.1.
const JSON: HeaderValue = HeaderValue::from_static("application/x-amz-json-1.1");
/// Largest size of a secret in bytes.
/// <https://docs.aws.amazon.com/secretsmanager/latest/userguide/reference_limits.html>
const LARGEST_VALUE: usize = 65_536;
/// Label of the version that a read without a version returns.
const CURRENT: &str = "AWSCURRENT";

/// The secrets of one stack, by name.
#[derive(Default)]
pub(crate) struct Secrets {
    values: Mutex<BTreeMap<String, Version>>,
}

/// The current version of a secret.
struct Version {
    id: String,
    value: String,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "PascalCase", default)]
struct Request {
    name: Option<String>,
    secret_id: Option<String>,
    secret_string: Option<String>,
}

/// Returns the name of a request's secret. A request may contain its ARN instead.
pub(crate) fn secret_of(body: &[u8]) -> Option<String> {
    let request: Request = serde_json::from_slice(body).ok()?;
    let id = request.secret_id.or(request.name)?;
    Some(id.strip_prefix(&secret_arn("")).map(str::to_owned).unwrap_or(id))
}

impl Secrets {
    /// Performs one call.
    pub(crate) fn handle(&self, operation: &str, body: &[u8]) -> Answer {
        let request: Request = serde_json::from_slice(body).unwrap_or_default();
        let Some(name) = secret_of(body) else {
            return refuse("ValidationException", "the request names no secret");
        };
        let mut values = self.values.lock().unwrap_or_else(PoisonError::into_inner);
        match operation {
            "GetSecretValue" => values.get(&name).map_or_else(not_found, |version| {
                accept(&json!({
                    "ARN": secret_arn(&name),
                    "Name": name,
                    "SecretString": version.value,
                    "VersionId": version.id,
                    "VersionStages": [CURRENT],
                }))
            }),
            "CreateSecret" if values.contains_key(&name) => {
                let message = format!("The operation failed because the secret {name} already exists.");
                refuse("ResourceExistsException", &message)
            }
            "PutSecretValue" if !values.contains_key(&name) => not_found(),
            "CreateSecret" | "PutSecretValue" => {
                let value = request.secret_string.unwrap_or_default();
                if value.is_empty() || value.len() > LARGEST_VALUE {
                    return refuse("ValidationException", "SecretString takes 1 to 65536 bytes");
                }
                let id = Uuid::new_v4().to_string();
                let answer = json!({ "ARN": secret_arn(&name), "Name": name, "VersionId": id });
                values.insert(name, Version { id, value });
                accept(&answer)
            }
            _ => refuse("UnknownOperationException", "the local Secrets Manager does not know this operation"),
        }
    }
}

fn accept(body: &Value) -> Answer {
    answer::with_type(StatusCode::OK, JSON, body.to_string())
}

fn not_found() -> Answer {
    refuse("ResourceNotFoundException", "Secrets Manager can't find the specified secret.")
}

/// Builds an error of AWS JSON 1.1, whose status is 400.
pub(crate) fn refuse(code: &str, message: &str) -> Answer {
    answer::with_type(StatusCode::BAD_REQUEST, JSON, json!({ "__type": code, "Message": message }).to_string())
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt;

    use super::*;

    async fn call(secrets: &Secrets, operation: &str, request: Value) -> (StatusCode, Value) {
        let answer = secrets.handle(operation, request.to_string().as_bytes());
        let status = answer.status();
        let body = answer.into_body().collect().await.unwrap().to_bytes();
        (status, serde_json::from_slice(&body).unwrap())
    }

    #[tokio::test]
    async fn a_secret_is_created_once_replaced_and_read_by_name_or_arn() {
        let secrets = Secrets::default();
        let create = json!({ "Name": "x/keys", "SecretString": "one" });
        assert_eq!(call(&secrets, "CreateSecret", create.clone()).await.0, StatusCode::OK);
        let (status, again) = call(&secrets, "CreateSecret", create).await;
        assert_eq!((status, &again["__type"]), (StatusCode::BAD_REQUEST, &json!("ResourceExistsException")));
        let (_, first) = call(&secrets, "GetSecretValue", json!({ "SecretId": "x/keys" })).await;
        let put = json!({ "SecretId": "x/keys", "SecretString": "two" });
        assert_eq!(call(&secrets, "PutSecretValue", put).await.0, StatusCode::OK);
        let (_, second) = call(&secrets, "GetSecretValue", json!({ "SecretId": secret_arn("x/keys") })).await;
        assert_eq!((&first["SecretString"], &second["SecretString"]), (&json!("one"), &json!("two")));
        assert_ne!(first["VersionId"], second["VersionId"]);
    }

    #[tokio::test]
    async fn an_unknown_secret_and_an_empty_value_are_refused_in_the_words_of_aws() {
        let secrets = Secrets::default();
        for (operation, request, code) in [
            ("GetSecretValue", json!({ "SecretId": "x/keys" }), "ResourceNotFoundException"),
            ("PutSecretValue", json!({ "SecretId": "x/keys", "SecretString": "a" }), "ResourceNotFoundException"),
            ("CreateSecret", json!({ "Name": "x/keys", "SecretString": "" }), "ValidationException"),
            ("GetSecretValue", json!({}), "ValidationException"),
        ] {
            let (status, answer) = call(&secrets, operation, request).await;
            assert_eq!((status, &answer["__type"]), (StatusCode::BAD_REQUEST, &json!(code)), "{operation}");
        }
    }
}

//! Creates secrets with the values of the settings. The runner has no SDK for Secrets Manager, so
//! this builds the one call itself.

use std::collections::BTreeMap;

use bytes::Bytes;
use futures::future::try_join_all;
use http::{Request, StatusCode};
use http_body_util::{BodyExt, Full, Limited};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use serde_json::{Value, json};
use topology::{Secret, Topology};

use super::{Error, Site};
use crate::clients::developer_credentials;
use crate::place::REGION;
use crate::settings::Settings;

/// Most bytes of an answer that are read. The answer to a write contains no value.
const ANSWER_BYTES: usize = 64 * 1024;

/// Creates every secret. An existing secret gets the value of the settings.
pub(super) async fn create(
    topology: &Topology,
    settings: &Settings,
    site: &Site<'_>,
) -> Result<BTreeMap<String, String>, Error> {
    let ensured = topology.secrets.iter().map(|secret| ensure(secret, &topology.name, settings, site));
    Ok(try_join_all(ensured).await?.into_iter().collect())
}

async fn ensure(secret: &Secret, stack: &str, settings: &Settings, site: &Site<'_>) -> Result<(String, String), Error> {
    let name = secret.physical_name(stack);
    let value = settings.secrets.get(&secret.name).map(String::as_str).unwrap_or_default();
    let refused = |reason: String| Error::Refused {
        what: format!("create the secret `{}`", secret.name),
        endpoint: site.endpoint.to_owned(),
        reason,
    };
    let create = json!({ "Name": name, "SecretString": value, "ClientRequestToken": token() });
    let (status, answer) = call(site.endpoint, "CreateSecret", &create).await.map_err(refused)?;
    let exists = answer["__type"].as_str().is_some_and(|code| code.ends_with("ResourceExistsException"));
    let (status, answer) = if exists {
        let put = json!({ "SecretId": name, "SecretString": value, "ClientRequestToken": token() });
        call(site.endpoint, "PutSecretValue", &put).await.map_err(refused)?
    } else {
        (status, answer)
    };
    if status.is_success() {
        return Ok((secret.name.clone(), name));
    }
    let message = answer["Message"].as_str().or_else(|| answer["message"].as_str()).unwrap_or_default();
    Err(refused(format!("it answered {status} {message}")))
}

fn token() -> String {
    uuid::Uuid::new_v4().to_string()
}

/// Sends a call without a valid signature. Emulators read the key of a request and do not verify
/// its signature.
async fn call(endpoint: &str, operation: &str, body: &Value) -> Result<(StatusCode, Value), String> {
    if !endpoint.starts_with("http://") {
        return Err("secrets are created at an endpoint of this machine only, one that begins with http://".to_owned());
    }
    let credentials = developer_credentials();
    let authorization = format!(
        "AWS4-HMAC-SHA256 Credential={}/20260101/{REGION}/secretsmanager/aws4_request, SignedHeaders=host, Signature=0",
        credentials.access_key_id()
    );
    let request = Request::post(format!("{}/", endpoint.trim_end_matches('/')))
        .header("content-type", "application/x-amz-json-1.1")
        .header("x-amz-target", format!("secretsmanager.{operation}"))
        .header("authorization", authorization)
        .body(Full::new(Bytes::from(body.to_string())))
        .map_err(|error| error.to_string())?;
    let client = Client::builder(TokioExecutor::new()).build_http();
    let answer = client.request(request).await.map_err(|error| error.to_string())?;
    let status = answer.status();
    let body = Limited::new(answer.into_body(), ANSWER_BYTES).collect().await.map_err(|error| error.to_string())?;
    Ok((status, serde_json::from_slice(&body.to_bytes()).unwrap_or_default()))
}

//! Tests the rotation of token keys while the stack runs.

use bytes::Bytes;
use e2e::{Member, everything, start};
use http::Request;
use http_body_util::Full;
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use local::Stack;
use roomcast_client::development::Keys;
use serde_json::{Value, json};
use tokio_tungstenite::connect_async;

/// A key of 38 bytes, as base64url.
const LATER: &str = "YSBrZXkgdGhhdCBjYW1lIGxhdGVyLCAzMiBieXRlcyBvciBtb3Jl";

/// Changes the value of the secret with the token keys, as `aws secretsmanager put-secret-value`
/// does.
async fn put_keys(stack: &Stack, keys: &Value) {
    let secret = &stack.addresses().resources.secrets["token_keys"];
    let body = json!({ "SecretId": secret, "SecretString": keys.to_string() }).to_string();
    let request = Request::post(format!("{}/", stack.addresses().aws_endpoint))
        .header("content-type", "application/x-amz-json-1.1")
        .header("x-amz-target", "secretsmanager.PutSecretValue")
        .header("authorization", "AWS4-HMAC-SHA256 Credential=local/20260101/us-east-1/secretsmanager/aws4_request")
        .body(Full::new(Bytes::from(body)))
        .unwrap();
    let answer = Client::builder(TokioExecutor::new()).build_http().request(request).await.unwrap();
    assert!(answer.status().is_success(), "{}", answer.status());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_of_a_new_key_is_accepted_without_a_deployment() {
    let (stack, url) = start(everything()).await;
    let mut ada = Member::with_claims(&url, json!({ "sub": "ada" })).await;
    let keys = json!({ "later": LATER });
    put_keys(&stack, &keys).await;
    let claims = serde_json::from_value(json!({ "sub": "ada", "exp": 4_102_444_800_u64 })).unwrap();
    let token = Keys::parse(&keys.to_string()).unwrap().mint(&claims, None).unwrap();
    connect_async(format!("{url}?token={token}")).await.expect("the authorizer reads the keys again");
    let renewed = ada.ask(json!({ "action": "auth", "token": token })).await;
    assert!(renewed["ok"].is_object(), "membership reads the keys again: {renewed}");
    stack.shutdown().await;
}

//! A function that writes every event that it receives, and its environment, to its own table. It
//! is the smallest function that the runner can run.
//!
//! If `PROBE_QUEUE_URL` or `PROBE_TOPIC_ARN` is set, the function also calls that queue or topic
//! and writes down the refusal.

use std::collections::HashMap;

use aws_credential_types::Credentials;
use aws_sdk_dynamodb::types::AttributeValue;
use aws_smithy_types::error::display::DisplayErrorContext;
use lambda_runtime::{Error, LambdaEvent, service_fn};
use local::clients::Clients;
use serde_json::Value;

/// The metrics of each event, in CloudWatch's embedded metric format.
const METRICS: &str = r#"{"_aws":{"Timestamp":0,"CloudWatchMetrics":[{"Namespace":"Tests","Dimensions":[["function"]],"Metrics":[{"Name":"events_seen","Unit":"Count"},{"Name":"witness_took_ms","Unit":"Milliseconds"}]}]},"function":"witness","events_seen":1,"witness_took_ms":7}"#;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let credentials = Credentials::new(
        std::env::var("AWS_ACCESS_KEY_ID")?,
        std::env::var("AWS_SECRET_ACCESS_KEY")?,
        std::env::var("AWS_SESSION_TOKEN").ok(),
        None,
        "environment",
    );
    let clients = Clients::new(&std::env::var("AWS_ENDPOINT_URL")?, &credentials);
    let table = std::env::var("WITNESS_TABLE")?;
    lambda_runtime::run(service_fn(async |event: LambdaEvent<Value>| witness(&clients, &table, event).await)).await
}

async fn witness(clients: &Clients, table: &str, event: LambdaEvent<Value>) -> Result<Value, Error> {
    let mut request = clients
        .dynamodb
        .put_item()
        .table_name(table)
        .item("id", AttributeValue::S(event.context.request_id))
        .item("function", AttributeValue::S(event.context.env_config.function_name.clone()))
        .item("event", AttributeValue::S(event.payload.to_string()))
        .item("environment", AttributeValue::S(serde_json::to_string(&std::env::vars().collect::<HashMap<_, _>>())?));
    if let Ok(url) = std::env::var("PROBE_QUEUE_URL") {
        let refused = clients.sqs.send_message().queue_url(url).message_body("hello").send().await.err();
        request = request.item("queue", said(refused));
    }
    if let Ok(arn) = std::env::var("PROBE_TOPIC_ARN") {
        let refused = clients.sns.publish().topic_arn(arn).message("hello").send().await.err();
        request = request.item("topic", said(refused));
    }
    request.send().await.map_err(|error| DisplayErrorContext(error).to_string())?;
    println!("witnessed a message");
    println!("{METRICS}");
    Ok(Value::Null)
}

/// Returns the error of a refused call as text, or `done`.
fn said<E: std::error::Error>(refused: Option<E>) -> AttributeValue {
    AttributeValue::S(refused.map_or_else(|| "done".to_owned(), |error| DisplayErrorContext(error).to_string()))
}

//! Writes business data and a publication in one transaction: both happen, or neither.
//!
//! ```sh
//! cargo dev -- --run 'cargo run -p e2e --example outbox'
//! ```
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "an example may end where it stands")]

use std::time::{SystemTime, UNIX_EPOCH};

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::{AttributeValue, Put, TransactWriteItem};
use local::clients::{Clients, developer_credentials};

/// Stores an order. An application has its own table for orders; this example stores them in the
/// table of the outbox.
async fn place_order(dynamodb: &Client, table: &str, order: &str) {
    let text = |value: &str| AttributeValue::S(value.to_owned());
    let tomorrow = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs() + 24 * 60 * 60;
    let business = Put::builder()
        .table_name(table)
        .item("pk", text(&format!("ORDER#{order}")))
        .item("sk", text("ORDER"))
        .condition_expression("attribute_not_exists(pk)");
    let broadcast = Put::builder()
        .table_name(table)
        .item("pk", text(&format!("OUTBOX#order-{order}")))
        .item("sk", text("OUTBOX"))
        .item("room", text("lobby"))
        .item("data", AttributeValue::M([("text".to_owned(), text(&format!("Order {order} has been placed")))].into()))
        .item("ttl", AttributeValue::N(tomorrow.to_string()));
    let put = |put: aws_sdk_dynamodb::types::builders::PutBuilder| {
        TransactWriteItem::builder().put(put.build().expect("the put is complete")).build()
    };
    let written = dynamodb.transact_write_items().transact_items(put(business)).transact_items(put(broadcast)).send();
    written.await.expect("the order is placed once");
}

#[tokio::main]
async fn main() {
    let endpoint = std::env::var("AWS_ENDPOINT_URL").expect("started by `cargo dev -- --run`");
    let table = std::env::var("ROOMCAST_ROOMS_TABLE").expect("started by `cargo dev -- --run`");
    let order = std::env::args().nth(1).unwrap_or_else(|| "7".to_owned());
    let aws = Clients::new(&endpoint, &developer_credentials());
    place_order(&aws.dynamodb, &table, &order).await;
    println!("order {order} is stored, and the members of the lobby receive it");
}

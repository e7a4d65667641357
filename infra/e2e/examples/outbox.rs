//! Writes business data and a publication in one transaction: both happen, or neither.
//!
//! ```sh
//! cargo dev -- --run 'cargo run -p e2e --example outbox'
//! ```
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "an example may end where it stands")]

use std::time::{SystemTime, UNIX_EPOCH};

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::{
    AttributeDefinition, AttributeValue, BillingMode, KeySchemaElement, KeyType, Put, ScalarAttributeType,
    TransactWriteItem,
};
use local::clients::{Clients, developer_credentials};

/// The application's own table.
const ORDERS: &str = "orders";

/// Creates the table of orders, unless it exists. A real application has its own by now.
async fn create_orders(dynamodb: &Client) {
    let key = KeySchemaElement::builder().attribute_name("id").key_type(KeyType::Hash).build();
    let attribute = AttributeDefinition::builder().attribute_name("id").attribute_type(ScalarAttributeType::S).build();
    let create = dynamodb
        .create_table()
        .table_name(ORDERS)
        .key_schema(key.expect("the key is complete"))
        .attribute_definitions(attribute.expect("the attribute is complete"))
        .billing_mode(BillingMode::PayPerRequest);
    if let Err(error) = create.send().await {
        assert!(error.into_service_error().is_resource_in_use_exception(), "the table of orders cannot be created");
    }
}

/// Stores an order and its broadcast.
async fn place_order(dynamodb: &Client, outbox: &str, order: &str) {
    let text = |value: &str| AttributeValue::S(value.to_owned());
    let tomorrow = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs() + 24 * 60 * 60;
    let business =
        Put::builder().table_name(ORDERS).item("id", text(order)).condition_expression("attribute_not_exists(id)");
    let broadcast = Put::builder()
        .table_name(outbox)
        .item("id", text(&format!("order-{order}")))
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
    let outbox = std::env::var("ROOMCAST_OUTBOX_TABLE").expect("started by `cargo dev -- --run`");
    let order = std::env::args().nth(1).unwrap_or_else(|| "7".to_owned());
    let aws = Clients::new(&endpoint, &developer_credentials());
    create_orders(&aws.dynamodb).await;
    place_order(&aws.dynamodb, &outbox, &order).await;
    println!("order {order} is stored, and the members of the lobby receive it");
}

//! `docs/openapi.yaml` and the code say the same.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests fail by panicking")]

use std::collections::BTreeSet;
use std::path::Path;

use domain::{Code, limits};
use lambda_kit::http::status_of;
use publish_api::ROUTES;
use serde_json::{Value, json};

/// Codes that no request over HTTP is refused with: the gateway answers unknown routes itself, and
/// no backend has a connection.
const NEVER_SENT: [Code; 2] = [Code::UnknownAction, Code::NotConnected];

fn page() -> Value {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/openapi.yaml");
    serde_saphyr::from_str(&std::fs::read_to_string(file).unwrap()).unwrap()
}

/// Every operation: its route, and what the page has of it.
fn operations(page: &Value) -> Vec<(String, Value)> {
    let mut operations = Vec::new();
    for (path, methods) in page["paths"].as_object().unwrap() {
        for (method, operation) in methods.as_object().unwrap().iter().filter(|(method, _)| *method != "parameters") {
            operations.push((format!("{} {path}", method.to_uppercase()), operation.clone()));
        }
    }
    operations
}

fn sent() -> impl Iterator<Item = Code> {
    Code::ALL.into_iter().filter(|code| !NEVER_SENT.contains(code))
}

#[test]
fn the_page_has_the_routes_of_the_function_and_no_others() {
    let found: BTreeSet<String> = operations(&page()).into_iter().map(|(route, _)| route).collect();
    assert_eq!(found, ROUTES.map(str::to_owned).into());
}

#[test]
fn every_route_lists_every_status_that_a_refusal_has() {
    let expected: BTreeSet<String> = sent().map(|code| status_of(code).to_string()).collect();
    for (route, operation) in operations(&page()) {
        let responses = operation["responses"].as_object().unwrap();
        let found: BTreeSet<String> = responses.keys().filter(|status| !status.starts_with('2')).cloned().collect();
        assert_eq!(found, expected, "{route}");
        for (status, response) in responses.iter().filter(|(status, _)| !status.starts_with('2')) {
            let pauses = response["$ref"] == "#/components/responses/Later";
            assert_eq!(pauses, ["429", "503"].contains(&status.as_str()), "{route} {status}");
        }
    }
}

#[test]
fn the_codes_of_the_page_are_those_of_the_protocol() {
    let codes: Vec<&str> = sent().map(Code::as_str).collect();
    assert_eq!(page()["components"]["schemas"]["Failure"]["properties"]["code"]["enum"], json!(codes));
}

#[test]
fn the_limits_of_the_page_are_those_of_the_code() {
    let page = page();
    let schemas = &page["components"]["schemas"];
    assert_eq!(schemas["Publications"]["properties"]["items"]["maxItems"], json!(limits::ITEMS_PER_PUBLISH));
    assert_eq!(schemas["PublicationId"]["maxLength"], json!(limits::PUBLICATION_ID_BYTES));
    assert_eq!(schemas["RoomName"]["maxLength"], json!(limits::ROOM_NAME_BYTES));
    assert_eq!(schemas["User"]["maxLength"], json!(limits::ROOM_NAME_BYTES - 1));
    let key = &page["components"]["parameters"]["idempotencyKey"]["schema"];
    assert_eq!(key["maxLength"], json!(limits::IDEMPOTENCY_KEY_BYTES));
    let limit = &page["paths"]["/rooms/{room}/history"]["get"]["parameters"][1]["schema"];
    assert_eq!(limit["maximum"], json!(limits::HISTORY_PUBLICATIONS));
}

#[test]
fn every_reference_of_the_page_leads_somewhere() {
    let page = page();
    let (mut open, mut count) = (vec![&page], 0);
    while let Some(value) = open.pop() {
        match value {
            Value::Object(fields) => open.extend(fields.values()),
            Value::Array(items) => open.extend(items),
            _ => {}
        }
        if let Some(reference) = value.get("$ref").and_then(Value::as_str) {
            let pointer = reference.strip_prefix('#').unwrap();
            assert!(page.pointer(pointer).is_some(), "{reference} leads nowhere");
            count += 1;
        }
    }
    assert!(count > 20, "{count}");
}

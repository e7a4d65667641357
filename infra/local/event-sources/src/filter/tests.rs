//! Tests the table of AWS's documentation, and properties that hold for any value.

use proptest::prelude::*;
use serde_json::json;

use super::*;

fn filters(pattern: &Value) -> Filters {
    Filters::parse(&[pattern.to_string()]).unwrap()
}

fn matches(pattern: &Value, record: &Value) -> bool {
    filters(pattern).matches(record)
}

#[test]
fn each_operator_matches_what_it_says_and_no_more() {
    let record = json!({
        "name": "Ada", "empty": "", "nothing": null, "price": 100, "tags": ["a", "b"], "nested": {"x": 1},
    });
    let table = [
        (json!({"name": ["Ada"]}), true),
        (json!({"name": ["ada"]}), false),
        (json!({"name": [{"equals-ignore-case": "ADA"}]}), true),
        (json!({"name": ["Bob", "Ada"]}), true),
        (json!({"name": [{"prefix": "A"}]}), true),
        (json!({"name": [{"prefix": "d"}]}), false),
        (json!({"name": [{"suffix": "da"}]}), true),
        (json!({"name": [{"anything-but": "Bob"}]}), true),
        (json!({"name": [{"anything-but": ["Bob", "Ada"]}]}), false),
        (json!({"name": [{"anything-but": {"prefix": "A"}}]}), false),
        (json!({"empty": [""]}), true),
        (json!({"nothing": [null]}), true),
        (json!({"name": [null]}), false),
        (json!({"price": [100]}), true),
        (json!({"price": [100.0]}), true),
        (json!({"price": ["100"]}), false),
        (json!({"price": [{"numeric": ["=", 100]}]}), true),
        (json!({"price": [{"numeric": [">", 10, "<=", 100]}]}), true),
        (json!({"price": [{"numeric": [">", 10, "<", 100]}]}), false),
        (json!({"name": [{"numeric": [">", 10]}]}), false),
        (json!({"tags": ["b"]}), true),
        (json!({"tags": ["c"]}), false),
        (json!({"name": [{"exists": true}]}), true),
        (json!({"name": [{"exists": false}]}), false),
        (json!({"absent": [{"exists": false}]}), true),
        (json!({"absent": [{"anything-but": "x"}]}), false),
        (json!({"nested": [{"exists": true}]}), false),
        (json!({"nested": {"x": [1]}}), true),
        (json!({"nested": {"y": [{"exists": false}]}}), true),
        (json!({"absent": {"y": [{"exists": false}]}}), true),
        (json!({"name": ["Ada"], "price": [1]}), false),
        (json!({"$or": [{"name": ["Bob"]}, {"price": [100]}]}), true),
        (json!({"$or": [{"name": ["Bob"]}, {"price": [1]}], "empty": [""]}), false),
    ];
    for (pattern, expected) in table {
        assert_eq!(matches(&pattern, &record), expected, "{pattern}");
    }
}

#[test]
fn filters_of_one_mapping_are_alternatives() {
    let filters = Filters::parse(&[r#"{"a":[1]}"#, r#"{"b":[2]}"#]).unwrap();
    assert!(filters.matches(&json!({"b": 2})));
    assert!(!filters.matches(&json!({"a": 2, "b": 1})));
    assert!(Filters::default().matches(&json!({})));
}

#[test]
fn a_stream_of_expiries_can_be_filtered() {
    let pattern = json!({"userIdentity": {"type": ["Service"], "principalId": ["dynamodb.amazonaws.com"]}});
    let identity = json!({"type": "Service", "principalId": "dynamodb.amazonaws.com"});
    assert!(matches(&pattern, &json!({"eventName": "REMOVE", "userIdentity": identity})));
    assert!(!matches(&pattern, &json!({"eventName": "REMOVE"})));
}

#[test]
fn a_new_outbox_row_can_be_filtered() {
    let pattern = json!({"eventName": ["INSERT"], "dynamodb": {"Keys": {"pk": {"S": [{"prefix": "OUTBOX#"}]}}}});
    let row = |name: &str, key: &str| json!({"eventName": name, "dynamodb": {"Keys": {"pk": {"S": key}}}});
    assert!(matches(&pattern, &row("INSERT", "OUTBOX#1")));
    assert!(!matches(&pattern, &row("INSERT", "ROOM#1")));
    assert!(!matches(&pattern, &row("REMOVE", "OUTBOX#1")));
}

#[test]
fn bodies_and_patterns_of_messages_must_both_be_json_or_both_not() {
    let json_pattern = filters(&json!({"body": {"kind": ["a"]}}));
    let text_pattern = filters(&json!({"body": ["a"]}));
    let other_pattern = filters(&json!({"attributes": {"SenderId": ["me"]}}));
    let message = |body: &str| json!({"body": body, "attributes": {"SenderId": "me"}});
    let table =
        [(r#"{"kind":"a"}"#, true, false), (r#"{"kind":"b"}"#, false, false), ("a", false, true), ("b", false, false)];
    for (body, json, text) in table {
        assert_eq!(json_pattern.matches_message(&message(body)), json, "{body}");
        assert_eq!(text_pattern.matches_message(&message(body)), text, "{body}");
        assert!(other_pattern.matches_message(&message(body)), "{body}");
    }
}

#[test]
fn what_is_no_pattern_is_refused_with_the_reason() {
    for (pattern, reason) in [
        ("{", "is not JSON"),
        ("[]", "a pattern is an object"),
        ("{}", "at least one field"),
        (r#"{"a":1}"#, "must be a list or a nested pattern"),
        (r#"{"a":[]}"#, "lists nothing"),
        (r#"{"a":[{"like":"x"}]}"#, "no operator \"like\""),
        (r#"{"a":[{"prefix":1}]}"#, "no operator \"prefix\" for 1"),
        (r#"{"a":[{"numeric":["~",1]}]}"#, "one or two comparisons"),
        (r#"{"a":[{"prefix":"x","suffix":"y"}]}"#, "one field"),
        (r#"{"$or":[{"a":[1]}]}"#, "at least two"),
    ] {
        let error = Filters::parse(&[pattern]).unwrap_err().to_string();
        assert!(error.starts_with("Invalid filter pattern definition") && error.contains(reason), "{error}");
    }
}

fn scalar() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i32>().prop_map(Value::from),
        "[a-c]{0,3}".prop_map(Value::from),
    ]
}

proptest! {
    #[test]
    fn a_scalar_matches_itself(value in scalar()) {
        let (pattern, record) = (json!({"a": [value]}), json!({"a": value}));
        prop_assert!(matches(&pattern, &record));
    }

    #[test]
    fn anything_but_is_the_opposite_of_equals(wanted in scalar(), value in scalar()) {
        let record = json!({"a": value});
        prop_assert_ne!(matches(&json!({"a": [wanted]}), &record), matches(&json!({"a": [{"anything-but": wanted}]}), &record));
    }

    #[test]
    fn more_alternatives_never_match_less(first in scalar(), second in scalar(), value in scalar()) {
        let record = json!({"a": value});
        let both = matches(&json!({"a": [first, second]}), &record);
        prop_assert_eq!(both, matches(&json!({"a": [first]}), &record) || matches(&json!({"a": [second]}), &record));
    }

    #[test]
    fn parsing_never_panics(text in "[\\[\\]{}\":,a-z$0-9 -]{0,40}") {
        let _any = Filters::parse(&[text]);
    }
}

//! Compares messages with filter policies.

use std::net::IpAddr;

use serde_json::{Map, Value};

use super::filter::{Bound, Condition, Policy, Rule, Scope};
use crate::model::message::{AttributeValue, Attributes};

impl Policy {
    /// Returns whether a queue with this policy receives the message. A body that is not a JSON
    /// object matches no policy on bodies.
    pub(crate) fn admits(&self, body: &str, attributes: &Attributes) -> bool {
        let subject = match self.scope {
            Scope::Attributes => Some(as_object(attributes)),
            Scope::Body => serde_json::from_str(body).ok(),
        };
        subject.is_some_and(|subject| all_hold(&self.rules, &subject))
    }
}

/// Converts attributes to values: texts, numbers, and lists. Policies cannot match binary
/// attributes.
fn as_object(attributes: &Attributes) -> Map<String, Value> {
    let value = |value: &AttributeValue| -> Option<Value> {
        let text = value.string_value.as_deref()?;
        match value.data_type.as_str() {
            "String.Array" => serde_json::from_str(text).ok(),
            _ if value.kind() == "Number" => serde_json::from_str(text).ok(),
            _ => Some(Value::from(text)),
        }
    };
    attributes.iter().filter_map(|(name, attribute)| Some((name.clone(), value(attribute)?))).collect()
}

fn all_hold(rules: &[Rule], object: &Map<String, Value>) -> bool {
    rules.iter().all(|rule| holds(rule, object))
}

fn holds(rule: &Rule, object: &Map<String, Value>) -> bool {
    match rule {
        Rule::Key(key, conditions) => {
            let value = object.get(key);
            conditions.iter().any(|condition| meets_some(condition, value))
        }
        Rule::Object(key, rules) => match object.get(key) {
            Some(Value::Array(values)) => {
                values.iter().filter_map(Value::as_object).any(|value| all_hold(rules, value))
            }
            value => all_hold(rules, value.and_then(Value::as_object).unwrap_or(&Map::new())),
        },
        Rule::Or(alternatives) => alternatives.iter().any(|rules| all_hold(rules, object)),
    }
}

/// Returns whether a value matches. A list matches if one of its elements does.
fn meets_some(condition: &Condition, value: Option<&Value>) -> bool {
    match (condition, value) {
        (Condition::Exists(wanted), value) => *wanted == value.is_some_and(|value| !value.is_object()),
        (_, None) => false,
        (condition, Some(Value::Array(values))) => values.iter().any(|value| meets(condition, value)),
        (condition, Some(value)) => meets(condition, value),
    }
}

fn meets(condition: &Condition, value: &Value) -> bool {
    let text = value.as_str();
    match condition {
        Condition::Equals(wanted) => equal(wanted, value),
        Condition::EqualsIgnoringCase(wanted) => text.is_some_and(|text| text.to_lowercase() == *wanted),
        Condition::Prefix(prefix) => text.is_some_and(|text| text.starts_with(prefix)),
        Condition::Suffix(suffix) => text.is_some_and(|text| text.ends_with(suffix)),
        Condition::Wildcard(pattern) => text.is_some_and(|text| fits(pattern, text)),
        Condition::Numeric(bounds) => {
            value.as_f64().is_some_and(|number| bounds.iter().all(|bound| within(*bound, number)))
        }
        Condition::Cidr { network, bits } => {
            text.and_then(|text| text.parse().ok()).is_some_and(|address| contains(*network, *bits, address))
        }
        Condition::Exists(wanted) => *wanted,
        Condition::AnythingBut(conditions) => !conditions.iter().any(|condition| meets(condition, value)),
    }
}

/// Compares two values. Numbers are compared by value, not by spelling.
fn equal(wanted: &Value, value: &Value) -> bool {
    match (wanted.as_f64(), value.as_f64()) {
        (Some(wanted), Some(value)) => (wanted - value).abs() < f64::EPSILON,
        _ => wanted == value,
    }
}

fn within(bound: Bound, number: f64) -> bool {
    match bound {
        Bound::Equal(other) => (number - other).abs() < f64::EPSILON,
        Bound::Less(other) => number < other,
        Bound::LessOrEqual(other) => number <= other,
        Bound::Greater(other) => number > other,
        Bound::GreaterOrEqual(other) => number >= other,
    }
}

/// Returns whether a text matches a pattern in which `*` stands for any text.
fn fits(pattern: &str, text: &str) -> bool {
    let Some((head, rest)) = pattern.split_once('*') else { return pattern == text };
    let Some(mut text) = text.strip_prefix(head) else { return false };
    let mut parts: Vec<&str> = rest.split('*').collect();
    let tail = parts.pop().unwrap_or_default();
    for part in parts {
        let Some(place) = text.find(part) else { return false };
        text = &text[place + part.len()..];
    }
    text.ends_with(tail)
}

fn contains(network: IpAddr, bits: u8, address: IpAddr) -> bool {
    let (network, address, width) = match (network, address) {
        (IpAddr::V4(network), IpAddr::V4(address)) => (network.to_bits().into(), address.to_bits().into(), 32),
        (IpAddr::V6(network), IpAddr::V6(address)) => (network.to_bits(), address.to_bits(), 128),
        _ => return false,
    };
    let difference: u128 = network ^ address;
    difference.checked_shr(width - u32::from(bits)).unwrap_or(0) == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn admits(policy: &str, subject: &Value) -> bool {
        Policy::parse(policy, Scope::Body).unwrap().admits(&subject.to_string(), &Attributes::new())
    }

    fn refuses(policy: &str) -> String {
        Policy::parse(policy, Scope::Attributes).unwrap_err().message
    }

    #[test]
    fn each_condition_admits_what_it_says() {
        let cases = [
            (r#"{"k":["a","b"]}"#, vec!["\"a\"", "[\"x\",\"b\"]"], vec!["\"c\"", "1", "null"]),
            (r#"{"k":[1]}"#, vec!["1", "1.0"], vec!["\"1\"", "2"]),
            (r#"{"k":[true,null]}"#, vec!["true", "null"], vec!["false", "\"true\""]),
            (r#"{"k":[{"prefix":"ab"}]}"#, vec!["\"abc\""], vec!["\"cab\"", "1"]),
            (r#"{"k":[{"suffix":"ab"}]}"#, vec!["\"cab\""], vec!["\"abc\""]),
            (r#"{"k":[{"wildcard":"a*c*e"}]}"#, vec!["\"abcde\"", "\"ace\""], vec!["\"abcd\"", "\"ae\""]),
            (r#"{"k":[{"equals-ignore-case":"AbC"}]}"#, vec!["\"aBc\""], vec!["\"ab\""]),
            (r#"{"k":[{"numeric":[">",0,"<=",5]}]}"#, vec!["5", "0.1"], vec!["0", "5.5", "\"3\""]),
            (r#"{"k":[{"cidr":"10.0.0.0/8"}]}"#, vec!["\"10.9.8.7\""], vec!["\"11.0.0.1\"", "\"x\""]),
            (r#"{"k":[{"anything-but":["a","b"]}]}"#, vec!["\"c\"", "[\"a\",\"c\"]"], vec!["\"a\"", "[\"a\",\"b\"]"]),
            (r#"{"k":[{"anything-but":{"prefix":"a"}}]}"#, vec!["\"ba\""], vec!["\"ab\""]),
            (r#"{"k":[{"exists":true}]}"#, vec!["1"], vec![]),
            (r#"{"k":[{"exists":false}]}"#, vec![], vec!["1"]),
        ];
        for (policy, good, bad) in cases {
            for value in good {
                let subject = serde_json::from_str(&format!("{{\"k\":{value}}}")).unwrap();
                assert!(admits(policy, &subject), "{policy} admits {value}");
            }
            for value in bad {
                let subject = serde_json::from_str(&format!("{{\"k\":{value}}}")).unwrap();
                assert!(!admits(policy, &subject), "{policy} does not admit {value}");
            }
        }
    }

    #[test]
    fn every_key_counts_and_or_is_enough_once() {
        let policy = r#"{"a":[1],"$or":[{"b":[2]},{"c":[3]}]}"#;
        assert!(admits(policy, &serde_json::json!({ "a": 1, "c": 3 })));
        assert!(!admits(policy, &serde_json::json!({ "a": 1 })));
        assert!(!admits(policy, &serde_json::json!({ "b": 2 })));
    }

    #[test]
    fn a_policy_on_bodies_reaches_into_objects_and_lists_of_objects() {
        let policy = r#"{"a":{"b":["x"],"c":[{"exists":false}]}}"#;
        assert!(admits(policy, &serde_json::json!({ "a": { "b": "x" } })));
        assert!(admits(policy, &serde_json::json!({ "a": [{ "b": "y" }, { "b": "x" }] })));
        assert!(!admits(policy, &serde_json::json!({ "a": { "b": "x", "c": 1 } })));
        assert!(!admits(policy, &serde_json::json!({})));
    }

    #[test]
    fn a_policy_on_attributes_sees_their_types() {
        let policy = Policy::parse(r#"{"n":[{"numeric":[">=",2]}],"l":["x"]}"#, Scope::Attributes).unwrap();
        let mut attributes = Attributes::new();
        attributes.insert("n".to_owned(), AttributeValue::text("Number", "2"));
        attributes.insert("l".to_owned(), AttributeValue::text("String.Array", r#"["x","y"]"#));
        assert!(policy.admits("", &attributes));
        attributes.insert("n".to_owned(), AttributeValue::text("String", "2"));
        assert!(!policy.admits("", &attributes));
    }

    #[test]
    fn a_policy_that_makes_no_sense_is_refused() {
        assert!(refuses("[]").contains("failed to parse JSON"));
        assert!(refuses(r#"{"a":"b"}"#).contains("must be an object or an array"));
        assert!(refuses(r#"{"a":[]}"#).contains("Empty arrays"));
        assert!(refuses(r#"{"a":{"b":["c"]}}"#).contains("does not support nested"));
        assert!(refuses(r#"{"a":[{"numeric":["~",1]}]}"#).contains("Unrecognized numeric"));
        assert!(refuses(r#"{"a":[1],"b":[1],"c":[1],"d":[1],"e":[1],"f":[1]}"#).contains("more than 5 keys"));
    }
}

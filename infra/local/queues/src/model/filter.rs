//! Parses filter policies.
//!
//! Source: <https://docs.aws.amazon.com/sns/latest/dg/sns-subscription-filter-policies.html>

use std::net::IpAddr;

use serde_json::{Map, Value};

use crate::model::error::Error;
use crate::model::limits;

/// The part of a message that a policy is compared with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scope {
    /// The attributes of a message. This is the default.
    Attributes,
    /// The members of a body that is a JSON object.
    Body,
}

/// A filter policy. A message matches if all rules match.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Policy {
    pub(super) scope: Scope,
    pub(super) rules: Vec<Rule>,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Rule {
    /// The value of the key matches one of the conditions.
    Key(String, Vec<Condition>),
    /// The object at the key matches all of the rules.
    Object(String, Vec<Rule>),
    /// `$or`: one of these sets of rules matches.
    Or(Vec<Vec<Rule>>),
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Condition {
    Equals(Value),
    EqualsIgnoringCase(String),
    Prefix(String),
    Suffix(String),
    Wildcard(String),
    /// All bounds must hold.
    Numeric(Vec<Bound>),
    Cidr {
        network: IpAddr,
        bits: u8,
    },
    Exists(bool),
    /// There is a value that matches none of these conditions.
    AnythingBut(Vec<Condition>),
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Bound {
    Equal(f64),
    Less(f64),
    LessOrEqual(f64),
    Greater(f64),
    GreaterOrEqual(f64),
}

impl Scope {
    pub(super) fn parse(text: &str) -> Result<Self, Error> {
        match text {
            "MessageAttributes" => Ok(Self::Attributes),
            "MessageBody" => Ok(Self::Body),
            _ => Err(Error::sns_invalid(format!("FilterPolicyScope: Invalid value [{text}]"))),
        }
    }
}

impl Policy {
    /// Parses a policy, and refuses a policy that AWS refuses.
    pub(super) fn parse(text: &str, scope: Scope) -> Result<Self, Error> {
        let Ok(Value::Object(object)) = serde_json::from_str(text) else {
            return Err(invalid("failed to parse JSON."));
        };
        if keys(&object) > limits::FILTER_KEYS {
            return Err(invalid("Filter policy can not have more than 5 keys"));
        }
        Ok(Self { scope, rules: rules(&object, scope)? })
    }
}

fn invalid(reason: impl std::fmt::Display) -> Error {
    Error::sns_invalid(format!("FilterPolicy: {reason}"))
}

/// Counts the keys with conditions, at any depth.
fn keys(object: &Map<String, Value>) -> usize {
    let below = |value: &Value| match value {
        Value::Object(object) => keys(object),
        Value::Array(either) if either.iter().all(is_rules) && !either.is_empty() => {
            either.iter().filter_map(Value::as_object).map(keys).max().unwrap_or(0)
        }
        _ => 1,
    };
    object.iter().map(|(key, value)| if key == "$or" { below(value) } else { below_key(value) }).sum()
}

fn below_key(value: &Value) -> usize {
    value.as_object().map_or(1, keys)
}

/// Returns whether an alternative of `$or` is a set of rules instead of a condition.
fn is_rules(value: &Value) -> bool {
    value.as_object().is_some_and(|object| object.values().all(|value| value.is_array() || value.is_object()))
}

fn rules(object: &Map<String, Value>, scope: Scope) -> Result<Vec<Rule>, Error> {
    object.iter().map(|(key, value)| rule(key, value, scope)).collect()
}

fn rule(key: &str, value: &Value, scope: Scope) -> Result<Rule, Error> {
    match value {
        Value::Array(either) if key == "$or" && either.len() > 1 && either.iter().all(is_rules) => {
            let alternatives = either.iter().filter_map(Value::as_object);
            Ok(Rule::Or(alternatives.map(|object| rules(object, scope)).collect::<Result<_, _>>()?))
        }
        Value::Array(conditions) if conditions.is_empty() => Err(invalid("Empty arrays are not allowed")),
        Value::Array(conditions) => {
            Ok(Rule::Key(key.to_owned(), conditions.iter().map(condition).collect::<Result<_, _>>()?))
        }
        Value::Object(object) if scope == Scope::Body && !object.is_empty() => {
            Ok(Rule::Object(key.to_owned(), rules(object, scope)?))
        }
        Value::Object(_) if scope == Scope::Attributes => {
            Err(invalid("Filter policy scope MessageAttributes does not support nested filter policy"))
        }
        _ => Err(invalid(format!("\"{key}\" must be an object or an array"))),
    }
}

fn condition(value: &Value) -> Result<Condition, Error> {
    let Value::Object(object) = value else { return literal(value) };
    let mut members = object.iter();
    let (Some((operator, operand)), None) = (members.next(), members.next()) else {
        return Err(invalid("Only one key allowed in match expression"));
    };
    let text = || {
        let text = operand.as_str().filter(|text| !text.is_empty()).map(str::to_owned);
        text.ok_or_else(|| invalid(format!("{operator} match pattern must be a string")))
    };
    match operator.as_str() {
        "prefix" => Ok(Condition::Prefix(text()?)),
        "suffix" => Ok(Condition::Suffix(text()?)),
        "wildcard" => Ok(Condition::Wildcard(text()?)),
        "equals-ignore-case" => Ok(Condition::EqualsIgnoringCase(text()?.to_lowercase())),
        "exists" => operand
            .as_bool()
            .map(Condition::Exists)
            .ok_or_else(|| invalid("exists match pattern must be either true or false.")),
        "numeric" => numeric(operand).map(Condition::Numeric),
        "cidr" => cidr(&text()?),
        "anything-but" => anything_but(operand),
        _ => Err(invalid(format!("Unrecognized match type {operator}"))),
    }
}

fn literal(value: &Value) -> Result<Condition, Error> {
    if value.is_array() {
        return Err(invalid("Match value must be String, number, true, false, or null"));
    }
    Ok(Condition::Equals(value.clone()))
}

/// Parses a value, several values, or an operator such as `{"prefix": …}` with one or several
/// texts.
fn anything_but(operand: &Value) -> Result<Condition, Error> {
    let conditions = match operand {
        Value::Array(values) if values.is_empty() => return Err(invalid("Empty arrays are not allowed")),
        Value::Array(values) => values.iter().map(literal).collect::<Result<_, _>>()?,
        Value::Object(object) => {
            let mut conditions = Vec::new();
            for (operator, operand) in object {
                if !matches!(operator.as_str(), "prefix" | "suffix" | "wildcard" | "equals-ignore-case") {
                    return Err(invalid(format!("Unsupported anything-but pattern: {operator}")));
                }
                for text in operand.as_array().map_or(std::slice::from_ref(operand), Vec::as_slice) {
                    conditions.push(condition(&serde_json::json!({ operator: text }))?);
                }
            }
            conditions
        }
        value => vec![literal(value)?],
    };
    Ok(Condition::AnythingBut(conditions))
}

/// Parses `["=", 5]`, or two bounds such as `[">", 0, "<=", 5]`.
fn numeric(operand: &Value) -> Result<Vec<Bound>, Error> {
    let parts = operand.as_array().filter(|parts| matches!(parts.len(), 2 | 4));
    let parts = parts.ok_or_else(|| invalid("Value of numeric must be an array of operators and numbers"))?;
    parts.chunks(2).map(bound).collect()
}

fn bound(pair: &[Value]) -> Result<Bound, Error> {
    let [operator, number] = pair else { return Err(invalid("Value of numeric must be an array")) };
    let number = number.as_f64().ok_or_else(|| invalid("Value of numeric must be numeric"))?;
    match operator.as_str() {
        Some("=") => Ok(Bound::Equal(number)),
        Some("<") => Ok(Bound::Less(number)),
        Some("<=") => Ok(Bound::LessOrEqual(number)),
        Some(">") => Ok(Bound::Greater(number)),
        Some(">=") => Ok(Bound::GreaterOrEqual(number)),
        _ => Err(invalid(format!("Unrecognized numeric range operator: {operator}"))),
    }
}

fn cidr(text: &str) -> Result<Condition, Error> {
    let malformed = || invalid(format!("Malformed CIDR, one '/' required: {text}"));
    let (network, bits) = text.split_once('/').ok_or_else(malformed)?;
    let (network, bits): (IpAddr, u8) =
        (network.parse().map_err(|_| malformed())?, bits.parse().map_err(|_| malformed())?);
    let most = if network.is_ipv4() { 32 } else { 128 };
    if bits > most { Err(malformed()) } else { Ok(Condition::Cidr { network, bits }) }
}

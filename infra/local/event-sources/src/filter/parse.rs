//! Parses a pattern, and reports the mistake in an invalid one.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::{Comparison, InvalidFilter, Node, Pattern, Test};

pub(super) fn pattern(text: &str) -> Result<Pattern, InvalidFilter> {
    match serde_json::from_str(text) {
        Ok(Value::Object(object)) => self::object(object),
        Ok(other) => invalid(format!("a pattern is an object, not {other}")),
        Err(error) => invalid(format!("{text} is not JSON: {error}")),
    }
}

fn object(object: Map<String, Value>) -> Result<Pattern, InvalidFilter> {
    if object.is_empty() {
        return invalid("a pattern names at least one field");
    }
    let (mut fields, mut either) = (BTreeMap::new(), Vec::new());
    for (name, value) in object {
        if name == "$or" {
            either.push(alternatives(value)?);
        } else {
            let node = node(&name, value)?;
            fields.insert(name, node);
        }
    }
    Ok(Pattern { fields, either })
}

fn alternatives(value: Value) -> Result<Vec<Pattern>, InvalidFilter> {
    let Value::Array(list) = value else { return invalid("\"$or\" is a list of patterns") };
    if list.len() < 2 {
        return invalid("\"$or\" has at least two patterns");
    }
    list.into_iter()
        .map(|pattern| match pattern {
            Value::Object(pattern) => object(pattern),
            other => invalid(format!("\"$or\" is a list of patterns, and {other} is none")),
        })
        .collect()
}

fn node(name: &str, value: Value) -> Result<Node, InvalidFilter> {
    match value {
        Value::Object(nested) => object(nested).map(Node::Nested),
        Value::Array(tests) if tests.is_empty() => invalid(format!("\"{name}\" lists nothing that could match")),
        Value::Array(tests) => tests.into_iter().map(test).collect::<Result<_, _>>().map(Node::OneOf),
        other => invalid(format!("\"{name}\" is {other} and must be a list or a nested pattern")),
    }
}

fn test(value: Value) -> Result<Test, InvalidFilter> {
    match value {
        Value::Object(operator) => self::operator(operator),
        Value::Array(_) => invalid("a list of alternatives cannot hold a list"),
        scalar => Ok(Test::Is(scalar)),
    }
}

fn operator(operator: Map<String, Value>) -> Result<Test, InvalidFilter> {
    let mut entries = operator.into_iter();
    let (Some((name, operand)), None) = (entries.next(), entries.next()) else {
        return invalid("an operator is an object with one field");
    };
    match (name.as_str(), operand) {
        ("prefix", Value::String(prefix)) => Ok(Test::Prefix(prefix)),
        ("suffix", Value::String(suffix)) => Ok(Test::Suffix(suffix)),
        ("equals-ignore-case", Value::String(text)) => Ok(Test::EqualsIgnoreCase(text)),
        ("exists", Value::Bool(wanted)) => Ok(Test::Exists(wanted)),
        ("numeric", Value::Array(operands)) => numeric(&operands),
        ("anything-but", operand) => anything_but(operand),
        (name, operand) => invalid(format!("there is no operator \"{name}\" for {operand}")),
    }
}

fn anything_but(operand: Value) -> Result<Test, InvalidFilter> {
    let unwanted = match operand {
        Value::Array(list) if list.is_empty() => return invalid("\"anything-but\" names at least one value"),
        Value::Array(list) => list,
        single => vec![single],
    };
    unwanted.into_iter().map(test).collect::<Result<_, _>>().map(Test::AnythingBut)
}

fn numeric(operands: &[Value]) -> Result<Test, InvalidFilter> {
    let pairs = operands.chunks(2).map(|pair| match pair {
        [Value::String(comparison), number] => Some((self::comparison(comparison)?, number.as_f64()?)),
        _ => None,
    });
    match pairs.collect::<Option<Vec<_>>>() {
        Some(pairs) if matches!(pairs.len(), 1 | 2) => Ok(Test::Numeric(pairs)),
        _ => invalid("\"numeric\" is one or two comparisons, each an operator and a number"),
    }
}

fn comparison(text: &str) -> Option<Comparison> {
    match text {
        "<" => Some(Comparison::Less),
        "<=" => Some(Comparison::LessOrEqual),
        "=" => Some(Comparison::Equal),
        ">=" => Some(Comparison::GreaterOrEqual),
        ">" => Some(Comparison::Greater),
        _ => None,
    }
}

fn invalid<T>(why: impl Into<String>) -> Result<T, InvalidFilter> {
    Err(InvalidFilter(why.into()))
}

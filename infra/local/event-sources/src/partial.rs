//! Parses the answer to a batch when the mapping reports batch item failures.
//!
//! The parser is as lenient as AWS. An empty answer, `""`, `null`, `[]`, `{}`, and an empty or null
//! list mean that all records succeeded. An answer that names a failure incorrectly means that all
//! records failed.
//!
//! Source: <https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-errorhandling.html>, "Success
//! and failure conditions", and results that others recorded on AWS.

use std::collections::BTreeSet;

use serde_json::Value;

/// The result of each record of a batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Reported {
    /// Every record is done.
    AllDone,
    /// The records at these places failed. The set is never empty.
    Failed(BTreeSet<usize>),
    /// The answer cannot be parsed, so every record failed.
    NotUnderstood,
}

/// Parses `answer` for a batch whose records have these identifiers.
pub(crate) fn read(answer: &[u8], identifiers: &[&str]) -> Reported {
    if answer.iter().all(u8::is_ascii_whitespace) {
        return Reported::AllDone;
    }
    match serde_json::from_slice(answer) {
        Ok(Value::Null) => Reported::AllDone,
        Ok(Value::String(text)) if text.is_empty() => Reported::AllDone,
        Ok(Value::Array(list)) if list.is_empty() => Reported::AllDone,
        Ok(Value::Object(object)) => match object.get("batchItemFailures") {
            None | Some(Value::Null) => Reported::AllDone,
            Some(Value::Array(failures)) => places(failures, identifiers),
            Some(_) => Reported::NotUnderstood,
        },
        Ok(_) | Err(_) => Reported::NotUnderstood,
    }
}

fn places(failures: &[Value], identifiers: &[&str]) -> Reported {
    let place = |failure: &Value| {
        let identifier = failure.get("itemIdentifier")?.as_str()?;
        identifiers.iter().position(|known| *known == identifier)
    };
    match failures.iter().map(place).collect::<Option<BTreeSet<usize>>>() {
        None => Reported::NotUnderstood,
        Some(places) if places.is_empty() => Reported::AllDone,
        Some(places) => Reported::Failed(places),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BATCH: [&str; 3] = ["a", "b", "c"];

    #[test]
    fn nothing_null_and_empty_mean_success() {
        for answer in
            ["", " \n", "null", "\"\"", "[]", "{}", r#"{"batchItemFailures":[]}"#, r#"{"batchItemFailures":null}"#]
        {
            assert_eq!(read(answer.as_bytes(), &BATCH), Reported::AllDone, "{answer}");
        }
        assert_eq!(read(br#"{"statusCode":200}"#, &BATCH), Reported::AllDone);
    }

    #[test]
    fn named_records_failed_and_the_others_did_not() {
        let answer = br#"{"batchItemFailures":[{"itemIdentifier":"c"},{"itemIdentifier":"a"},{"itemIdentifier":"c"}]}"#;
        assert_eq!(read(answer, &BATCH), Reported::Failed(BTreeSet::from([0, 2])));
    }

    #[test]
    fn a_failure_that_is_named_wrongly_fails_the_whole_batch() {
        for answer in [
            "{",
            "\"done\"",
            "[1]",
            "true",
            r#"{"batchItemFailures":"a"}"#,
            r#"{"batchItemFailures":[{"itemIdentifier":""}]}"#,
            r#"{"batchItemFailures":[{"itemIdentifier":null}]}"#,
            r#"{"batchItemFailures":[{"itemIdentifier":1}]}"#,
            r#"{"batchItemFailures":[{"identifier":"a"}]}"#,
            r#"{"batchItemFailures":[{"itemIdentifier":"unknown"}]}"#,
            r#"{"batchItemFailures":[{"itemIdentifier":"a"},{"itemIdentifier":"unknown"}]}"#,
        ] {
            assert_eq!(read(answer.as_bytes(), &BATCH), Reported::NotUnderstood, "{answer}");
        }
    }
}

//! Finds plain scalars that YAML 1.1 and YAML 1.2 read differently.
//!
//! The runner reads YAML 1.2. Terraform's `yamldecode` resolves plain scalars by the rules of YAML
//! 1.1: a plain `N` is `false` there, `0755` is a number in base 8, `1:30` may be 90, and `<<`
//! merges mappings. The topology accepts only scalars on which both versions agree; every other
//! scalar needs quotes.
//!
//! Sources: <https://yaml.org/type/> (YAML 1.1), <https://yaml.org/spec/1.2.2/#103-core-schema>

use granit_parser::{Event, Parser, ScalarStyle};

use crate::mistake::{Mistake, Place};

/// Truth values of YAML 1.1, in lower case.
const TRUTH_VALUES: [&str; 8] = ["y", "yes", "on", "n", "no", "off", "true", "false"];
/// The two spellings of a truth value that mean the same in both versions.
const SPELLINGS: [&str; 2] = ["true", "false"];

/// Returns every plain scalar, key and tag of a document that the two versions read differently, in
/// the order of the text.
///
/// For a text that is not YAML, returns the mistakes before the error. The reader reports the error
/// itself.
pub(crate) fn ambiguous(source: &str) -> Vec<Mistake> {
    let mut mistakes = Vec::new();
    for (event, span) in Parser::new_from_str(source).map_while(Result::ok) {
        let Event::Scalar(value, style, _, tag) = event else { continue };
        let message = match (tag, style) {
            (Some(_), _) => {
                Some("a tag (`!…`) is not part of the format: remove it, and write the value itself".into())
            }
            (None, ScalarStyle::Plain) => difference(&value).map(|difference| {
                format!(
                    "YAML 1.1, which Terraform reads, takes a plain `{value}` for {difference}: write `\"{value}\"`"
                )
            }),
            (None, _) => None,
        };
        if let Some(message) = message {
            mistakes.push(Mistake { place: place(span.start.line(), span.start.col()), path: String::new(), message });
        }
    }
    mistakes
}

fn place(line: usize, column: usize) -> Place {
    Place { line: u64::try_from(line).unwrap_or_default(), column: u64::try_from(column + 1).unwrap_or_default() }
}

/// Returns the meaning of the scalar in YAML 1.1, if it differs from YAML 1.2.
fn difference(scalar: &str) -> Option<&'static str> {
    let lower = scalar.to_ascii_lowercase();
    if TRUTH_VALUES.contains(&lower.as_str()) {
        return (!SPELLINGS.contains(&scalar)).then_some("true or false");
    }
    match scalar {
        "<<" => return Some("a merge of mappings"),
        "=" => return Some("a default value"),
        "~" | "null" | "" => return None,
        _ if lower == "null" => return Some("nothing"),
        _ => {}
    }
    (is_like_a_number(&lower) && !is_decimal(scalar)).then_some("another number, a time or a date")
}

/// Returns whether a version of YAML may read the scalar as a number, a time of day or a date.
fn is_like_a_number(lower: &str) -> bool {
    let unsigned = lower.trim_start_matches(['-', '+']);
    if [".inf", ".nan"].contains(&unsigned) {
        return true;
    }
    let begins = unsigned.trim_start_matches('.').starts_with(|first: char| first.is_ascii_digit());
    begins && unsigned.chars().all(|letter| letter.is_ascii_hexdigit() || "xo_.:-+tz".contains(letter))
}

/// Returns whether the scalar is a whole number or a fraction in base 10, without leading zeros,
/// plus signs, underscores or exponents.
fn is_decimal(scalar: &str) -> bool {
    let unsigned = scalar.strip_prefix('-').unwrap_or(scalar);
    let (whole, fraction) =
        unsigned.split_once('.').map_or((unsigned, None), |(whole, fraction)| (whole, Some(fraction)));
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    digits(whole) && (whole == "0" || !whole.starts_with('0')) && fraction.is_none_or(digits)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scalars_on_which_both_versions_agree_are_taken() {
        for scalar in [
            "true",
            "false",
            "null",
            "~",
            "0",
            "1",
            "-7",
            "512",
            "1209600",
            "0.5",
            "S",
            "POST",
            "1 minute",
            "$connect",
            "rate",
            "by_room",
            "x86_64",
            "arm64",
            "no-one",
            "yesterday",
            "route.request.header.Auth",
            "3rd",
            "a:b",
        ] {
            assert_eq!(difference(scalar), None, "{scalar}");
        }
    }

    #[test]
    fn scalars_that_the_versions_read_differently_are_named() {
        for scalar in [
            "y",
            "Y",
            "n",
            "N",
            "yes",
            "Yes",
            "YES",
            "no",
            "NO",
            "on",
            "On",
            "OFF",
            "True",
            "TRUE",
            "False",
            "Null",
            "NULL",
            "0755",
            "0o17",
            "0x1F",
            "0b11",
            "1_000",
            "+1",
            "1:30",
            "20:30:45",
            "190:20:30.15",
            "1e3",
            "6.8523e+5",
            ".5",
            "1.",
            "00",
            "-01",
            ".inf",
            "-.INF",
            ".NaN",
            "2026-01-01",
            "2001-12-14t21:59:43.10-05:00",
            "<<",
            "=",
        ] {
            assert!(difference(scalar).is_some(), "{scalar}");
        }
    }

    #[test]
    fn quotes_settle_the_meaning_of_any_scalar() {
        assert_eq!(ambiguous("a: \"N\"\n'y': 'off'\nc: |\n  no\n"), []);
    }

    #[test]
    fn keys_and_values_are_named_with_their_line_and_the_fix() {
        let mistakes = ambiguous("a:\n  N: [1, 0755]\n<<: {}\nb: !!str 7\n");
        let found: Vec<String> = mistakes.iter().map(ToString::to_string).collect();
        assert_eq!(
            found,
            [
                "2:3: YAML 1.1, which Terraform reads, takes a plain `N` for true or false: write `\"N\"`",
                "2:10: YAML 1.1, which Terraform reads, takes a plain `0755` for another number, a time or a date: write \
                 `\"0755\"`",
                "3:1: YAML 1.1, which Terraform reads, takes a plain `<<` for a merge of mappings: write `\"<<\"`",
                "4:10: a tag (`!…`) is not part of the format: remove it, and write the value itself",
            ]
        );
    }
}

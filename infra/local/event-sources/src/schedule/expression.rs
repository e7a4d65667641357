//! Parses schedule expressions: `rate(5 minutes)` or `cron(0 12 * * ? *)`.
//!
//! Source:
//! <https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-scheduled-rule-pattern.html>

use std::str::FromStr;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::cron::Cron;

/// A valid schedule expression.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Expression(Kind);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Kind {
    Rate(Duration),
    Cron(Box<Cron>),
}

/// An expression that AWS would refuse, or that this crate does not support.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("schedule expression {expression:?} is not valid: {reason}")]
pub struct InvalidExpression {
    expression: String,
    reason: String,
}

impl Expression {
    /// Parses a rate without `rate(…)` around it, such as `5 minutes`.
    ///
    /// # Errors
    /// If the text is not a positive number followed by `minute(s)`, `hour(s)` or `day(s)`. The
    /// singular is required for 1 and refused otherwise.
    pub fn rate(text: &str) -> Result<Self, InvalidExpression> {
        rate(text).map(|every| Self(Kind::Rate(every))).map_err(|reason| invalid(text, &reason))
    }

    /// Returns the first time after `time`. A rate counts from `time`.
    #[must_use]
    pub fn after(&self, time: Timestamp) -> Option<Timestamp> {
        match &self.0 {
            Kind::Rate(every) => time.checked_add(SignedDuration::try_from(*every).ok()?).ok(),
            Kind::Cron(cron) => cron.after(time),
        }
    }
}

impl FromStr for Expression {
    type Err = InvalidExpression;

    fn from_str(text: &str) -> Result<Self, InvalidExpression> {
        let inside = |frame: &str| text.trim().strip_prefix(frame)?.strip_suffix(')');
        if let Some(text) = inside("rate(") {
            return Self::rate(text);
        }
        let Some(fields) = inside("cron(") else {
            return Err(invalid(text, "it is neither rate(…) nor cron(…)"));
        };
        fields.parse().map(|cron| Self(Kind::Cron(Box::new(cron)))).map_err(|reason: String| invalid(text, &reason))
    }
}

fn rate(text: &str) -> Result<Duration, String> {
    let mut words = text.split_whitespace();
    let (Some(value), Some(unit), None) = (words.next(), words.next(), words.next()) else {
        return Err("a rate is a number and a unit".to_owned());
    };
    let value: u32 = value.parse().map_err(|_| format!("{value} is not a positive number"))?;
    let (singular, unit_s) = match unit.trim_end_matches('s') {
        "minute" => ("minute", 60),
        "hour" => ("hour", 60 * 60),
        "day" => ("day", 24 * 60 * 60),
        _ => return Err(format!("{unit} is not minute(s), hour(s) or day(s)")),
    };
    match (value, unit == singular) {
        (0, _) => Err("0 is not a positive number".to_owned()),
        (1, true) | (2.., false) => Ok(Duration::from_secs(u64::from(value) * unit_s)),
        (1, false) => Err(format!("it is 1 {singular}")),
        (_, true) => Err(format!("it is {value} {singular}s")),
    }
}

fn invalid(expression: &str, reason: &str) -> InvalidExpression {
    InvalidExpression { expression: expression.to_owned(), reason: reason.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(expression: &str, time: &str) -> String {
        let expression: Expression = expression.parse().unwrap();
        expression.after(time.parse().unwrap()).unwrap().to_string()
    }

    #[test]
    fn a_rate_counts_from_where_it_is_asked() {
        assert_eq!(after("rate(1 minute)", "2026-11-21T05:00:07Z"), "2026-11-21T05:01:07Z");
        assert_eq!(after("rate(5 minutes)", "2026-11-21T05:00:00Z"), "2026-11-21T05:05:00Z");
        assert_eq!(after("rate(2 days)", "2026-11-21T05:00:00Z"), "2026-11-23T05:00:00Z");
    }

    #[test]
    fn a_rate_may_stand_without_its_frame() {
        assert_eq!(Expression::rate("1 minute"), "rate(1 minute)".parse());
    }

    #[test]
    fn what_is_no_expression_is_refused_with_the_reason() {
        for (text, reason) in [
            ("1 minute", "neither rate(…) nor cron(…)"),
            ("rate(1 minutes)", "it is 1 minute"),
            ("rate(5 minute)", "it is 5 minutes"),
            ("rate(0 minutes)", "positive"),
            ("rate(-1 minutes)", "positive"),
            ("rate(1 second)", "second is not"),
            ("rate(minute)", "a number and a unit"),
            ("cron(* * * *)", "six fields"),
        ] {
            let error = text.parse::<Expression>().unwrap_err().to_string();
            assert!(error.contains(reason), "{error}");
        }
    }
}

//! Evaluates an authorizer's policy: the part of IAM's evaluation that an authorizer needs.
//!
//! Source:
//! <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic.html>

use serde::Deserialize;

/// `policyDocument` of an authorizer's answer.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Policy {
    #[serde(rename = "Version")]
    _version: Option<String>,
    #[serde(rename = "Id")]
    _id: Option<String>,
    statement: OneOrMany<Statement>,
}

/// The result of a policy for one action on one resource.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// A statement allows the action and no statement denies it.
    Allowed,
    /// A statement denies the action. Other statements cannot change that.
    Denied,
    /// No statement covers the action.
    NotCovered,
}

/// Unknown elements, such as `Condition`, are refused. Ignoring one could admit a client that the
/// policy denies.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct Statement {
    #[serde(rename = "Sid")]
    _sid: Option<String>,
    effect: Effect,
    action: OneOrMany<String>,
    resource: OneOrMany<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
enum Effect {
    Allow,
    Deny,
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum OneOrMany<T> {
    One(T),
    Many(Vec<T>),
}

impl<T> OneOrMany<T> {
    fn as_slice(&self) -> &[T] {
        match self {
            Self::One(one) => std::slice::from_ref(one),
            Self::Many(many) => many,
        }
    }
}

impl Policy {
    /// Evaluates `execute-api:Invoke` on `resource`. An explicit deny overrides any allow.
    pub(crate) fn evaluate(&self, resource: &str) -> Verdict {
        let mut verdict = Verdict::NotCovered;
        for statement in self.statement.as_slice().iter().filter(|statement| statement.covers(resource)) {
            match statement.effect {
                Effect::Deny => return Verdict::Denied,
                Effect::Allow => verdict = Verdict::Allowed,
            }
        }
        verdict
    }
}

impl Statement {
    fn covers(&self, resource: &str) -> bool {
        let invokes = |action: &String| matches(&action.to_ascii_lowercase(), "execute-api:invoke");
        self.action.as_slice().iter().any(invokes)
            && self.resource.as_slice().iter().any(|pattern| matches(pattern, resource))
    }
}

/// Matches with IAM's wildcards: `*` matches any run of characters, `?` matches any single
/// character. The time is usually linear, quadratic at worst, and never exponential.
fn matches(pattern: &str, text: &str) -> bool {
    let (pattern, text) = (pattern.as_bytes(), text.as_bytes());
    let (mut p, mut t) = (0, 0);
    // Position of the last star, and the end of the text that it matches so far.
    let mut star: Option<(usize, usize)> = None;
    while t < text.len() {
        match pattern.get(p) {
            Some(b'*') => {
                star = Some((p, t));
                p += 1;
            }
            Some(&c) if c == b'?' || c == text[t] => {
                p += 1;
                t += 1;
            }
            _ => {
                let Some((star_p, star_t)) = star else { return false };
                star = Some((star_p, star_t + 1));
                p = star_p + 1;
                t = star_t + 1;
            }
        }
    }
    pattern[p..].iter().all(|&c| c == b'*')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const ARN: &str = "arn:aws:execute-api:us-east-1:123456789012:abcdef123/default/$connect";

    fn verdict(statements: &str) -> Verdict {
        let policy = format!(r#"{{"Version":"2012-10-17","Statement":{statements}}}"#);
        serde_json::from_str::<Policy>(&policy).unwrap().evaluate(ARN)
    }

    fn statement(effect: &str, action: &str, resource: &str) -> String {
        format!(r#"{{"Effect":"{effect}","Action":"{action}","Resource":"{resource}"}}"#)
    }

    #[test]
    fn an_allow_must_cover_action_and_arn() {
        let invoke = "execute-api:Invoke";
        for (action, resource, expected) in [
            (invoke, ARN, Verdict::Allowed),
            (invoke, "*", Verdict::Allowed),
            ("*", "arn:aws:execute-api:*:*:abcdef123/*", Verdict::Allowed),
            (
                "execute-api:*",
                "arn:aws:execute-api:us-east-?:123456789012:abcdef123/default/$connect",
                Verdict::Allowed,
            ),
            ("EXECUTE-API:invoke", ARN, Verdict::Allowed),
            ("execute-api:ManageConnections", ARN, Verdict::NotCovered),
            (invoke, "arn:aws:execute-api:us-east-1:123456789012:abcdef123/default", Verdict::NotCovered),
            (invoke, "arn:aws:execute-api:us-east-1:123456789012:abcdef123/default/$default", Verdict::NotCovered),
            // Policies from helpers for REST APIs, with an HTTP method between stage and route.
            (invoke, "arn:aws:execute-api:us-east-1:123456789012:abcdef123/default/*/*", Verdict::NotCovered),
        ] {
            assert_eq!(verdict(&statement("Allow", action, resource)), expected, "{action} on {resource}");
        }
    }

    #[test]
    fn an_explicit_deny_wins_wherever_it_stands() {
        let (allow, deny) = (statement("Allow", "*", "*"), statement("Deny", "execute-api:Invoke", "*/$connect"));
        assert_eq!(verdict(&format!("[{allow},{deny}]")), Verdict::Denied);
        assert_eq!(verdict(&format!("[{deny},{allow}]")), Verdict::Denied);
        let elsewhere = statement("Deny", "execute-api:Invoke", "*/admin");
        assert_eq!(verdict(&format!("[{elsewhere},{allow}]")), Verdict::Allowed);
        assert_eq!(verdict("[]"), Verdict::NotCovered);
    }

    #[test]
    fn a_policy_that_is_not_understood_is_not_guessed_at() {
        for wrong in [
            r#"{"Statement":{"Effect":"allow","Action":"*","Resource":"*"}}"#,
            r#"{"Statement":{"Effect":"Allow","Action":"*"}}"#,
            r#"{"Statement":{"Effect":"Allow","Action":"*","Resource":"*","Condition":{}}}"#,
            r#"{"Version":"2012-10-17"}"#,
            r#"[]"#,
        ] {
            assert!(serde_json::from_str::<Policy>(wrong).is_err(), "{wrong}");
        }
    }

    /// A simple reference implementation with exponential time.
    fn matches_slowly(pattern: &[u8], text: &[u8]) -> bool {
        match (pattern.split_first(), text.split_first()) {
            (None, None) => true,
            (Some((b'*', rest)), _) if matches_slowly(rest, text) => true,
            (Some((b'*', _)), Some((_, text))) => matches_slowly(pattern, text),
            (Some((b'?', rest)), Some((_, text))) => matches_slowly(rest, text),
            (Some((p, rest)), Some((t, text))) => p == t && matches_slowly(rest, text),
            _ => false,
        }
    }

    proptest! {
        #[test]
        fn wildcards_match_what_their_definition_says(pattern in "[ab*?]{0,8}", text in "[ab]{0,10}") {
            prop_assert_eq!(matches(&pattern, &text), matches_slowly(pattern.as_bytes(), text.as_bytes()));
        }
    }
}

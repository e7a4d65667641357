//! Faults on demand over HTTP: GET returns settings and counts, PUT changes the settings.

use std::collections::BTreeMap;

use bytes::Bytes;
use http::{HeaderValue, Method, StatusCode, header};
use local_faults::{Count, Fault, Faults, Kind, Spec};
use serde::Serialize;

use crate::aws::answer::{self, Answer, plain};

#[derive(Serialize)]
struct Shown {
    /// The current settings in the form that PUT accepts.
    spec: String,
    seed: u64,
    /// Counts of the faults that had an occasion.
    counts: BTreeMap<&'static str, Count>,
    /// Every fault that can be set, in the order of the numbers.
    known: Vec<Known>,
}

#[derive(Serialize)]
struct Known {
    fault: &'static str,
    what: &'static str,
    /// `rate`: a probability from 0 to 1. `delay`: a range such as `0..2000ms`.
    kind: &'static str,
}

impl Known {
    fn of(fault: Fault) -> Self {
        let (number, what) = fault.describe();
        let kind = match fault.kind() {
            Kind::Rate => "rate",
            Kind::Delay => "delay",
        };
        Self { fault: number, what, kind }
    }
}

/// Answers GET with the current state. PUT applies the settings in its body and returns the new
/// state; an empty body disables all faults.
pub(super) fn answer(faults: &Faults, method: &Method, body: &Bytes) -> Answer {
    if *method == Method::GET {
        return show(faults);
    }
    if *method != Method::PUT {
        let mut refused = plain(StatusCode::METHOD_NOT_ALLOWED, "GET shows the faults on demand, PUT sets them");
        refused.headers_mut().insert(header::ALLOW, HeaderValue::from_static("GET, PUT"));
        return refused;
    }
    let Ok(text) = std::str::from_utf8(body) else {
        return plain(StatusCode::BAD_REQUEST, "the body is not text: write faults such as F33=0.02,F19=0..2000ms");
    };
    match text.parse::<Spec>() {
        Ok(spec) => {
            faults.set(&spec);
            show(faults)
        }
        Err(error) => plain(StatusCode::BAD_REQUEST, &error.to_string()),
    }
}

fn show(faults: &Faults) -> Answer {
    let known = Fault::ALL.into_iter().map(Known::of).collect();
    let shown =
        Shown { spec: faults.spec().to_string(), seed: faults.seed(), counts: faults.counts_by_number(), known };
    // The value contains only texts and numbers, so serialising cannot fail.
    let body = serde_json::to_string(&shown).unwrap_or_default();
    answer::with_type(StatusCode::OK, HeaderValue::from_static("application/json"), body)
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt;

    use super::*;

    async fn asked(faults: &Faults, method: Method, body: &'static str) -> (u16, String) {
        let answer = answer(faults, &method, &Bytes::from_static(body.as_bytes()));
        let status = answer.status().as_u16();
        let body = answer.into_body().collect().await.unwrap().to_bytes();
        (status, String::from_utf8(body.to_vec()).unwrap())
    }

    #[tokio::test]
    async fn faults_are_shown_with_their_counts_and_changed_by_a_put() {
        let faults = Faults::new(&"F33=1".parse().unwrap(), 7);
        assert!(faults.fires(Fault::AccountThrottled));
        let (status, shown) = asked(&faults, Method::GET, "").await;
        let begins =
            r#"{"spec":"F33=1","seed":7,"counts":{"F33":{"occasions":1,"fired":1}},"known":[{"fault":"F1","what":"#;
        assert!(status == 200 && shown.starts_with(begins), "{status} {shown}");
        assert!(shown.contains(r#"{"fault":"F19","what":"an index lags, by milliseconds","kind":"delay"}"#), "{shown}");
        let (status, changed) = asked(&faults, Method::PUT, "F19=0..5ms\n").await;
        assert!(status == 200 && changed.starts_with(r#"{"spec":"F19=0..5ms","#), "{status} {changed}");
        assert_eq!(asked(&faults, Method::PUT, "").await.0, 200);
        assert!(!faults.armed());
    }

    #[tokio::test]
    async fn a_bad_spec_is_400_with_a_sentence_and_changes_nothing() {
        let faults = Faults::new(&"F33=1".parse().unwrap(), 7);
        let sentence = "the rate of F8 is \"2\" and must be a number from 0 to 1, such as F8=0.02\n";
        assert_eq!(asked(&faults, Method::PUT, "F1=0,F8=2").await, (400, sentence.to_owned()));
        assert_eq!(asked(&faults, Method::DELETE, "").await.0, 405);
        assert_eq!(faults.spec().to_string(), "F33=1");
    }
}

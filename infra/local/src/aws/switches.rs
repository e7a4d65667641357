//! Faults on demand over HTTP: shown and counted by GET, changed by PUT.

use std::collections::BTreeMap;

use bytes::Bytes;
use http::{HeaderValue, Method, StatusCode, header};
use local_faults::{Count, Fault, Faults, Spec};
use serde::Serialize;

use super::answer::{self, Answer};

#[derive(Serialize)]
struct Shown {
    /// As it would be set again.
    spec: String,
    seed: u64,
    /// Of those that had an occasion so far.
    counts: BTreeMap<&'static str, Counted>,
}

#[derive(Serialize)]
struct Counted {
    what: &'static str,
    #[serde(flatten)]
    count: Count,
}

/// GET shows; PUT sets what its body says, an empty one nothing at all, and shows.
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
    let counted = |(fault, count): (Fault, Count)| (fault.number(), Counted { what: fault.describe().1, count });
    let counts = faults.counts().into_iter().map(counted).collect();
    let shown = Shown { spec: faults.spec().to_string(), seed: faults.seed(), counts };
    // Texts and numbers only: there is nothing that could fail.
    let body = serde_json::to_string(&shown).unwrap_or_default();
    answer::with_type(StatusCode::OK, HeaderValue::from_static("application/json"), body)
}

fn plain(status: StatusCode, text: &str) -> Answer {
    answer::with_type(status, HeaderValue::from_static("text/plain; charset=utf-8"), format!("{text}\n"))
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
        let shown = r#"{"spec":"F33=1","seed":7,"counts":{"F33":{"what":"the account is throttled (429)","occasions":1,"fired":1}}}"#;
        assert_eq!(asked(&faults, Method::GET, "").await, (200, shown.to_owned()));
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

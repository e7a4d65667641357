//! A page whose Origin is not listed is refused with 403, even with a good token. A program without
//! an Origin is accepted.

use authorizer::Guests;
use serde_json::json;

use crate::desk::{authorizer, claims, event, header, present, several, sign};

const LISTED: &str = "https://chat.example.com,http://localhost:8080";

fn status(origin: Option<&str>, listed: &str) -> u16 {
    let bearer = format!("Bearer {}", sign(&header("dev"), &claims()));
    let mut headers = vec![("authorization", bearer.as_str())];
    headers.extend(origin.map(|origin| ("origin", origin)));
    let seen = present(&authorizer(Guests::Deny, listed), &event(&headers, &[]));
    let signature = bearer.rsplit('.').next().unwrap();
    assert!(!seen.said.contains(signature), "{}", seen.said);
    if seen.status == 403 {
        assert!(seen.reason.contains("ALLOWED_ORIGINS"), "{}", seen.reason);
    }
    seen.status
}

#[test]
fn the_very_origin_is_allowed_in_any_case_of_letters() {
    for good in ["https://chat.example.com", "HTTPS://CHAT.Example.com", "http://localhost:8080"] {
        assert_eq!(status(Some(good), LISTED), 101, "{good}");
    }
}

#[test]
fn any_other_origin_is_forbidden_even_with_a_good_token() {
    for bad in [
        "https://other.example.com",
        // Origins that end or begin like a listed one.
        "https://chat.example.com.evil.org",
        "https://evilchat.example.com",
        "https://evil.chat.example.com",
        "https://chat.example.com@evil.org",
        "https://chat.example.com%2eevil.org",
        "https://chat.example.com.",
        "https://example.com",
        // Another scheme, another port.
        "http://chat.example.com",
        "wss://chat.example.com",
        "https://chat.example.com:8443",
        "https://chat.example.com:443",
        "http://localhost",
        "http://localhost:80800",
        // Values that no browser sends.
        "https://chat.example.com/",
        "https://chat.example.com https://evil.org",
        "https://chat.example.com,https://evil.org",
        " https://chat.example.com",
        "chat.example.com",
        "https://",
        "*",
        "",
        // Sandboxed frames and files.
        "null",
        "NULL",
    ] {
        assert_eq!(status(Some(bad), LISTED), 403, "{bad:?}");
    }
}

#[test]
fn an_origin_that_cannot_be_read_or_is_there_twice_is_forbidden_whatever_the_deployment_lists() {
    let bearer = format!("Bearer {}", sign(&header("dev"), &claims()));
    let good = "https://chat.example.com";
    for values in
        [vec!["https://ch\u{e4}t.example.com"], vec![good, good], vec![good, "https://evil.org"], vec!["\u{ff}"]]
    {
        for listed in ["", "*", LISTED, "https://ch\u{e4}t.example.com"] {
            let headers = json!({ "Origin": values, "Authorization": [bearer] });
            let seen = present(&authorizer(Guests::Allow, listed), &several(headers, json!({})));
            assert_eq!(seen.status, 403, "{values:?} {listed}");
            assert!(seen.reason.contains("the header Origin"), "{}", seen.reason);
            assert!(seen.said.is_ascii(), "{}", seen.said);
        }
    }
    let headers = json!({ "Origin": [good], "Authorization": [bearer] });
    assert_eq!(present(&authorizer(Guests::Deny, LISTED), &several(headers, json!({}))).status, 101);
}

#[test]
fn what_is_no_web_page_sends_no_origin_and_is_asked_for_its_token_only() {
    assert_eq!(status(None, LISTED), 101);
    assert_eq!(status(None, ""), 101);
    let seen = present(&authorizer(Guests::Deny, LISTED), &event(&[], &[]));
    assert_eq!((seen.status, seen.reason.as_str()), (401, "no token, and guests are not admitted"));
}

#[test]
fn an_empty_list_allows_no_page_and_a_star_allows_all() {
    assert_eq!(status(Some("https://chat.example.com"), ""), 403);
    assert_eq!(status(Some("null"), ""), 403);
    for any in ["https://evil.org", "null", ""] {
        assert_eq!(status(Some(any), "*"), 101, "{any:?}");
    }
}

#[test]
fn a_default_port_in_the_list_is_the_origin_that_browsers_send_without_it() {
    assert_eq!(status(Some("https://chat.example.com"), "https://chat.example.com:443"), 101);
    assert_eq!(status(Some("http://localhost"), "http://localhost:80"), 101);
    assert_eq!(status(Some("https://chat.example.com"), "https://chat.example.com:80"), 403);
}

#[test]
fn the_origin_is_looked_at_before_the_token() {
    let headers = [("origin", "https://evil.org"), ("authorization", "Bearer nonsense")];
    assert_eq!(present(&authorizer(Guests::Deny, LISTED), &event(&headers, &[])).status, 403);
}

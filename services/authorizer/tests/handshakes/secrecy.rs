//! Neither the answer nor the log contains a token, in whichever place the client sends it.

use authorizer::{Guests, Handshake};
use serde_json::json;

use crate::desk::{authorizer, claims, event, header, present, sign, with};

/// Headers, or parameters of the query.
type Pairs<'a> = &'a [(&'a str, &'a str)];

/// Presents a token in each place that can hold one.
fn presented(token: &str) -> Vec<(&'static str, Handshake, crate::desk::Seen)> {
    let (bearer, offered) = (format!("bearer {token}"), format!("rooms.v1, token.{token}"));
    let first = format!("token.{token}, rooms.v1");
    let places: [(&str, Pairs<'_>, Pairs<'_>); 4] = [
        ("a subprotocol", &[("sec-websocket-protocol", &offered)], &[]),
        ("the first subprotocol", &[("sec-websocket-protocol", &first)], &[]),
        ("a header", &[("authorization", &bearer)], &[]),
        ("the query", &[], &[("token", token)]),
    ];
    let present = |(place, headers, query): (&'static str, Pairs<'_>, Pairs<'_>)| {
        let event = event(headers, query);
        (place, Handshake::from_event(&event.payload), present(&authorizer(Guests::Deny, "*"), &event))
    };
    places.map(present).into()
}

#[test]
fn a_good_token_is_read_from_every_place_and_shown_in_none() {
    let token = sign(&header("dev"), &claims());
    for (place, handshake, seen) in presented(&token) {
        assert_eq!(seen.status, 101, "{place}: {}", seen.said);
        assert!(!seen.said.contains(&token) && !seen.said.contains("token."), "{place}: {}", seen.said);
        assert!(handshake.subprotocols.iter().all(|name| name == "rooms.v1"), "{place}: {handshake:?}");
    }
}

#[test]
fn a_bad_token_is_refused_in_every_place_and_shown_in_none() {
    let token = sign(&header("dev"), &with(json!({ "exp": 1 })));
    for (place, _, seen) in presented(&token) {
        assert_eq!(seen.status, 401, "{place}: {}", seen.said);
        assert!(!seen.said.contains(&token) && !seen.said.contains("token."), "{place}: {}", seen.said);
    }
}

#[test]
fn tokens_in_several_places_are_refused_even_if_they_are_the_same_one() {
    let good = sign(&header("dev"), &claims());
    let (offered, bearer) = (format!("token.{good}"), format!("Bearer {good}"));
    let (offered, bearer) = (("sec-websocket-protocol", offered.as_str()), ("authorization", bearer.as_str()));
    let places: [(Pairs<'_>, Pairs<'_>); 4] = [
        (&[offered, bearer], &[]),
        (&[offered], &[("token", &good)]),
        (&[bearer], &[("token", &good)]),
        (&[offered, bearer], &[("token", &good)]),
    ];
    for (headers, query) in places {
        let seen = present(&authorizer(Guests::Allow, "*"), &event(headers, query));
        assert_eq!(seen.status, 401, "{headers:?} {query:?}");
        assert!(seen.reason.contains("more than one of the three places"), "{}", seen.reason);
    }
}

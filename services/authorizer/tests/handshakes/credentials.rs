//! Credentials, and guests: clients that present no credential.

use authorizer::{Guests, Handshake};
use serde_json::json;

use crate::desk::{Seen, authorizer, claims, decide, event, header, present, several, sign};

/// Headers, or parameters of the query.
type Pairs<'a> = &'a [(&'a str, &'a str)];

const SECRET: &str = "0123456789abcdef0123456789abcdef";

fn good_token() -> String {
    sign(&header("dev"), &claims())
}

/// Presents a handshake to an authorizer that admits guests.
fn seen(headers: Pairs<'_>, query: Pairs<'_>) -> Seen {
    present(&authorizer(Guests::Allow, "*"), &event(headers, query))
}

#[test]
fn a_credential_in_another_form_is_no_guest() {
    let token = good_token();
    let scheme = |scheme: &str| format!("{scheme} {token}");
    for value in [
        token.clone(),
        scheme("Token"),
        scheme("JWT"),
        scheme("Basic"),
        scheme("Bearer:"),
        format!("Bearer {token} {token}"),
        format!("Bearer {token}, Bearer {token}"),
        format!("Bearer,{token}"),
        "Bearer".to_owned(),
        "Bearer ".to_owned(),
        "null".to_owned(),
        "undefined".to_owned(),
        String::new(),
        " ".to_owned(),
    ] {
        let seen = seen(&[("authorization", &value)], &[]);
        assert_eq!(seen.status, 401, "{value:?}: {}", seen.said);
        assert!(seen.reason.contains("Authorization"), "{value:?}: {}", seen.reason);
        assert!(!seen.said.contains(&token), "{}", seen.said);
    }
}

#[test]
fn a_credential_in_another_place_is_no_guest() {
    let token = good_token();
    let offers = ["jwt.", "Token.", "bearer.", "access_token.", "authorization.bearer.", ""];
    let offers = offers.map(|prefix| format!("rooms.v1, {prefix}{token}"));
    let words = ["access_token, x", "jwt, opaque", "rooms.v1, bearer", "token", "rooms.v1, token."];
    for offered in offers.iter().map(String::as_str).chain(words) {
        let seen = seen(&[("sec-websocket-protocol", offered)], &[]);
        assert_eq!(seen.status, 401, "{offered:?}: {}", seen.said);
        assert!(!seen.said.contains(&token), "{}", seen.said);
    }
    for name in
        ["access_token", "accessToken", "jwt", "auth", "Authorization", "id_token", "Token", "api_key", "password"]
    {
        for value in [token.as_str(), "opaque", ""] {
            let seen = seen(&[], &[(name, value)]);
            assert_eq!((seen.status, seen.said.contains(&token)), (401, false), "?{name}={value}: {}", seen.said);
        }
    }
    for name in ["room", "device", "format", "guest", "anything"] {
        let seen = seen(&[], &[(name, &token)]);
        assert_eq!((seen.status, seen.said.contains(&token)), (401, false), "?{name}=: {}", seen.said);
    }
    for name in ["x-auth-token", "x-access-token", "token", "proxy-authorization", "x-jwt"] {
        let seen = seen(&[(name, &token)], &[]);
        assert_eq!((seen.status, seen.said.contains(&token)), (401, false), "{name}: {}", seen.said);
        assert!(seen.reason.contains(name), "{}", seen.reason);
    }
    let seen = seen(&[], &[("token", "")]);
    assert_eq!((seen.status, seen.reason.as_str()), (401, "?token= is empty; it takes a JWT or a secret"));
}

#[test]
fn a_credential_that_is_there_twice_is_not_read() {
    let bearer = format!("Bearer {}", good_token());
    let open = authorizer(Guests::Allow, "*");
    for (headers, query) in [
        (json!({ "Authorization": [bearer, bearer] }), json!({})),
        (json!({}), json!({ "token": [good_token(), good_token()] })),
        (json!({ "Sec-WebSocket-Protocol": [format!("token.{}, token.x.y.z", good_token())] }), json!({})),
        (json!({ "Sec-WebSocket-Protocol": [format!("token.{}", good_token()), "token.x.y.z"] }), json!({})),
        (json!({}), json!({ "guest": [SECRET, SECRET] })),
    ] {
        let seen = present(&open, &several(headers.clone(), query.clone()));
        assert_eq!(seen.status, 401, "{headers} {query}: {}", seen.said);
        assert!(seen.reason.contains("is given 2 times"), "{}", seen.reason);
    }
    // Names of headers have no case.
    let cased = several(json!({ "Authorization": [bearer], "AUTHORIZATION": ["Bearer x.y.z"] }), json!({}));
    assert_eq!(present(&open, &cased).status, 401);
    let unreadable = several(json!({ "Sec-WebSocket-Protocol": ["rooms.v1", "t\u{f6}ken"] }), json!({}));
    assert_eq!(present(&open, &unreadable).status, 401);
    let once = several(json!({ "Authorization": [bearer], "Host": ["h"] }), json!({ "room": ["lobby"] }));
    assert_eq!(present(&open, &once).status, 101);
}

#[test]
fn who_brings_no_credential_is_a_guest() {
    let handshakes: [(Pairs<'_>, Pairs<'_>); 4] = [
        (&[], &[]),
        (&[("sec-websocket-protocol", "rooms.v1")], &[("room", "lobby"), ("device", "phone"), ("format", "classic")]),
        (&[("sec-websocket-protocol", "graphql-ws"), ("cookie", "jwt=eyJhbGciOiJub25lIn0.e30.x")], &[]),
        (&[("x-api-key", "of a usage plan"), ("user-agent", "x")], &[("author", "ada"), ("guest", SECRET)]),
    ];
    for (headers, query) in handshakes {
        let seen = seen(headers, query);
        assert_eq!(seen.status, 101, "{headers:?} {query:?}: {}", seen.said);
        assert!(seen.said.contains("guest:"), "{}", seen.said);
    }
}

fn user(request_id: &str, guest: Option<&str>, device: Option<&str>) -> (String, bool) {
    let handshake = Handshake {
        guest: guest.map(str::to_owned),
        device: device.map(str::to_owned),
        request_id: request_id.to_owned(),
        ..Handshake::default()
    };
    let identity = decide(&authorizer(Guests::Allow, "*"), &handshake).unwrap().identity;
    (identity.user.into_string(), identity.device.is_some())
}

#[test]
fn guests_are_the_same_by_their_secret_and_never_by_their_device() {
    let guest = |request, secret, device| user(request, secret, device).0;
    assert_eq!(guest("r1", Some(SECRET), None), guest("r2", Some(SECRET), Some("web")));
    assert_ne!(guest("r1", None, Some("web")), guest("r2", None, Some("web")));
    assert_ne!(guest("r1", Some(SECRET), None), guest("r1", Some(&SECRET.to_uppercase()), None));
    assert!(!user("r1", Some(SECRET), Some("web")).1, "a guest has no device");
}

#[test]
fn nothing_that_others_see_of_a_guest_makes_another_client_that_guest() {
    let shown = user("r1", None, None).0;
    for taken in ["r1", shown.as_str(), shown.trim_start_matches("guest:")] {
        assert_ne!(user("r2", Some(taken), None).0, shown, "{taken}");
        assert_ne!(user("r2", None, Some(taken)).0, shown, "{taken}");
    }
    assert_eq!(shown.len(), "guest:".len() + 32, "128 bits: none is found by trying");
    let seen = seen(&[], &[("guest", SECRET)]);
    assert!(!seen.said.contains(SECRET), "{}", seen.said);
}

#[test]
fn a_secret_that_could_be_guessed_is_refused() {
    for bad in ["", "web", "0123456789abcdef01234", "with spaces in the middle", &"x".repeat(129)] {
        let seen = seen(&[], &[("guest", bad)]);
        assert_eq!(seen.status, 401, "{bad:?}: {}", seen.said);
        assert!(seen.reason.contains("?guest="), "{}", seen.reason);
    }
    // A client with a token is not a guest.
    let token = good_token();
    assert_eq!(seen(&[], &[("guest", "web"), ("token", &token)]).status, 101);
}

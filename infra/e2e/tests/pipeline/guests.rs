//! Tests that guests never share an identity, and that an unreadable credential does not make a
//! guest.

use e2e::{Member, everything, guest_secret, start, token};
use serde_json::{Value, json};
use tokio_tungstenite::connect_async;
use tokio_tungstenite::tungstenite::Error;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;

/// Returns the users of a room when their number is `count`.
async fn users(member: &mut Member, count: usize) -> Vec<Value> {
    loop {
        let answer = member.ask(json!({ "action": "who", "room": "lobby" })).await;
        let users = answer["ok"]["users"].as_array().unwrap_or_else(|| panic!("{answer}"));
        if users.len() == count {
            return users.clone();
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn guests_of_one_device_are_two_and_nothing_that_is_shown_makes_one_the_other() {
    let (stack, url) = start(everything()).await;
    let same_device = format!("{url}?device=web");
    let mut ada = Member::connect_with(&same_device, Some("rooms.v1")).await;
    let mut bob = Member::connect_with(&same_device, Some("rooms.v1")).await;
    ada.join("lobby").await;
    bob.join("lobby").await;
    let there = users(&mut ada, 2).await;
    assert!(there.iter().all(|user| user.get("devices").is_none_or(|devices| devices == &json!([]))), "{there:?}");
    ada.publish("lobby", "same").await;
    bob.publish("lobby", "same").await;
    ada.hear("lobby", 2).await;
    let mut all: Vec<String> = there.iter().map(|user| user["user"].as_str().unwrap().to_owned()).collect();
    let mut adversaries = Vec::new();
    // An adversary tries everything that it can see of the guests, as a secret and as a device.
    for shown in all.clone() {
        let digits = shown.trim_start_matches("guest:").to_owned();
        let tries =
            [format!("{url}?guest={digits}"), format!("{url}?device={shown}"), format!("{url}?device={digits}")];
        for taken in tries {
            let mut eve = Member::connect_with(&taken, Some("rooms.v1")).await;
            eve.join("lobby").await;
            let now: Vec<String> = users(&mut eve, all.len() + 1)
                .await
                .iter()
                .map(|user| user["user"].as_str().unwrap().to_owned())
                .collect();
            assert!(all.iter().all(|name| now.contains(name)), "{taken} is another guest: {now:?}");
            all = now;
            adversaries.push(eve);
        }
    }
    drop((ada, bob, adversaries));
    stack.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_guest_that_returns_with_its_secret_is_the_same_one() {
    let (stack, url) = start(everything()).await;
    let mut ada = Member::connect(&url, "ada").await;
    ada.join("lobby").await;
    let before = users(&mut ada, 1).await[0]["user"].clone();
    drop(ada);
    let mut ada = Member::connect(&url, "ada").await;
    ada.join("lobby").await;
    assert_eq!(users(&mut ada, 1).await[0]["user"], before);
    drop(ada);
    stack.shutdown().await;
}

/// Returns the status of a handshake with this query, header and subprotocol.
async fn status(url: &str, query: &str, authorization: Option<&str>, subprotocol: Option<&str>) -> u16 {
    let mut request = format!("{url}{query}").into_client_request().unwrap();
    let headers = request.headers_mut();
    if let Some(value) = authorization {
        headers.insert("authorization", value.parse().unwrap());
    }
    if let Some(value) = subprotocol {
        headers.insert("sec-websocket-protocol", value.parse().unwrap());
    }
    match connect_async(request).await {
        Ok(_) => 101,
        Err(Error::Http(response)) => response.status().as_u16(),
        // The handshake succeeded without the subprotocol that the client library expects.
        Err(Error::Protocol(_)) => 101,
        Err(other) => panic!("{other}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_credential_in_another_place_or_form_is_401() {
    let (stack, url) = start(everything()).await;
    let token = token(json!({ "sub": "ada" }));
    let (word, scheme, offered) = (token.clone(), format!("Token {token}"), format!("rooms.v1, jwt.{token}"));
    let access = format!("?access_token={token}");
    for (query, authorization, subprotocol) in [
        ("", Some(word.as_str()), None),
        ("", Some(scheme.as_str()), None),
        ("", Some(""), None),
        (access.as_str(), None, None),
        ("?token=", None, None),
        ("?token=a&token=b", None, None),
        ("?guest=web", None, None),
        ("", None, Some(offered.as_str())),
    ] {
        let status = status(&url, query, authorization, subprotocol).await;
        assert_eq!(status, 401, "{query} {authorization:?} {subprotocol:?}");
    }
    let bearer = format!("Bearer {token}");
    assert_eq!(status(&url, "", Some(&bearer), None).await, 101);
    assert_eq!(status(&url, &format!("?guest={}", guest_secret("ada")), None, None).await, 101);
    assert_eq!(status(&url, "", None, None).await, 101);
    stack.shutdown().await;
}

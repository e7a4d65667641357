//! Asks each question with a few connections and calls.

use std::time::{Duration, Instant};

use bytes::Bytes;
use futures::future::try_join;
use http::Method;
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::Message;

use super::client::{Client, Header, is_roomcast};
use super::questions::{Ask, QUESTIONS};
use super::{Error, Outcome, Report, Target};

/// The room of the questions.
const ROOM: &str = "conformance";
/// The longest frame of API Gateway.
const FRAME_BYTES: usize = 32 * 1024;
/// The longest message of API Gateway.
const MESSAGE_BYTES: usize = 128 * 1024;
/// Bytes of the permissions in the large context. A token has 8 KiB at most, and its claims three
/// quarters of that.
const CONTEXT_BYTES: usize = 5_000;
/// The header that offers the subprotocol.
const SUBPROTOCOL: Header<'static> = ("sec-websocket-protocol", "rooms.v1");

/// Asks all questions, one after the other. Without keys, the question about a large context is
/// left out.
pub async fn ask_all(target: &Target) -> Report {
    let mut outcomes = Vec::with_capacity(QUESTIONS.len());
    for question in QUESTIONS {
        if matches!(question.ask, Ask::LargeContext) && target.keys.is_none() {
            continue;
        }
        let outcome = match target.ask(question.ask).await {
            Err(error) => Outcome::Failed(error),
            Ok(answer) if question.expected.is_empty() => Outcome::Measured(answer),
            Ok(answer) if answer == question.expected => Outcome::Same,
            Ok(answer) => Outcome::Different(answer),
        };
        outcomes.push((question, outcome));
    }
    Report(outcomes)
}

impl Target {
    async fn ask(&self, ask: Ask) -> Result<String, Error> {
        match ask {
            Ask::Authorizer => self.handshake_status(&self.authorization(None)?).await,
            Ask::Refusal => self.handshake_status("Bearer no-token").await,
            Ask::Subprotocol => {
                let client = self.member().await?;
                Ok(client.header(SUBPROTOCOL.0).unwrap_or_default().to_owned())
            }
            Ask::Compression => {
                let offer = ("sec-websocket-extensions", "permessage-deflate");
                let client = self.connected(&self.authorization(None)?, &[SUBPROTOCOL, offer]).await?;
                Ok(client.header(offer.0).unwrap_or("not taken").to_owned())
            }
            Ask::LargeContext => self.large_context().await,
            Ask::OneWayRoute => self.one_way_route().await,
            Ask::UnknownAction => {
                let reply = self.member().await?.request(json!({ "action": "conformance" })).await?;
                let is_ours = reply["err"]["code"] == "unknown_action";
                Ok(if is_ours { "$default".to_owned() } else { reply.to_string() })
            }
            Ask::Binary => self.closed_by(Message::binary(vec![0_u8; 8])).await,
            Ask::LargeFrame => self.closed_by(Message::text("x".repeat(FRAME_BYTES + 1))).await,
            Ask::ConnectionId => Ok(shape(&self.joined().await?.1)),
            Ask::Post => self.posted(Bytes::from_static(b"{}")).await,
            Ask::LongPost => self.posted(Bytes::from("x".repeat(100_000))).await,
            Ask::TooLongPost => self.post_only(Bytes::from("x".repeat(MESSAGE_BYTES + 1))).await,
            Ask::PostOfBytes => self.post_of_bytes().await,
            Ask::Unsigned => {
                let (_client, connection) = self.joined().await?;
                Ok(self.api.call_unsigned(Method::POST, &connection).await?.summary())
            }
            Ask::WrongStage => {
                let (_client, connection) = self.joined().await?;
                Ok(self.api.call_stage(Method::GET, "no-such-stage", &connection).await?.summary())
            }
            Ask::WrongMethod => {
                let (_client, connection) = self.joined().await?;
                Ok(self.api.call(Method::PUT, &connection, Bytes::new()).await?.summary())
            }
            Ask::Unknown => {
                let answer = self.api.call(Method::POST, "AAAAAAAAAAAAAAA=", Bytes::from_static(b"{}")).await?;
                let body = if answer.body.is_empty() { "empty" } else { "with a body" };
                Ok(format!("{}, {body}", answer.summary()))
            }
            Ask::Malformed => Ok(self.api.call(Method::POST, "no-id", Bytes::from_static(b"{}")).await?.summary()),
            Ask::Get => self.fields_of_get().await,
            Ask::Delete => Ok(self.deleted().await?.0),
            Ask::GetAfterDelete => {
                let (_, connection) = self.deleted().await?;
                Ok(self.api.call(Method::GET, &connection, Bytes::new()).await?.summary())
            }
            Ask::HttpVersion => {
                let (_client, connection) = self.joined().await?;
                let answer = self.api.call(Method::GET, &connection, Bytes::new()).await?;
                Ok(format!("{:?}", answer.version))
            }
            Ask::PostTime => self.post_time().await,
            Ask::DeliveryTime => self.delivery_time().await,
        }
    }

    /// The header with a token of these permissions. Without keys it is empty, for a guest.
    fn authorization(&self, rooms: Option<Value>) -> Result<String, Error> {
        let Some(keys) = &self.keys else { return Ok(String::new()) };
        // The token expires in 2100.
        let mut claims = json!({ "sub": "conformance", "exp": 4_102_444_800_u64 });
        if let Some(rooms) = rooms {
            claims["rooms"] = rooms;
        }
        let claims = serde_json::from_value(claims).map_err(|error| Error::Request(error.to_string()))?;
        Ok(format!("Bearer {}", keys.mint(&claims, None)?))
    }

    async fn handshake(&self, authorization: &str, headers: &[Header<'_>]) -> Result<Result<Client, u16>, Error> {
        let mut headers = headers.to_vec();
        if !authorization.is_empty() {
            headers.push(("authorization", authorization));
        }
        Client::connect(&self.url, &headers).await
    }

    async fn handshake_status(&self, authorization: &str) -> Result<String, Error> {
        let status = self.handshake(authorization, &[SUBPROTOCOL]).await?.err().unwrap_or(101);
        Ok(status.to_string())
    }

    async fn connected(&self, authorization: &str, headers: &[Header<'_>]) -> Result<Client, Error> {
        let refused = |status| Error::Reply(format!("the handshake was answered with {status}"));
        self.handshake(authorization, headers).await?.map_err(refused)
    }

    async fn member(&self) -> Result<Client, Error> {
        self.connected(&self.authorization(None)?, &[SUBPROTOCOL]).await
    }

    /// Joins the room. Gives the member and its connection id, which its own publication shows.
    async fn joined(&self) -> Result<(Client, String), Error> {
        let mut client = self.member().await?;
        let joined = client.request(json!({ "action": "join", "room": ROOM })).await?;
        let problem = |reply: &Value| Error::Reply(reply.to_string());
        if joined["ok"].is_null() {
            return Err(problem(&joined));
        }
        let id = publish(&mut client).await?;
        let block = client.next_json(|frame| message(frame, &id).is_some()).await?;
        let from = message(&block, &id).and_then(|message| message["from"].as_str());
        let connection = from.ok_or_else(|| problem(&block))?.to_owned();
        Ok((client, connection))
    }

    async fn large_context(&self) -> Result<String, Error> {
        let mut patterns: Vec<String> = Vec::new();
        while patterns.iter().map(String::len).sum::<usize>() < CONTEXT_BYTES {
            patterns.push(format!("room-that-is-not-asked-for-{}:*", patterns.len()));
        }
        patterns.push(ROOM.to_owned());
        let authorization = self.authorization(Some(json!({ "join": patterns })))?;
        let mut client = self.connected(&authorization, &[SUBPROTOCOL]).await?;
        let last = client.request(json!({ "action": "join", "room": ROOM })).await?;
        let other = client.request(json!({ "action": "join", "room": "lobby" })).await?;
        let is_known = last["err"].is_null() && other["err"]["code"] == "forbidden";
        Ok(if is_known { "the last permission in it is known".to_owned() } else { format!("{last} {other}") })
    }

    /// A post delivers the publication. The route has sent every frame that is not of Roomcast.
    async fn one_way_route(&self) -> Result<String, Error> {
        let (mut client, _) = self.joined().await?;
        let text = json!({ "action": "sendMessage", "message": "conformance", "room": ROOM });
        client.send(Message::text(text.to_string())).await?;
        client.send(Message::text(json!({ "action": "ping" }).to_string())).await?;
        let (mut others, mut is_answered, mut is_delivered) = (Vec::new(), false, false);
        while !(is_answered && is_delivered) {
            let text = client.next().await?.map_err(|closed| Error::Reply(format!("closed with {closed}")))?;
            let frame: Value = serde_json::from_str(&text).unwrap_or_default();
            is_answered |= frame["sys"] == "pong";
            is_delivered |= text.contains("\"text\":\"conformance\"");
            if !is_roomcast(&text) {
                others.push(text);
            }
        }
        Ok(if others.is_empty() { "none".to_owned() } else { format!("{others:?}") })
    }

    async fn closed_by(&self, message: Message) -> Result<String, Error> {
        let mut client = self.member().await?;
        client.send(message).await?;
        loop {
            if let Err(closed) = client.next().await? {
                return Ok(closed.code.to_string());
            }
        }
    }

    async fn post_only(&self, body: Bytes) -> Result<String, Error> {
        let (_client, connection) = self.joined().await?;
        Ok(self.api.call(Method::POST, &connection, body).await?.summary())
    }

    /// Posts to a member, and describes the message that arrives.
    async fn posted(&self, body: Bytes) -> Result<String, Error> {
        let (mut client, connection) = self.joined().await?;
        let expected = String::from_utf8_lossy(&body).into_owned();
        let answer = self.api.call(Method::POST, &connection, body).await?;
        let arrived = client.next_foreign().await?.map_err(|closed| Error::Reply(format!("closed with {closed}")))?;
        let what = if arrived == expected { "one message" } else { "another message" };
        Ok(format!("{}, {what}", answer.summary()))
    }

    async fn post_of_bytes(&self) -> Result<String, Error> {
        let (mut client, connection) = self.joined().await?;
        let answer = self.api.call(Method::POST, &connection, Bytes::from_static(b"\xff")).await?;
        let arrived = match client.next_foreign().await? {
            Ok(text) if text == "\u{fffd}" => "U+FFFD".to_owned(),
            Ok(text) => format!("{text:?}"),
            Err(closed) => format!("closed with {closed}"),
        };
        Ok(format!("{}, {arrived}", answer.summary()))
    }

    async fn fields_of_get(&self) -> Result<String, Error> {
        let (_client, connection) = self.joined().await?;
        let answer = self.api.call(Method::GET, &connection, Bytes::new()).await?;
        let fields: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
        let mut names = Vec::new();
        for (name, value) in fields.as_object().into_iter().flatten() {
            match value.as_object() {
                Some(inner) => names.extend(inner.keys().map(|inner| format!("{name}.{inner}"))),
                None => names.push(name.clone()),
            }
        }
        names.sort_unstable();
        Ok(format!("{}: {}", answer.summary(), names.join(", ")))
    }

    /// Deletes a member's connection. Gives the answer with the close that the member received,
    /// and the connection id.
    async fn deleted(&self) -> Result<(String, String), Error> {
        let (mut client, connection) = self.joined().await?;
        let answer = self.api.call(Method::DELETE, &connection, Bytes::new()).await?;
        loop {
            if let Err(closed) = client.next().await? {
                return Ok((format!("{}, {closed}", answer.summary()), connection));
            }
        }
    }

    async fn post_time(&self) -> Result<String, Error> {
        let (_client, connection) = self.joined().await?;
        let mut times = Vec::new();
        for _ in 0..50 {
            let begun = Instant::now();
            self.api.call(Method::POST, &connection, Bytes::from_static(b"{}")).await?;
            times.push(begun.elapsed());
        }
        Ok(percentiles(times))
    }

    async fn delivery_time(&self) -> Result<String, Error> {
        let ((mut speaker, _), (mut listener, _)) = try_join(self.joined(), self.joined()).await?;
        let mut times = Vec::new();
        for _ in 0..20 {
            let begun = Instant::now();
            let id = publish(&mut speaker).await?;
            listener.next_json(|frame| message(frame, &id).is_some()).await?;
            times.push(begun.elapsed());
        }
        Ok(percentiles(times))
    }
}

/// Publishes to the room without waiting for the reply. Gives the id of the publication.
async fn publish(client: &mut Client) -> Result<String, Error> {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    let id = format!("conformance-{}", now.as_nanos());
    let text = json!({ "action": "publish", "room": ROOM, "pid": id, "data": null });
    client.send(Message::text(text.to_string())).await?;
    Ok(id)
}

/// The message of the publication `id` in a frame.
fn message<'a>(frame: &'a Value, id: &str) -> Option<&'a Value> {
    let blocks = frame["b"].as_array()?;
    blocks.iter().filter_map(|block| block["m"].as_array()).flatten().find(|message| message["id"] == id)
}

fn shape(id: &str) -> String {
    let is_url = |letter: u8| letter.is_ascii_alphanumeric() || matches!(letter, b'-' | b'_');
    match id.as_bytes() {
        [letters @ .., b'='] if letters.len() == 15 && letters.iter().all(|letter| is_url(*letter)) => {
            "16 characters of the URL alphabet of base64, the last =".to_owned()
        }
        _ => format!("{id:?}"),
    }
}

fn percentiles(mut times: Vec<Duration>) -> String {
    times.sort_unstable();
    let at = |share: usize| times.get((times.len() * share / 100).min(times.len() - 1)).copied().unwrap_or_default();
    let ms = |time: Duration| time.as_secs_f64() * 1_000.0;
    format!("p50 {:.1} ms, p99 {:.1} ms", ms(at(50)), ms(at(99)))
}

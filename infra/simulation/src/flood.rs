//! A member that publishes as fast as it can, and checks of the replies that it gets.

use std::collections::BTreeMap;
use std::time::Duration;

use domain::limits::CONNECTION_RATE;
use domain::{Code, ConnectionId, RoomId, Timestamp};
use protocol::reply::{Answer, Failure};
use protocol::server::ServerFrame;

use crate::due::Due;
use crate::faults::Fault;
use crate::kind::Kind;
use crate::run::Run;
use crate::stake::Stake;

/// Requests sent together, and publications in each: more than a burst of the rate.
const REQUESTS: u64 = 6;
const ITEMS: u32 = 10;
/// Ids of its requests are above all ids that a client uses.
const FIRST_ID: u64 = 1_000_000_000;
/// Requests that are judged at the same time may have begun this far apart.
const AT_THE_SAME_TIME: Duration = Duration::from_millis(250);
/// The check that the connection is still open runs this long after the flood began.
const LOOKS_AFTER_MS: u64 = 2_500;

/// The state of the member that floods.
#[derive(Debug, Default)]
pub(crate) struct Flood {
    connection: Option<ConnectionId>,
    requests: u64,
    /// Requests without a reply: the text, and whether the request repeats a refused one.
    asked: BTreeMap<u64, (String, bool)>,
    began: Timestamp,
    let_in: u64,
    /// The last refused request, and the pause after which it may be repeated.
    refused: Option<(String, Duration)>,
}

impl Run {
    /// Sends more publications at once than the rate of a connection allows, bypassing the rules of
    /// the client.
    pub(crate) fn flood(&mut self, at: usize, room: &RoomId) {
        let Some(connection) = self.members[at].links.values().next_back().cloned() else { return };
        let mut core = self.shared.lock();
        if !core.sockets.get(&connection).is_some_and(|socket| socket.open && socket.answered) {
            return;
        }
        let requests = self.flood.requests;
        self.flood = Flood { connection: Some(connection.clone()), requests, began: core.now, ..Flood::default() };
        for _ in 0..REQUESTS {
            self.flood.requests += 1;
            let id = FIRST_ID + self.flood.requests;
            let item = |n| serde_json::json!({ "pid": format!("flood{}-{n}", self.flood.requests), "data": n });
            let items: Vec<_> = (0..ITEMS).map(item).collect();
            let text = serde_json::json!({ "action": "publish", "id": id, "room": room, "items": items }).to_string();
            self.flood.asked.insert(id, (text.clone(), false));
            let latency_ms = core.dice.within(1, 30);
            core.after_ms(latency_ms, Due::FromClient(connection.clone(), text));
        }
        core.after_ms(LOOKS_AFTER_MS, Due::Flooded(connection));
    }

    /// Handles a reply to the flood; returns whether the text is one. The client itself did not
    /// send the request.
    pub(crate) fn floods_hears(&mut self, connection: &ConnectionId, text: &str) -> bool {
        if self.flood.connection.as_ref() != Some(connection) {
            return false;
        }
        let Ok(ServerFrame::Answer(Answer { id: Some(id), outcome })) = ServerFrame::parse(text) else { return false };
        let Some((said, repeats)) = self.flood.asked.remove(&id) else { return id > FIRST_ID };
        match outcome {
            Ok(_) => self.flood_let_in(&said),
            Err(failure) if failure.code == Code::RateLimited => self.flood_refused(said, repeats, &failure),
            Err(_) => {}
        }
        if repeats {
            self.shared.lock().weigh(Stake::LetIn);
        }
        self.repeat_what_was_refused(connection);
        true
    }

    /// Checks that no more publications are let in than the rate and one burst allow.
    fn flood_let_in(&mut self, said: &str) {
        let said = serde_json::from_str::<serde_json::Value>(said).unwrap_or_default();
        let Some(Ok(room)) = said["room"].as_str().map(|room| RoomId::parse(room.to_owned())) else { return };
        let ids = said["items"].as_array().into_iter().flatten().filter_map(|item| item["pid"].as_str());
        self.backend.published.extend(ids.map(|id| (room.clone(), id.to_owned())));
        self.flood.let_in += u64::from(ITEMS);
        let mut core = self.shared.lock();
        let elapsed_ms = u64::try_from(core.now.since(self.flood.began).as_millis()).unwrap_or(u64::MAX);
        let most = u64::from(CONNECTION_RATE.burst()) + CONNECTION_RATE.count_per_second() * elapsed_ms / 1_000;
        if self.flood.let_in > most && !core.faults.could(Fault::ClocksDiffer) {
            let what =
                format!("{} publications of one connection were accepted within {elapsed_ms} ms", self.flood.let_in);
            core.broke(Kind::TooFast, format!("{what}; the rate allows {most}"));
        }
    }

    /// Checks the pause in a refusal: it is longer than zero, and no longer than the rate takes
    /// after a whole burst.
    fn flood_refused(&mut self, said: String, repeats: bool, failure: &Failure) {
        let mut core = self.shared.lock();
        if core.faults.could(Fault::ClocksDiffer) || failure.field.is_some() {
            return;
        }
        core.weigh(Stake::TooFast);
        let most = CONNECTION_RATE.takes(ITEMS) + AT_THE_SAME_TIME;
        let pause = Duration::from_millis(failure.after_ms.unwrap_or_default());
        if pause.is_zero() || pause > most {
            core.broke(
                Kind::TooFast,
                format!("the pause for {ITEMS} publications is {pause:?}, and may be at most {most:?}"),
            );
        }
        if repeats && core.faults.is_calm() {
            core.broke(
                Kind::TooFast,
                format!("a request that was repeated after its pause is refused for {pause:?} more"),
            );
        }
        self.flood.refused = Some((said, pause));
    }

    /// After every request has its reply, repeats the last refused request exactly when its pause
    /// ends.
    fn repeat_what_was_refused(&mut self, connection: &ConnectionId) {
        if !self.flood.asked.is_empty() {
            return;
        }
        let Some((said, pause)) = self.flood.refused.take() else { return };
        let Some(id) = serde_json::from_str::<serde_json::Value>(&said).unwrap_or_default()["id"].as_u64() else {
            return;
        };
        self.flood.asked.insert(id, (said.clone(), true));
        let mut core = self.shared.lock();
        let then = core.now.plus(pause);
        core.at(then, Due::FromClient(connection.clone(), said));
    }

    /// Checks that a fast publisher keeps its connection.
    pub(crate) fn check_flooder_stays(&self, connection: &ConnectionId) {
        let mut core = self.shared.lock();
        let open = core.sockets.get(connection).is_some_and(|socket| socket.open && socket.held);
        if core.faults.is_calm() && !open {
            core.broke(Kind::TooFast, format!("{connection} published too fast and was closed"));
        }
    }
}

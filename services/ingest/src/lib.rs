//! The ingest function (routes `publish`, `sendMessage`, `broadcastAll`, and `$default`) validates,
//! authorises, charges, queues and accepts publications. A publication is accepted once the queue
//! has it, and not before.
//!
//! One write charges the connection; its answer also shows whether the connection is alive, and its
//! current identity. A second write charges the user, unless the connection was quiet before. One
//! read shows whether the room takes more, and one read whether the publisher has used the ids
//! before.
//!
//! The route `publish` has a route response, so every request on it is answered. The other routes
//! are one-way: a route with a response sends an empty frame when its function returns no body, and
//! clients of the classic recipes parse every frame. On these routes a post carries refusals, and
//! replies to requests with an id.

mod config;

use domain::flow::{Allowance, charge};
use domain::limits::{CONNECTION_RATE, ROOM_RATE};
use domain::ports::{self, Charges, Clock, Gateway, Rooms, Submissions};
use domain::{
    Charge, Code, DedupeKey, Delivery, Endpoint, Ephemeral, Identity, Item, PublicationId, Publisher, Reject, RoomId,
    Submission, Timestamp, UserId,
};
use futures::future::join;
use lambda_kit::start::Routes;
use lambda_kit::websocket::{Answer, Call};
use protocol::CLASSIC_ROOM;
use protocol::context::Context;
use protocol::reply::{Accepted, Done, Reply};
use protocol::request::{Action, ClassicAddress, Refused, Request};
use telemetry::{Summary, field, metric};

pub use config::Config;

/// Pause before a client repeats a request that failed because a dependency did not answer.
const RETRY_MS: u64 = 500;

/// The route whose answer is sent to the client. `infra/topology.yaml` names the same route.
pub const RESPONDING_ROUTE: &str = "publish";

/// Accepts publications and queues them.
#[derive(Debug)]
pub struct Ingest<T, Q, G, C> {
    tables: T,
    queues: Q,
    gateway: G,
    clock: C,
    endpoint: Option<Endpoint>,
}

impl<T: Charges + Rooms, Q: Submissions, G: Gateway, C: Clock> Ingest<T, Q, G, C> {
    /// Creates the function over these ports. Replies are posted to `endpoint`; without it, to the
    /// endpoint that each event names.
    #[must_use]
    pub fn new(tables: T, queues: Q, gateway: G, clock: C, endpoint: Option<Endpoint>) -> Self {
        Self { tables, queues, gateway, clock, endpoint }
    }

    async fn accept(&self, call: &Call, request: Request, summary: &mut Summary) -> Result<Accepted, Reject> {
        let now = self.clock.now();
        let context = call.connected_as()?;
        let Addressed { room, items, echo, ephemeral, accepted, may_repeat } =
            addressed(call, context, request.action)?;
        summary.set(field::ROOM_ID, room.to_string());
        items.iter().for_each(|item| summary.list(field::PUBLICATION_ID, item.id.to_string()));
        // A renewed token belongs to the same user.
        let publisher = Publisher::user(&context.identity.user);
        let keys = items.iter().filter(|_| may_repeat).map(|item| DedupeKey {
            room: room.clone(),
            publisher: publisher.clone(),
            id: item.id.clone(),
        });
        let charged = self.charge(call, &context.identity.user, &room, items.len(), now);
        let (charged, repeated) = join(charged, self.repeated(keys.collect())).await;
        let (identity, room_charged) = charged?;
        identity.check_expiry(now)?;
        if !identity.may_publish(&room) {
            let message = format!("room {room} may not be published to with this token");
            return Err(Reject::new(Code::Forbidden, message).of("room"));
        }
        // A refusal for the rate of a room shows that it is busy, so permission comes first.
        room_charged?;
        let submission = Submission {
            room,
            publisher,
            by: identity.user,
            sender: Some(call.connection.clone()),
            echo,
            accepted_at: now,
            items,
            ephemeral,
            held: None,
            reminder: None,
        };
        self.queues.submit(&submission).await.map_err(not_queued)?;
        summary.add(metric::PUBLICATIONS_ACCEPTED, submission.items.len() as u64);
        Ok(Accepted { accepted, repeated })
    }

    /// Returns those of `keys` that are remembered already: nothing is published under them. They
    /// are read before the submission is queued, so that no publication counts as a repeat of
    /// itself. Ids that are sequenced after this read are missed. If the read fails, the
    /// publication is accepted all the same.
    async fn repeated(&self, keys: Vec<DedupeKey>) -> Vec<PublicationId> {
        if keys.is_empty() {
            return Vec::new();
        }
        match self.tables.known(&keys).await {
            Ok(known) => keys.into_iter().filter(|key| known.contains_key(key)).map(|key| key.id).collect(),
            Err(error) => {
                tracing::warn!({ field::ERROR.0 } = %error, "could not read which ids are repeated; the reply names none");
                Vec::new()
            }
        }
    }

    /// Charges the connection and its user for so many publications, and returns its current
    /// identity, with the refusal of the room if its rate does not allow them. The request is
    /// refused if the rate of the connection or of the user does not allow them.
    async fn charge(
        &self,
        call: &Call,
        user: &UserId,
        room: &RoomId,
        items: usize,
        now: Timestamp,
    ) -> Result<(Identity, Result<(), Reject>), Reject> {
        let charging = charge(&self.tables, &call.connection, user, Charge::publications(items), now);
        let (charged, load) = join(charging, self.tables.room_load(room)).await;
        let (rate, burst) = (CONNECTION_RATE.count_per_second(), CONNECTION_RATE.burst());
        let too_soon = |message, pause| Reject::new(Code::RateLimited, message).after(pause);
        let standing = match charged.map_err(unavailable)? {
            Allowance::Granted(standing, ()) => standing,
            Allowance::Connection(pause) => {
                return Err(too_soon(
                    format!("a connection may publish {rate} times a second, {burst} at once"),
                    pause,
                ));
            }
            Allowance::User(pause) => {
                let message = format!("a user may publish {rate} times a second over all connections, {burst} at once");
                return Err(too_soon(message, pause));
            }
        };
        let identity = call.caller(standing)?;
        let count = u32::try_from(items).unwrap_or(u32::MAX);
        let load = load.map_err(unavailable)?;
        let room_charged = load.admit(room, &Publisher::user(user), count, now).map_err(|pause| {
            let (rate, burst) = (ROOM_RATE.count_per_second(), ROOM_RATE.burst());
            let message = format!(
                "room {room} takes {rate} publications a second, {burst} at once, and most of them from those that publish little"
            );
            too_soon(message, pause).of("room")
        });
        Ok((identity, room_charged))
    }
}

/// A dependency did not answer. The log names the error; the client is asked to try again. Requests
/// that cross or that are too many can make a call conflict or be throttled, so this is an error
/// only if no retry can help.
fn unavailable(error: ports::Error) -> Reject {
    if error.is_transient() {
        tracing::warn!({ field::ERROR.0 } = %error, "could not accept a publication for now: a call to a dependency failed; the client is asked to try again");
    } else {
        tracing::error!({ field::ERROR.0 } = %error, "could not accept a publication: a dependency refused a call; the client is asked to try again");
    }
    Reject::unavailable(RETRY_MS)
}

/// The queue did not take a publication. A transient error is `unavailable`. A refusal is final,
/// because the queue would refuse the same publication again.
fn not_queued(error: ports::Error) -> Reject {
    if error.is_transient() {
        return unavailable(error);
    }
    tracing::error!({ field::ERROR.0 } = %error, "the queue refused a publication; the client is not asked to send it again");
    Reject::field("data", "the publication was refused for good: do not send it again as it is")
}

impl<T: Charges + Rooms, Q: Submissions, G: Gateway, C: Clock> Ingest<T, Q, G, C> {
    /// Returns the answer to a request, and whether the client waits for it. The client waits for a
    /// refusal, and for the reply to a request with an id.
    async fn answer(&self, call: &Call, summary: &mut Summary) -> (Answer, bool) {
        let request = match Request::parse(&call.body) {
            Ok(request) => request,
            Err(refused) => return (Answer::refuse(&call.body, refused, summary), true),
        };
        let id = request.id;
        match self.accept(call, request, summary).await {
            Err(reject) => (Answer::refuse(&call.body, Refused { id, reject }, summary), true),
            Ok(accepted) => {
                summary.add(metric::REQUESTS_SERVED, 1);
                (Answer::say(Reply::done(id, Done::Accepted(accepted)).to_text()), id.is_some())
            }
        }
    }

    async fn post(&self, call: &Call, text: String) {
        let endpoint = self.endpoint.as_ref().unwrap_or(&call.derived_endpoint);
        let posted = self.gateway.post(endpoint, &call.connection, text.into()).await;
        if posted != Delivery::Delivered {
            let (connection, delivery) = (&call.connection, posted.as_str());
            tracing::warn!({ field::CONNECTION_ID.0 } = %connection, delivery, "could not post a reply; it is not sent again");
        }
    }
}

impl<T: Charges + Rooms, Q: Submissions, G: Gateway, C: Clock> Routes for Ingest<T, Q, G, C> {
    async fn handle(&self, call: Call, summary: &mut Summary) -> Answer {
        let (answer, is_awaited) = self.answer(&call, summary).await;
        if call.route == RESPONDING_ROUTE {
            return answer;
        }
        if let Some(text) = answer.body.filter(|_| is_awaited) {
            self.post(&call, text).await;
        }
        Answer::silent()
    }
}

/// The publications of a request, and the room that they go to.
struct Addressed {
    room: RoomId,
    items: Vec<Item>,
    echo: bool,
    ephemeral: Option<Ephemeral>,
    /// The publication ids that the reply names.
    accepted: Vec<PublicationId>,
    /// True if the ids are the client's own and are remembered. Only such an id can have been used
    /// before.
    may_repeat: bool,
}

/// Returns the publications of a request and their room. A publication without an id of its own
/// gets the gateway's id of the request.
fn addressed(call: &Call, context: &Context, action: Action) -> Result<Addressed, Reject> {
    let request = || PublicationId::parse(call.request_id.clone());
    match action {
        Action::Publish { room, items, echo } => {
            let accepted = items.iter().map(|item| item.id.clone()).collect();
            Ok(Addressed { room, items, echo, ephemeral: None, accepted, may_repeat: true })
        }
        Action::Whisper { room, pid, key, data, echo } => {
            let accepted = pid.clone().into_iter().collect();
            let items = vec![Item { id: pid.map_or_else(request, Ok)?, data }];
            let ephemeral = Some(Ephemeral { key, request: call.request_id.clone() });
            Ok(Addressed { room, items, echo, ephemeral, accepted, may_repeat: false })
        }
        Action::Classic { to, data } => {
            let room = match (to, context.room.clone()) {
                (ClassicAddress::Room(room), _) | (ClassicAddress::OwnRoom, Some(room)) => room,
                (ClassicAddress::OwnRoom, None) => RoomId::parse(CLASSIC_ROOM)?,
            };
            let id = request()?;
            let accepted = vec![id.clone()];
            let items = vec![Item { id, data }];
            Ok(Addressed { room, items, echo: true, ephemeral: None, accepted, may_repeat: false })
        }
        _ => {
            Err(Reject::new(Code::UnknownAction, "this route takes publish, sendMessage and broadcastAll").of("action"))
        }
    }
}

//! The ingest function (routes `publish`, `sendMessage`, `broadcastAll`, and `$default`): validates, authorises,
//! charges, enqueues, accepts. A publication is accepted once the queue has it, and not before.
//!
//! One write charges the connection for it, and tells that it is alive and who it is by now; one read tells whether the room
//! takes more.

mod config;

use domain::limits::{CONNECTION_RATE, ROOM_RATE};
use domain::ports::{self, Charged, Charges, Clock, Submissions};
use domain::{Code, Ephemeral, Identity, Item, PublicationId, Publisher, Reject, RoomId, Submission, Timestamp};
use futures::future::join;
use lambda_kit::start::Routes;
use lambda_kit::websocket::{Answer, Call};
use protocol::CLASSIC_ROOM;
use protocol::context::Context;
use protocol::reply::{Accepted, Done, Reply};
use protocol::request::{Action, ClassicAddress, Refused, Request};
use telemetry::{Summary, field, metric};

pub use config::Config;

/// When a client tries again after something we depend on did not answer.
const RETRY_MS: u64 = 500;

/// Takes publications in.
#[derive(Debug)]
pub struct Ingest<T, Q, C> {
    tables: T,
    queues: Q,
    clock: C,
}

impl<T: Charges, Q: Submissions, C: Clock> Ingest<T, Q, C> {
    /// Over these ports.
    #[must_use]
    pub fn new(tables: T, queues: Q, clock: C) -> Self {
        Self { tables, queues, clock }
    }

    async fn accept(&self, call: &Call, request: Request, summary: &mut Summary) -> Result<Accepted, Reject> {
        let now = self.clock.now();
        let context = call.connected_as()?;
        let Addressed { room, items, echo, ephemeral, accepted } = addressed(call, context, request.action)?;
        summary.set(field::ROOM_ID, room.to_string());
        let identity = self.charge(call, &room, items.len(), now).await?;
        identity.check_expiry(now)?;
        if !identity.may_publish(&room) {
            let message = format!("room {room} may not be published to with this token");
            return Err(Reject::new(Code::Forbidden, message).of("room"));
        }
        let submission = Submission {
            room,
            publisher: Publisher::user(&identity.user),
            by: identity.user,
            sender: Some(call.connection.clone()),
            echo,
            accepted_at: now,
            items,
            ephemeral,
        };
        self.queues.submit(&submission).await.map_err(unavailable)?;
        summary.add(metric::PUBLICATIONS_ACCEPTED, submission.items.len() as u64);
        Ok(Accepted { accepted })
    }

    /// Charges the connection, if it and the room take so many more; who it is by now.
    async fn charge(&self, call: &Call, room: &RoomId, items: usize, now: Timestamp) -> Result<Identity, Reject> {
        let count = u32::try_from(items).unwrap_or(u32::MAX);
        let charge = self.tables.charge(&call.connection, count, now);
        let (charged, busy_until) = join(charge, self.tables.room_busy_until(room)).await;
        let standing = match charged.map_err(unavailable)? {
            Charged::Granted(standing) => standing,
            Charged::TooSoon(pause) => {
                let (rate, burst) = (CONNECTION_RATE.count_per_second(), CONNECTION_RATE.burst());
                let message = format!("a connection may publish {rate} times a second, {burst} at once");
                return Err(Reject::new(Code::RateLimited, message).after(pause));
            }
        };
        let identity = call.caller(standing)?;
        if let Err(pause) = ROOM_RATE.charge(busy_until.map_err(unavailable)?, count, now) {
            let (rate, burst) = (ROOM_RATE.count_per_second(), ROOM_RATE.burst());
            let message = format!("room {room} takes {rate} publications a second, {burst} at once");
            return Err(Reject::new(Code::RateLimited, message).of("room").after(pause));
        }
        Ok(identity)
    }
}

/// Something we depend on did not answer: the log says what, the client is told to try again.
fn unavailable(error: ports::Error) -> Reject {
    tracing::error!({ field::ERROR.0 } = %error, "a publication could not be accepted");
    Reject::unavailable(RETRY_MS)
}

impl<T: Charges, Q: Submissions, C: Clock> Routes for Ingest<T, Q, C> {
    async fn handle(&self, call: Call, summary: &mut Summary) -> Answer {
        let request = match Request::parse(&call.body) {
            Ok(request) => request,
            Err(refused) => return Answer::refuse(refused, summary),
        };
        let id = request.id;
        match self.accept(&call, request, summary).await {
            Err(reject) => Answer::refuse(Refused { id, reject }, summary),
            Ok(accepted) => {
                summary.add(metric::REQUESTS_SERVED, 1);
                match id {
                    Some(_) => Answer::say(Reply::done(id, Done::Accepted(accepted)).to_text()),
                    None => Answer::silent(),
                }
            }
        }
    }
}

/// A request's publications, and where they go.
struct Addressed {
    room: RoomId,
    items: Vec<Item>,
    echo: bool,
    ephemeral: Option<Ephemeral>,
    /// What the reply names.
    accepted: Vec<PublicationId>,
}

/// Where a request's publications go. What has no id of its own is named after the gateway's id of the request.
fn addressed(call: &Call, context: &Context, action: Action) -> Result<Addressed, Reject> {
    let request = || PublicationId::parse(call.request_id.clone());
    match action {
        Action::Publish { room, items, echo } => {
            let accepted = items.iter().map(|item| item.id.clone()).collect();
            Ok(Addressed { room, items, echo, ephemeral: None, accepted })
        }
        Action::Whisper { room, pid, key, data, echo } => {
            let accepted = pid.clone().into_iter().collect();
            let items = vec![Item { id: pid.map_or_else(request, Ok)?, data }];
            let ephemeral = Some(Ephemeral { key, request: call.request_id.clone() });
            Ok(Addressed { room, items, echo, ephemeral, accepted })
        }
        Action::Classic { to, data } => {
            let room = match (to, context.room.clone()) {
                (ClassicAddress::Room(room), _) | (ClassicAddress::OwnRoom, Some(room)) => room,
                (ClassicAddress::OwnRoom, None) => RoomId::parse(CLASSIC_ROOM)?,
            };
            let id = request()?;
            let accepted = vec![id.clone()];
            Ok(Addressed { room, items: vec![Item { id, data }], echo: true, ephemeral: None, accepted })
        }
        _ => {
            Err(Reject::new(Code::UnknownAction, "this route takes publish, sendMessage and broadcastAll").of("action"))
        }
    }
}

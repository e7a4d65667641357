//! The ingest function (routes `publish`, `sendMessage`, `broadcastAll`, and `$default`): validates, authorises,
//! enqueues, accepts. A publication is accepted once the queue has it, and not before.

mod config;

use domain::ports::{Clock, Submissions};
use domain::{Code, Ephemeral, Item, PublicationId, Publisher, Reject, RoomId, Submission};
use lambda_kit::start::Routes;
use lambda_kit::websocket::{Answer, Call};
use protocol::CLASSIC_ROOM;
use protocol::context::Context;
use protocol::reply::{Accepted, Done, Reply};
use protocol::request::{Action, ClassicAddress, Refused, Request};
use telemetry::{Summary, field, metric};

pub use config::Config;

/// When a client tries again after the queue did not answer.
const RETRY_MS: u64 = 500;

/// Takes publications in.
#[derive(Debug)]
pub struct Ingest<P, C> {
    ports: P,
    clock: C,
}

impl<P: Submissions, C: Clock> Ingest<P, C> {
    /// Over these ports.
    #[must_use]
    pub fn new(ports: P, clock: C) -> Self {
        Self { ports, clock }
    }

    async fn accept(&self, call: &Call, request: Request, summary: &mut Summary) -> Result<Accepted, Reject> {
        let now = self.clock.now();
        let context = call.caller(now)?;
        let Addressed { room, items, echo, ephemeral, accepted } = addressed(call, context, request.action)?;
        if !context.identity.may_publish(&room) {
            let message = format!("room {room} may not be published to with this token");
            return Err(Reject::new(Code::Forbidden, message).of("room"));
        }
        summary.set(field::ROOM_ID, room.to_string());
        let submission = Submission {
            room,
            publisher: Publisher::user(&context.identity.user),
            by: context.identity.user.clone(),
            sender: Some(call.connection.clone()),
            echo,
            accepted_at: now,
            items,
            ephemeral,
        };
        self.ports.submit(&submission).await.map_err(|error| {
            tracing::error!({ field::ERROR.0 } = %error, "a publication could not be queued");
            Reject::unavailable(RETRY_MS)
        })?;
        summary.add(metric::PUBLICATIONS_ACCEPTED, accepted.len() as u64);
        Ok(Accepted { accepted })
    }
}

impl<P: Submissions, C: Clock> Routes for Ingest<P, C> {
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

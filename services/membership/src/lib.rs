//! The membership function (routes `join`, `leave`, `sync`, `history`, `who`, `ping`, `auth`)
//! manages memberships, replays missed publications and renews tokens.
//!
//! Every request is answered by route response, so a reply costs no post. One write charges the
//! connection for the request, records the traffic for the reaper, and shows the identity that
//! counts now. A second one charges the user, unless the request is small and the connection was
//! quiet before.

mod auth;
mod config;
mod history;
mod join;
mod ping;
mod replay;
mod who;

use std::collections::HashMap;

use domain::flow::{self, Allowance, Joiner};
use domain::ports::{
    self, Bans, Chance, Charges, Clock, Connections, Memberships, Presences, Renewals, Rooms, Rosters, Standing,
};
use domain::{Charge, Code, Endpoint, Holding, Identity, Limits, Member, Reject, RoomId, Timestamp, limits};
use lambda_kit::start::Routes;
use lambda_kit::websocket::{Answer, Call};
use protocol::reply::{Done, Reply};
use protocol::request::{Action, Refused, Request};
use protocol::server::{Return, System, system_text};
use telemetry::{Summary, field, metric};
use tokens::{CheckTokens, Verifier};

pub use config::Config;

/// Pause before a client repeats a request that failed because a dependency did not answer.
const RETRY_MS: u64 = 500;

/// The tables that this function needs.
pub trait Ports: Bans + Charges + Connections + Memberships + Rooms + Rosters + Presences + Renewals {}

impl<P: Bans + Charges + Connections + Memberships + Rooms + Rosters + Presences + Renewals> Ports for P {}

/// Answers the requests of members.
#[derive(Debug)]
pub struct Membership<P, C, R, K = Verifier> {
    ports: P,
    verifier: K,
    clock: C,
    chance: R,
    endpoint: Option<Endpoint>,
    room_members: u64,
    limits: Limits,
}

/// The answer to a request.
enum Outcome {
    /// A reply to the request.
    Done(Done),
    /// A message about the connection itself.
    System(System),
}

/// A request that is being served: its sender and its time.
struct Asked<'a> {
    identity: &'a Identity,
    joiner: Joiner,
    now: Timestamp,
}

impl<P: Ports, C: Clock, R: Chance, K: CheckTokens> Membership<P, C, R, K> {
    /// Creates the function over these ports. Members are posted to at `endpoint`; without it, at
    /// the endpoint that each event names.
    #[must_use]
    pub fn new(ports: P, verifier: K, clock: C, chance: R, endpoint: Option<Endpoint>) -> Self {
        let (room_members, limits) = (limits::ROOM_MEMBERS, Limits::default());
        Self { ports, verifier, clock, chance, endpoint, room_members, limits }
    }

    /// Sets the number of connections that a room takes.
    #[must_use]
    pub fn with_room_members(self, room_members: u64) -> Self {
        Self { room_members, ..self }
    }

    /// Sets other limits than those of [`domain::limits`].
    #[must_use]
    pub fn with_limits(self, limits: Limits) -> Self {
        Self { limits, ..self }
    }

    async fn serve(&self, call: &Call, action: Action, summary: &mut Summary) -> Result<Outcome, Reject> {
        let now = self.clock.now();
        let charge = charge(&action)?;
        // A renewed token belongs to the same user.
        let user = &call.connected_as()?.identity.user;
        let holdings = async {
            match action {
                Action::Sync { .. } | Action::Join { .. } => self.ports.holdings(&call.connection).await,
                _ => Ok(Vec::new()),
            }
        };
        let charged = flow::charge_while(&self.ports, &call.connection, user, charge, now, holdings).await;
        let (message, pause) = match charged.map_err(unavailable)? {
            Allowance::Granted(standing, holdings) => {
                return self.serve_charged(call, action, standing, holdings, now, summary).await;
            }
            Allowance::Connection(pause) => {
                ("this connection sends more requests than it may; PROTOCOL.md has their weights", pause)
            }
            Allowance::User(pause) => {
                ("the connections of this user send more requests than they may; PROTOCOL.md has their weights", pause)
            }
        };
        Err(Reject::new(Code::RateLimited, message).after(pause))
    }

    async fn serve_charged(
        &self,
        call: &Call,
        action: Action,
        standing: Standing,
        holdings: ports::Result<Vec<Holding>>,
        now: Timestamp,
        summary: &mut Summary,
    ) -> Result<Outcome, Reject> {
        if standing == Standing::Unknown {
            // The connection was removed although it still sends requests. Only a new connection
            // can be a member again.
            return Ok(Outcome::System(System::Bye { code: "not_connected".to_owned(), retry: Return::Now }));
        }
        let identity = call.caller(standing)?;
        if let Action::Auth { token } = &action {
            // The current token may have expired: that is the purpose of `auth`.
            return Ok(Outcome::Done(Done::Renewed(self.auth(call, &identity, token, now, summary).await?)));
        }
        identity.check_expiry(now)?;
        let asked = Asked { identity: &identity, joiner: self.joiner(call, &identity)?, now };
        let done = match action {
            Action::Sync { rooms } => Done::Synced(self.sync(&asked, rooms, &by_room(holdings)?, summary).await?),
            Action::Join { room, since } => {
                summary.set(field::ROOM_ID, room.to_string());
                Done::Joined(self.join(&asked, &room, since.as_ref(), &by_room(holdings)?, summary).await?)
            }
            Action::Leave { room } => self.leave(&asked, room, summary).await?,
            Action::History { room, before, limit } => Done::History(self.history(&asked, &room, before, limit).await?),
            Action::Who { room, after, limit } => {
                summary.set(field::ROOM_ID, room.to_string());
                Done::Who(self.who(&asked, room, after, limit).await?)
            }
            Action::Ping { at } => return self.ping(&asked, at).await.map(Outcome::System),
            Action::Auth { .. } | Action::Publish { .. } | Action::Whisper { .. } | Action::Classic { .. } => {
                return Err(not_of_this_route());
            }
        };
        Ok(Outcome::Done(done))
    }

    fn joiner(&self, call: &Call, identity: &Identity) -> Result<Joiner, Reject> {
        let member = Member {
            connection: call.connection.clone(),
            endpoint: self.endpoint.clone().unwrap_or_else(|| call.derived_endpoint.clone()),
            connected_at: call.connected_at,
            expires_at: identity.expires_at,
            format: call.connected_as()?.format,
            sees_members: false,
        };
        Ok(Joiner { member, user: identity.user.clone(), identity: Some(identity.clone()) })
    }

    async fn leave(&self, asked: &Asked<'_>, room: RoomId, summary: &mut Summary) -> Result<Done, Reject> {
        if room.is_everyone() || room == RoomId::inbox(&asked.identity.user) {
            let message = "a connection is in * and in its user's inbox for as long as it lives; they cannot be left";
            return Err(Reject::new(Code::InvalidRoom, message).of("room"));
        }
        let connection = &asked.joiner.member.connection;
        self.ports.leave(connection, std::slice::from_ref(&room)).await.map_err(unavailable)?;
        summary.add(metric::MEMBERS_LEFT, 1);
        Ok(Done::Left { room })
    }
}

impl<P: Ports, C: Clock, R: Chance, K: CheckTokens> Routes for Membership<P, C, R, K> {
    async fn handle(&self, call: Call, summary: &mut Summary) -> Answer {
        let Request { id, action } = match Request::parse(&call.body) {
            Ok(request) => request,
            Err(refused) => return Answer::refuse(&call.body, refused, summary),
        };
        match self.serve(&call, action, summary).await {
            Err(reject) => Answer::refuse(&call.body, Refused { id, reject }, summary),
            Ok(outcome) => {
                summary.add(metric::REQUESTS_SERVED, 1);
                match outcome {
                    Outcome::Done(done) => Answer::say(Reply::done(id, done).to_text()),
                    Outcome::System(system) => Answer::say(system_text(&system)),
                }
            }
        }
    }
}

/// Returns what a request takes from the allowance of its connection.
fn charge(action: &Action) -> Result<Charge, Reject> {
    Ok(match action {
        Action::Sync { rooms } => Charge::sync(rooms.len()),
        Action::Join { .. } => Charge::join(),
        Action::Leave { .. } => Charge::leave(),
        Action::History { limit, .. } => Charge::history(*limit),
        Action::Who { .. } => Charge::who(),
        Action::Ping { at } => Charge::ping(at.len()),
        Action::Auth { .. } => Charge::auth(),
        Action::Publish { .. } | Action::Whisper { .. } | Action::Classic { .. } => return Err(not_of_this_route()),
    })
}

fn by_room(holdings: ports::Result<Vec<Holding>>) -> Result<HashMap<RoomId, Holding>, Reject> {
    Ok(holdings.map_err(unavailable)?.into_iter().map(|held| (held.room.clone(), held)).collect())
}

fn not_of_this_route() -> Reject {
    Reject::new(Code::UnknownAction, "this route takes sync, join, leave, history, who, ping and auth").of("action")
}

fn not_connected() -> Reject {
    Reject::new(Code::NotConnected, "this connection is no longer known; connect again")
}

/// A dependency did not answer. The log names the error; the client is asked to try again. Requests
/// that cross or that are too many can make a call conflict or be throttled, so this is an error
/// only if no retry can help.
fn unavailable(error: ports::Error) -> Reject {
    if error.is_transient() {
        tracing::warn!({ field::ERROR.0 } = %error, "could not complete a request for now: a call to a dependency failed; the client is asked to try again");
    } else {
        tracing::error!({ field::ERROR.0 } = %error, "could not complete a request: a dependency refused a call; the client is asked to try again");
    }
    Reject::unavailable(RETRY_MS)
}

//! The publish-api function (HTTP API) publishes for backends that have no AWS SDK, and reads rooms
//! for them.
//!
//! A publication takes the way of every publication of a backend: the same parser of names and
//! data, the same hold beyond the rate of its room (`domain::flow::admit`), the same queue and
//! publication ids. Each backend owns its ids. Where a message of the topic `events` would become a
//! dead letter, a request is refused, and the backend keeps the publication.
//!
//! The routes of the gateway are the routes of this function: [`ROUTES`].

mod access;
mod config;
mod publish;
mod reads;

use domain::ports::{self, Clock, Commands, Holds, Presences, Rooms, Submissions};
use domain::{Backend, Code, Reject, RoomId, UserId};
use lambda_kit::http::{Request, Response};
use lambda_kit::start::Endpoints;
use protocol::backend::http::Closing;
use telemetry::{Summary, field, metric};
use tokens::CheckBackends;

pub use config::Config;

/// Publishes one publication, or several.
pub const PUBLISH: &str = "POST /rooms/{room}/publications";
/// Reads the position and the number of members of a room.
pub const ROOM: &str = "GET /rooms/{room}";
/// Reads a page of the publications of a room.
pub const HISTORY: &str = "GET /rooms/{room}/history";
/// Closes the connections of a user.
pub const CLOSE: &str = "DELETE /users/{user}/connections";
/// The routes that the function answers. `infra/topology.yaml` names the same routes.
pub const ROUTES: [&str; 4] = [PUBLISH, ROOM, HISTORY, CLOSE];

/// Pause before a backend repeats a request that failed because a dependency did not answer.
const RETRY_MS: u64 = 500;

/// The tables that this function needs.
pub trait Ports: Holds + Presences + Rooms {}

impl<P: Holds + Presences + Rooms> Ports for P {}

/// Answers the requests of backends over HTTP.
#[derive(Debug)]
pub struct PublishApi<P, Q, T, K, C> {
    tables: P,
    queues: Q,
    commands: T,
    keys: K,
    clock: C,
}

impl<P: Ports, Q: Submissions, T: Commands, K: CheckBackends, C: Clock> PublishApi<P, Q, T, K, C> {
    /// Creates the function over these ports.
    #[must_use]
    pub fn new(tables: P, queues: Q, commands: T, keys: K, clock: C) -> Self {
        Self { tables, queues, commands, keys, clock }
    }

    async fn serve(&self, request: &Request, summary: &mut Summary) -> Result<Response, Reject> {
        access::check_size(request)?;
        let parameters = access::Query::read(request)?;
        let key = access::idempotency_key(request)?;
        let backend = self.authenticate(request, &parameters, key).await?;
        match request.route.as_str() {
            PUBLISH => self.publish(request, &backend, key, summary).await,
            ROOM => self.room(&readable(request, &backend, summary)?).await,
            HISTORY => self.history(&readable(request, &backend, summary)?, &parameters).await,
            CLOSE => self.close(request, &backend).await,
            other => {
                let message = format!("there is no route {other:?}; there are {}", ROUTES.join(", "));
                Err(Reject::new(Code::UnknownAction, message))
            }
        }
    }

    async fn authenticate(
        &self,
        request: &Request,
        query: &access::Query,
        key: Option<&str>,
    ) -> Result<Backend, Reject> {
        let text = query.signed_text();
        let credential = access::credential(request, &text, key)?;
        self.keys.check_backend(credential, self.clock.now()).await.map_err(access::refused)
    }

    async fn close(&self, request: &Request, backend: &Backend) -> Result<Response, Reject> {
        let user = UserId::parse(request.parameter("user"))?;
        if !backend.scope.may_close(&user) {
            let message = format!("the connections of user {user} may not be closed with this credential");
            return Err(Reject::new(Code::Forbidden, message).of("user"));
        }
        self.commands.close_user(&user).await.map_err(unavailable)?;
        Ok(Response::json(202, &Closing { user }))
    }
}

/// Returns the room of a request that reads.
fn readable(request: &Request, backend: &Backend, summary: &mut Summary) -> Result<RoomId, Reject> {
    let room = room_of(request, summary)?;
    if backend.scope.may_read(&room) {
        return Ok(room);
    }
    let message = format!("room {room} may not be read with this credential");
    Err(Reject::new(Code::Forbidden, message).of("room"))
}

fn room_of(request: &Request, summary: &mut Summary) -> Result<RoomId, Reject> {
    let room = RoomId::parse(request.parameter("room")).map_err(|reject| reject.of("room"))?;
    summary.set(field::ROOM_ID, room.to_string());
    Ok(room)
}

/// A dependency did not answer. The log names the error; the backend is asked to try again.
fn unavailable(error: ports::Error) -> Reject {
    if error.is_transient() {
        tracing::warn!({ field::ERROR.0 } = %error, "could not complete a request over HTTP for now: a call to a dependency failed; the backend is asked to try again");
    } else {
        tracing::error!({ field::ERROR.0 } = %error, "could not complete a request over HTTP: a dependency refused a call; the backend is asked to try again");
    }
    Reject::unavailable(RETRY_MS)
}

impl<P: Ports, Q: Submissions, T: Commands, K: CheckBackends, C: Clock> Endpoints for PublishApi<P, Q, T, K, C> {
    async fn answer(&self, request: Request, summary: &mut Summary) -> Response {
        match self.serve(&request, summary).await {
            Ok(response) => {
                if response.status < 300 {
                    summary.add(metric::REQUESTS_SERVED, 1);
                }
                response
            }
            Err(reject) => Response::refuse(reject, summary),
        }
    }
}

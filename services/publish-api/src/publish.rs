//! The route that publishes: each publication of a request gets an id, and an outcome of its own.

use std::collections::{HashMap, HashSet};

use domain::flow::{Admitted, admit, is_full};
use domain::ports::{self, Clock, Commands, Submissions};
use domain::{
    Backend, Code, DedupeKey, Item, PublicationId, Publisher, Reject, Remembered, RoomId, Submission, Timestamp, limits,
};
use lambda_kit::http::{Request, Response, count_refusal, retry_after_s, status_of};
use protocol::backend::http::{Entries, Entry, Outcome, Published};
use protocol::reply::Failure;
use telemetry::{Summary, field, metric};
use tokens::CheckBackends;

use crate::{Ports, PublishApi, room_of, unavailable};

/// A publication with its id, or the reason for refusing it, with its id if it has a good one.
type Named = Result<(PublicationId, Entry), (Option<PublicationId>, Reject)>;

impl<P: Ports, Q: Submissions, T: Commands, K: CheckBackends, C: Clock> PublishApi<P, Q, T, K, C> {
    /// Queues the publications of a request, in their order. The request is refused as a whole if
    /// no publication was accepted.
    pub(crate) async fn publish(
        &self,
        request: &Request,
        backend: &Backend,
        key: Option<&str>,
        summary: &mut Summary,
    ) -> Result<Response, Reject> {
        let room = room_of(request, summary)?;
        if !backend.scope.may_publish(&room) {
            let message = format!("room {room} may not be published to with this credential");
            return Err(Reject::new(Code::Forbidden, message).of("room"));
        }
        let text = std::str::from_utf8(&request.body)
            .map_err(|_| Reject::new(Code::NotJson, "the body is not UTF-8; send JSON in UTF-8"))?;
        let entries = named(Entries::parse(text)?, key, request)?;
        let publisher = Publisher::http(&backend.name);
        let good = entries.iter().filter_map(|entry| entry.as_ref().ok());
        good.clone().for_each(|(id, _)| summary.list(field::PUBLICATION_ID, id.to_string()));
        let dedupe =
            |id: &PublicationId| DedupeKey { room: room.clone(), publisher: publisher.clone(), id: id.clone() };
        let keys: Vec<DedupeKey> = good.clone().map(|(id, _)| dedupe(id)).collect();
        let now = self.clock.now();
        let submissions: Vec<Submission> =
            good.map(|(id, entry)| submission(&room, &publisher, id, entry, now)).collect();
        // The ids are read before the publications are queued, so that none counts as a repeat of
        // itself.
        let known = self.known(&keys).await;
        let Admitted { results, held, unread } = admit(&self.tables, &self.queues, &submissions, now).await;
        if let Some(error) = unread {
            tracing::error!({ field::ERROR.0 } = %error, "could not read whether a room is held; publications over HTTP are held, or published at once if that is refused too");
        }
        summary.add(metric::PUBLICATIONS_HELD, held);
        let mut results = results.into_iter();
        let outcomes = entries.into_iter().map(|entry| match entry {
            Err((id, reject)) => Err((id, reject)),
            Ok((id, _)) => match results.next() {
                Some(Ok(())) => Ok(match known.get(&dedupe(&id)) {
                    Some(remembered) => Outcome::Repeated { id, position: remembered.position.clone() },
                    None => Outcome::Accepted { id },
                }),
                Some(Err(error)) => Err((Some(id), not_queued(&room, error))),
                None => Err((Some(id), Reject::unavailable(crate::RETRY_MS))),
            },
        });
        Ok(answer(room.clone(), outcomes.collect(), summary))
    }

    /// Returns those of `keys` that are remembered. If they cannot be read, the reply names none;
    /// nothing is published twice all the same.
    async fn known(&self, keys: &[DedupeKey]) -> HashMap<DedupeKey, Remembered> {
        if keys.is_empty() {
            return HashMap::new();
        }
        self.tables.known(keys).await.unwrap_or_else(|error| {
            tracing::warn!({ field::ERROR.0 } = %error, "could not read which ids a backend used before; the reply names none of them as repeated");
            HashMap::new()
        })
    }
}

/// Gives each publication its id: its own; else the idempotency key, with the number of the entry
/// in a list; else the gateway's id of the request. A list names no id twice.
fn named(entries: Entries, key: Option<&str>, request: &Request) -> Result<Vec<Named>, Reject> {
    let Entries { entries, is_batch } = entries;
    let is_signed =
        request.header("authorization").is_some_and(|value| !value.to_ascii_lowercase().starts_with("bearer"));
    let has_no_id = entries.iter().any(|entry| entry.as_ref().is_ok_and(|entry| entry.id.is_none()));
    if is_signed && has_no_id && key.is_none() {
        // Otherwise a copy of the request would publish it again within five minutes.
        let message = "a signed request names an id for each publication, or has the header Idempotency-Key";
        return Err(Reject::field("Idempotency-Key", message));
    }
    let base = key.unwrap_or(&request.request_id);
    let mut used = HashSet::new();
    let name = |(at, entry): (usize, Result<Entry, Reject>)| {
        let entry = entry.map_err(|reject| (None, reject))?;
        let id = match &entry.id {
            Some(id) => id.clone(),
            None => PublicationId::parse(if is_batch { format!("{base}.{at}") } else { base.to_owned() })
                .map_err(|reject| (None, reject))?,
        };
        if used.insert(id.clone()) {
            return Ok((id, entry));
        }
        let message = format!("items[{at}].id stands in the list before; each publication has an id of its own");
        Err((Some(id), Reject::field(format!("items[{at}].id"), message)))
    };
    Ok(entries.into_iter().enumerate().map(name).collect())
}

fn submission(room: &RoomId, publisher: &Publisher, id: &PublicationId, entry: &Entry, now: Timestamp) -> Submission {
    Submission {
        room: room.clone(),
        publisher: publisher.clone(),
        by: entry.by.clone(),
        sender: None,
        echo: true,
        accepted_at: now,
        items: vec![Item { id: id.clone(), data: entry.data.clone() }],
        ephemeral: None,
        held: None,
        reminder: None,
    }
}

/// The queue did not take a publication. A full hold has space again, so the backend is asked to
/// wait. Another refusal is final.
fn not_queued(room: &RoomId, error: ports::Error) -> Reject {
    if is_full(&error) {
        let most = limits::HELD_PER_ROOM;
        let message = format!("room {room} is beyond its rate, and {most} of its publications wait already");
        return Reject::new(Code::RateLimited, message).after(limits::HELD_PAUSE).of("room");
    }
    if error.is_transient() {
        return unavailable(error);
    }
    tracing::error!({ field::ERROR.0 } = %error, "the queue refused a publication over HTTP; the backend is not asked to send it again");
    Reject::field("data", "the publication was refused for good: do not send it again as it is")
}

/// 202 if every publication was accepted, 207 if some were, and otherwise the status of the first
/// refusal.
fn answer(
    room: RoomId,
    outcomes: Vec<Result<Outcome, (Option<PublicationId>, Reject)>>,
    summary: &mut Summary,
) -> Response {
    let accepted = outcomes.iter().filter(|outcome| outcome.is_ok()).count();
    summary.add(metric::PUBLICATIONS_ACCEPTED, accepted as u64);
    let first = outcomes.iter().find_map(|outcome| outcome.as_ref().err()).map(|(_, reject)| reject.clone());
    let (status, pause) = match &first {
        None => (202, None),
        Some(reject) if accepted > 0 => (207, retry_after_s(reject)),
        Some(reject) => {
            count_refusal(reject, summary);
            (status_of(reject.code), retry_after_s(reject))
        }
    };
    let err = first.filter(|_| accepted == 0).map(Failure::from);
    let outcome = |outcome: Result<Outcome, (Option<PublicationId>, Reject)>| {
        outcome.unwrap_or_else(|(id, reject)| Outcome::Refused { id, err: reject.into() })
    };
    let results = outcomes.into_iter().map(outcome).collect();
    Response { retry_after_s: pause, ..Response::json(status, &Published { room, results, err }) }
}

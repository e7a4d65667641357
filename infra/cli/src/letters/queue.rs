//! The dead-letter queues of a deployment, and their letters.

use std::collections::{BTreeMap, HashSet};
use std::time::Duration;

use aws_adapters::{OperatorQueues, StoredMessage};
use domain::{Job, RoomId, Submission};
use serde_json::Value;
use topology::{Topology, Trigger};

use crate::deployment::Deployment;
use crate::error::Error;

/// The time for which letters are hidden while they are looked at. They are released before, unless
/// the program is killed.
pub(crate) const HIDDEN_FOR: Duration = Duration::from_secs(10 * 60);

/// A dead-letter queue of the topology, and where its letters come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct DeadLetterQueue {
    /// The name in the topology.
    pub(crate) name: String,
    /// The queue whose messages it takes, if it takes those of a queue.
    pub(crate) source: Option<String>,
    /// The tables whose streams' failures it takes.
    pub(crate) tables: Vec<String>,
}

impl DeadLetterQueue {
    /// Lists the dead-letter queues of a topology, by name: of queues, and of streams.
    pub(crate) fn all(topology: &Topology) -> Vec<Self> {
        let mut found: BTreeMap<&str, Self> = BTreeMap::new();
        let new = |name: &str| Self { name: name.to_owned(), source: None, tables: Vec::new() };
        for queue in &topology.queues {
            if let Some(dead) = &queue.dead_letter {
                found.entry(&dead.queue).or_insert_with(|| new(&dead.queue)).source = Some(queue.name.clone());
            }
        }
        for (_, trigger) in topology.triggers() {
            if let Trigger::Stream(stream) = trigger
                && let Some(dead) = &stream.on_failure
            {
                found.entry(&dead.queue).or_insert_with(|| new(&dead.queue)).tables.push(stream.table.clone());
            }
        }
        found.into_values().collect()
    }

    /// Finds a dead-letter queue by its name.
    pub(crate) fn named(topology: &Topology, name: &str) -> Result<Self, Error> {
        let all = Self::all(topology);
        let known = all.iter().map(|queue| queue.name.as_str()).collect::<Vec<_>>().join(", ");
        all.into_iter().find(|queue| queue.name == name).ok_or_else(|| {
            Error::new(format!("{name:?} is no dead-letter queue; there are {known}"), "roomcast dead-letters list")
        })
    }
}

/// What a letter's attributes and body tell of its room and positions.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Contents {
    /// The room, if one is known.
    pub(crate) room: Option<RoomId>,
    /// The positions that members miss, as `EPOCH.FIRST-LAST`.
    pub(crate) missed: Option<String>,
    /// The mistake, if the function that gave up the message recorded one.
    pub(crate) reason: Option<String>,
    /// The ids of publications that have no position yet.
    pub(crate) publications: Vec<String>,
    /// The connections that lack the positions.
    pub(crate) members: Vec<String>,
}

impl Contents {
    /// Reads a letter. Queues of the product carry submissions and jobs; backends write the others.
    pub(crate) fn of(letter: &StoredMessage) -> Self {
        let attribute = |name: &str| letter.attribute(name).map(str::to_owned);
        let mut contents = Self::of_body(&letter.body);
        contents.room = attribute("room").and_then(|room| RoomId::parse(room).ok()).or(contents.room);
        contents.missed = attribute("missed").or(contents.missed);
        contents.reason = attribute("reason").or(contents.reason);
        contents
    }

    fn of_body(body: &str) -> Self {
        if let Ok(job) = protocol::queue::decode::<Job>(body) {
            let missed =
                job.work.range().map(|run| format!("{}.{}-{}", run.epoch, run.after.next().get(), run.through.get()));
            let members = match &job.work {
                domain::Work::Late { members, .. } => {
                    members.iter().map(|member| member.connection.to_string()).collect()
                }
                _ => Vec::new(),
            };
            return Self { room: Some(job.room), missed, members, ..Self::default() };
        }
        if let Ok(submission) = protocol::queue::decode::<Submission>(body) {
            let publications = submission.items.iter().map(|item| item.id.to_string()).collect();
            return Self { room: Some(submission.room), publications, ..Self::default() };
        }
        Self::of_backend(&serde_json::from_str(body).unwrap_or_default())
    }

    /// Reads an event (in SNS's envelope or raw), an outbox row, or a batch of a stream.
    fn of_backend(body: &Value) -> Self {
        let inner = body["Message"].as_str().and_then(|text| serde_json::from_str::<Value>(text).ok());
        let event = inner.as_ref().unwrap_or(body);
        let room = event["room"].as_str().or(event["room"]["S"].as_str());
        let condition = body["requestContext"]["condition"].as_str();
        let id = event["id"].as_str().or(event["publication"]["S"].as_str()).or(event["id"]["S"].as_str());
        Self {
            room: room.and_then(|room| RoomId::parse(room).ok()),
            reason: condition.map(|condition| format!("Lambda gave up a batch of a stream: {condition}")),
            publications: id.into_iter().map(str::to_owned).collect(),
            ..Self::default()
        }
    }
}

/// Receives letters of a queue, each once, and hides them.
pub(crate) struct Receiver<'a> {
    queues: &'a OperatorQueues,
    url: &'a str,
    seen: HashSet<String>,
    /// Letters that were received and not deleted.
    held: Vec<StoredMessage>,
}

impl<'a> Receiver<'a> {
    pub(crate) fn new(queues: &'a OperatorQueues, deployment: &'a Deployment, queue: &str) -> Result<Self, Error> {
        Ok(Self { queues, url: deployment.queue_url(queue)?, seen: HashSet::new(), held: Vec::new() })
    }

    /// Receives the next letters. Empty at the end.
    pub(crate) async fn next(&mut self) -> Result<Vec<StoredMessage>, Error> {
        let letters = self.queues.receive(self.url, HIDDEN_FOR).await?;
        let new: Vec<StoredMessage> =
            letters.into_iter().filter(|letter| self.seen.insert(letter.id.clone())).collect();
        Ok(new)
    }

    /// Keeps a letter in the queue. It stays hidden until the receiver ends.
    pub(crate) fn keep(&mut self, letter: StoredMessage) {
        self.held.push(letter);
    }

    /// Deletes a letter.
    pub(crate) async fn delete(&self, letter: &StoredMessage) -> Result<(), Error> {
        Ok(self.queues.delete(self.url, letter).await?)
    }

    /// Makes the letters that were kept visible again.
    pub(crate) async fn end(self) -> Result<(), Error> {
        Ok(self.queues.release(self.url, &self.held).await?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_queue_for_dead_letters_is_listed_with_its_sources() {
        let topology = Topology::parse(include_str!("../../../topology.yaml")).unwrap();
        let all = DeadLetterQueue::all(&topology);
        let named: Vec<&str> =
            topology.queues.iter().map(|queue| queue.name.as_str()).filter(|name| name.ends_with("-dead")).collect();
        assert!(named.iter().all(|name| all.iter().any(|queue| queue.name == *name)), "{named:?} {all:?}");
        let named = |name: &str| DeadLetterQueue::named(&topology, name).unwrap();
        assert_eq!(named("deliveries-dead").source.as_deref(), Some("deliveries"));
        assert_eq!((named("outbox-dead").source, named("outbox-dead").tables), (None, vec!["outbox".to_owned()]));
        assert_eq!(named("presence-dead").tables, ["connections"]);
        let error = DeadLetterQueue::named(&topology, "deliveries").unwrap_err().to_string();
        assert!(error.contains("is no dead-letter queue; there are commands-dead, deliveries-dead"), "{error}");
    }

    #[test]
    fn the_room_and_the_ids_of_a_letter_are_read_from_its_body() {
        let event = r#"{"room":"lobby","id":"order-7","data":1}"#;
        let enveloped = serde_json::json!({ "Type": "Notification", "Message": event }).to_string();
        let row = r#"{"id":{"S":"order-7"},"room":{"S":"lobby"}}"#;
        for body in [event, &enveloped, row] {
            let contents = Contents::of_body(body);
            assert_eq!(contents.room, Some(RoomId::parse("lobby").unwrap()), "{body}");
            assert_eq!(contents.publications, ["order-7"], "{body}");
        }
        let batch = r#"{"requestContext":{"condition":"RetryAttemptsExhausted"},"DDBStreamBatchInfo":{}}"#;
        assert!(Contents::of_body(batch).reason.unwrap().ends_with("RetryAttemptsExhausted"));
        assert_eq!(Contents::of_body("no JSON"), Contents::default());
    }
}

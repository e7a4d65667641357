//! The world in memory as a fixture of every contract.

use std::time::Duration;

use bytes::Bytes;
use domain::ports::Receipt;
use domain::{Check, Endpoint, Generation, Job, Line, RoomId, Submission};

use super::fixtures::{ChecksFixture, GatewayFixture, Peer, QueuesFixture, StoreFixture, Taken, Told, TopicFixture};
use super::scene::unique;
use crate::clock::TurnedClock;
use crate::memory::{self, Message, VISIBILITY};
use crate::{World, samples};

impl StoreFixture for World {
    type Store = memory::Store;
    type Clock = TurnedClock;

    fn store(&self) -> &memory::Store {
        &self.store
    }

    fn clock(&self) -> &TurnedClock {
        &self.clock
    }

    fn in_generation(&self, generation: Generation) -> memory::Store {
        self.store.set_generation(generation);
        self.store.clone()
    }

    async fn remove_head(&self, room: &RoomId) {
        self.store.restore_head(room, None);
    }
}

impl QueuesFixture for World {
    type Queues = memory::Queues;
    type Clock = TurnedClock;

    fn queues(&self) -> &memory::Queues {
        &self.queues
    }

    fn clock(&self) -> &TurnedClock {
        &self.clock
    }

    fn visibility(&self) -> Duration {
        VISIBILITY
    }

    async fn take_submissions(&self) -> Vec<Taken<Submission>> {
        self.queues.publications.take().into_iter().map(Taken::from).collect()
    }

    async fn take_held(&self) -> Vec<Taken<Submission>> {
        self.queues.publications_held.take().into_iter().map(Taken::from).collect()
    }

    async fn take_jobs(&self, line: Line) -> Vec<Taken<Job>> {
        self.queues.line(line).take().into_iter().map(Taken::from).collect()
    }

    async fn finish(&self, receipt: &Receipt) {
        let finished = self.queues.publications.finish(receipt)
            || self.queues.publications_held.finish(receipt)
            || self.queues.deliveries.finish(receipt)
            || self.queues.deliveries_wide.finish(receipt);
        assert!(finished, "{receipt:?} is not, or no longer, good");
    }
}

impl ChecksFixture for World {
    type Checks = memory::Queues;
    type Clock = TurnedClock;

    fn checks(&self) -> &memory::Queues {
        &self.queues
    }

    fn clock(&self) -> &TurnedClock {
        &self.clock
    }

    async fn take_checks(&self) -> Vec<Check> {
        self.queues.checks.take()
    }
}

impl TopicFixture for World {
    type Topic = memory::Topic;
    type Clock = TurnedClock;

    fn topic(&self) -> &memory::Topic {
        &self.topic
    }

    fn clock(&self) -> &TurnedClock {
        &self.clock
    }

    async fn take_told(&self) -> Vec<Told> {
        let attributes = |(name, value): (&str, String)| (name.to_owned(), value);
        let told = self.topic.take().into_iter();
        told.map(|activity| Told { attributes: activity.attributes().into_iter().map(attributes).collect(), activity })
            .collect()
    }
}

impl<T> From<Message<T>> for Taken<T> {
    fn from(message: Message<T>) -> Self {
        Self { receipt: message.receipt, group: message.group, body: message.body }
    }
}

impl GatewayFixture for World {
    type Gateway = memory::Gateway;
    type Clock = TurnedClock;

    fn gateway(&self) -> &memory::Gateway {
        &self.gateway
    }

    fn clock(&self) -> &TurnedClock {
        &self.clock
    }

    async fn open(&self) -> Peer {
        let connection = samples::connection_id(&unique("c"));
        self.gateway.open(&connection);
        let endpoint = Endpoint::new(samples::ENDPOINT);
        Peer { endpoint, connection }
    }

    async fn frames(&self, peer: &Peer) -> Vec<Bytes> {
        self.gateway.frames(&peer.connection)
    }

    async fn hang_up(&self, peer: &Peer) {
        self.gateway.hang_up(&peer.connection);
    }

    async fn is_closed(&self, peer: &Peer) -> bool {
        !self.gateway.is_open(&peer.connection)
    }
}

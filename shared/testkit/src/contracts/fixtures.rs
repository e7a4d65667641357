//! The parts of a test world that a promise needs besides the ports.

use std::collections::BTreeMap;
use std::future::Future;
use std::time::Duration;

use bytes::Bytes;
use domain::ports::{
    Activities, Charges, Checks, Clock, Connections, Expiries, Gateway, Jobs, Memberships, Receipt, Renewals, Retries,
    Rooms, Submissions,
};
use domain::{Activity, Check, ConnectionId, Endpoint, Generation, Job, Line, RoomId, Submission};

/// The tables. A fixture may share them with other tests.
pub trait StoreFixture: Sync {
    /// The adapter under contract.
    type Store: Charges + Connections + Memberships + Rooms + Renewals + Expiries;
    /// The clock of the adapter.
    type Clock: Clock;

    /// The adapter under contract.
    fn store(&self) -> &Self::Store;
    /// The clock of the adapter: the real time for a real service.
    fn clock(&self) -> &Self::Clock;
    /// The same store, as a deployment of another generation uses it.
    fn in_generation(&self, generation: Generation) -> Self::Store;
    /// Removes the head of a room and leaves everything else, as a restore with items of different
    /// times may.
    fn remove_head(&self, room: &RoomId) -> impl Future<Output = ()> + Send;
}

/// The queues. They are the fixture's own: no other test sends to them or takes from them.
pub trait QueuesFixture: Sync {
    /// What is under contract. Its [`Retries`] are those of all four queues.
    type Queues: Submissions + Jobs + Retries;
    /// The clock of the adapter.
    type Clock: Clock;

    /// The adapter under contract.
    fn queues(&self) -> &Self::Queues;
    /// The clock of the adapter: the real time for a real service.
    fn clock(&self) -> &Self::Clock;
    /// The visibility timeout of a message in every one of the queues. It is at least 20 s, since
    /// promises take messages without haste.
    fn visibility(&self) -> Duration;
    /// Receives up to ten messages from the queue of publications once. It need not wait for
    /// messages.
    fn take_submissions(&self) -> impl Future<Output = Vec<Taken<Submission>>> + Send;
    /// The same from the queue of held publications.
    fn take_held(&self) -> impl Future<Output = Vec<Taken<Submission>>> + Send;
    /// Receives up to ten messages from a delivery queue once. It need not wait for messages.
    fn take_jobs(&self, line: Line) -> impl Future<Output = Vec<Taken<Job>>> + Send;
    /// Deletes a message that was taken.
    fn finish(&self, receipt: &Receipt) -> impl Future<Output = ()> + Send;
}

/// A message as a receiver gets it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Taken<T> {
    /// The receipt, which deletes the message or returns it to its queue.
    pub receipt: Receipt,
    /// The FIFO group of the message.
    pub group: String,
    /// The content of the message.
    pub body: T,
}

/// The queue of checks. It is the fixture's own.
pub trait ChecksFixture: Sync {
    /// The adapter under contract.
    type Checks: Checks;
    /// The clock of the adapter.
    type Clock: Clock;

    /// The adapter under contract.
    fn checks(&self) -> &Self::Checks;
    /// The clock of the adapter: the real time for a real service.
    fn clock(&self) -> &Self::Clock;
    /// Takes and deletes checks that are due. It need not wait for messages.
    fn take_checks(&self) -> impl Future<Output = Vec<Check>> + Send;
}

/// The topic on which backends receive activity. It is the fixture's own.
pub trait TopicFixture: Sync {
    /// The adapter under contract.
    type Topic: Activities;
    /// The clock of the adapter.
    type Clock: Clock;

    /// The adapter under contract.
    fn topic(&self) -> &Self::Topic;
    /// The clock of the adapter: the real time for a real service.
    fn clock(&self) -> &Self::Clock;
    /// Takes and deletes the messages that have arrived at a subscriber without a filter. It need
    /// not wait for messages.
    fn take_told(&self) -> impl Future<Output = Vec<Told>> + Send;
}

/// A message of the topic as a subscriber receives it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Told {
    /// The content of the message.
    pub activity: Activity,
    /// The attributes on which subscriptions filter.
    pub attributes: BTreeMap<String, String>,
}

/// The gateway, with real clients.
pub trait GatewayFixture: Sync {
    /// The adapter under contract.
    type Gateway: Gateway;
    /// The clock of the adapter.
    type Clock: Clock;

    /// The adapter under contract.
    fn gateway(&self) -> &Self::Gateway;
    /// The clock of the adapter: the real time for a real service.
    fn clock(&self) -> &Self::Clock;
    /// Connects a client that is ready to receive posts.
    fn open(&self) -> impl Future<Output = Peer> + Send;
    /// The frames that the client has received so far, in order.
    fn frames(&self, peer: &Peer) -> impl Future<Output = Vec<Bytes>> + Send;
    /// Closes the connection from the client's side.
    fn hang_up(&self, peer: &Peer) -> impl Future<Output = ()> + Send;
    /// Reports whether the client's connection has been closed.
    fn is_closed(&self, peer: &Peer) -> impl Future<Output = bool> + Send;
}

/// The client's end of a connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Peer {
    /// The endpoint for posts to it.
    pub endpoint: Endpoint,
    /// The gateway's id of the connection.
    pub connection: ConnectionId,
}

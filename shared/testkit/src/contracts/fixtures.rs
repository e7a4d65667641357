//! What a promise must see besides the ports.

use std::collections::BTreeMap;
use std::future::Future;
use std::time::Duration;

use bytes::Bytes;
use domain::ports::{
    Activities, Charges, Checks, Clock, Connections, Expiries, Gateway, Jobs, Memberships, Receipt, Renewals, Retries,
    Rooms, Submissions,
};
use domain::{Activity, Check, ConnectionId, Endpoint, Generation, Job, Line, RoomId, Submission};

/// The tables. They may be shared with other tests.
pub trait StoreFixture: Sync {
    /// What is under contract.
    type Store: Charges + Connections + Memberships + Rooms + Renewals + Expiries;
    /// The time it lives in.
    type Clock: Clock;

    /// What is under contract.
    fn store(&self) -> &Self::Store;
    /// The time it lives in: real where it is real.
    fn clock(&self) -> &Self::Clock;
    /// The same store, as a deployment of another generation has it.
    fn in_generation(&self, generation: Generation) -> Self::Store;
    /// Removes the head of a room and leaves everything else, as a restore of items of different moments may.
    fn remove_head(&self, room: &RoomId) -> impl Future<Output = ()> + Send;
}

/// The queues. They are the fixture's own: no other test sends to them or takes from them.
pub trait QueuesFixture: Sync {
    /// What is under contract. Its [`Retries`] are those of all four queues.
    type Queues: Submissions + Jobs + Retries;
    /// The time they live in.
    type Clock: Clock;

    /// What is under contract.
    fn queues(&self) -> &Self::Queues;
    /// The time they live in: real where it is real.
    fn clock(&self) -> &Self::Clock;
    /// How long a message taken and not finished stays invisible in every one of the queues; at least 20 s, since
    /// promises take messages and do not hurry.
    fn visibility(&self) -> Duration;
    /// One receive of up to ten messages from the queue of publications. It need not wait for any to arrive.
    fn take_submissions(&self) -> impl Future<Output = Vec<Taken<Submission>>> + Send;
    /// The same from the queue of held publications.
    fn take_held(&self) -> impl Future<Output = Vec<Taken<Submission>>> + Send;
    /// One receive of up to ten messages from a delivery queue. It need not wait for any to arrive.
    fn take_jobs(&self, line: Line) -> impl Future<Output = Vec<Taken<Job>>> + Send;
    /// Deletes a message that was taken.
    fn finish(&self, receipt: &Receipt) -> impl Future<Output = ()> + Send;
}

/// A message as a receiver sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Taken<T> {
    /// What finishes it, or lets it come back.
    pub receipt: Receipt,
    /// Its line.
    pub group: String,
    /// What it says.
    pub body: T,
}

/// The queue of checks. It is the fixture's own.
pub trait ChecksFixture: Sync {
    /// What is under contract.
    type Checks: Checks;
    /// The time it lives in.
    type Clock: Clock;

    /// What is under contract.
    fn checks(&self) -> &Self::Checks;
    /// The time it lives in: real where it is real.
    fn clock(&self) -> &Self::Clock;
    /// Takes checks that are due, for good. It need not wait for any to arrive.
    fn take_checks(&self) -> impl Future<Output = Vec<Check>> + Send;
}

/// The topic that backends listen to. It is the fixture's own.
pub trait TopicFixture: Sync {
    /// What is under contract.
    type Topic: Activities;
    /// The time it lives in.
    type Clock: Clock;

    /// What is under contract.
    fn topic(&self) -> &Self::Topic;
    /// The time it lives in: real where it is real.
    fn clock(&self) -> &Self::Clock;
    /// Takes what has arrived at a subscriber to everything, for good. It need not wait for any to arrive.
    fn take_told(&self) -> impl Future<Output = Vec<Told>> + Send;
}

/// A message of the topic as a subscriber sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Told {
    /// What it says.
    pub activity: Activity,
    /// What subscriptions filter on.
    pub attributes: BTreeMap<String, String>,
}

/// The gateway, and real peers.
pub trait GatewayFixture: Sync {
    /// What is under contract.
    type Gateway: Gateway;
    /// The time it lives in.
    type Clock: Clock;

    /// What is under contract.
    fn gateway(&self) -> &Self::Gateway;
    /// The time it lives in: real where it is real.
    fn clock(&self) -> &Self::Clock;
    /// Connects a peer, ready to be posted to.
    fn open(&self) -> impl Future<Output = Peer> + Send;
    /// What the peer has received so far, in order.
    fn frames(&self, peer: &Peer) -> impl Future<Output = Vec<Bytes>> + Send;
    /// The peer closes its side.
    fn hang_up(&self, peer: &Peer) -> impl Future<Output = ()> + Send;
    /// Whether the peer has seen its connection closed.
    fn is_closed(&self, peer: &Peer) -> impl Future<Output = bool> + Send;
}

/// The client's end of a connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Peer {
    /// Where it is posted to.
    pub endpoint: Endpoint,
    /// The gateway's id for it.
    pub connection: ConnectionId,
}

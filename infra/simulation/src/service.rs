//! The deployed functions, each wired to the ports of its process.

use authorizer::{Authorizer, Handshake, Refusal};
use connect::Connect;
use disconnect::Disconnect;
use domain::{Endpoint, Kinds, Limits, limits};
use events::{Events, Source};
use fanout::Fanout;
use ingest::Ingest;
use lambda_kit::Deadline;
use lambda_kit::batch::{Failed, Message};
use lambda_kit::start::{Batches, Records, Routes};
use lambda_kit::websocket::{Answer, Call};
use membership::Membership;
use outbox::Outbox;
use presence::Keeper;
use protocol::backend::Wrapping;
use protocol::context::Context;
use protocol::stream::Record;
use reaper::Reaper;
use sequencer::Sequencer;
use telemetry::Summary;
use testkit::chance::Seeded;
use testkit::faults::Faulty;
use testkit::memory::{Store, Topic};

use crate::backend::COMMANDS;
use crate::gateway::Management;
use crate::hand::{Hand, OwnClock};
use crate::hands::Hands;
use crate::mistake::Mistake;
use crate::mistaken::Mistaken;
use crate::sources::ENDPOINT;
use crate::{sources, tokens};

type Tables = Faulty<Store, Hand>;
type Queues = Faulty<Mistaken, Hand>;
type Gateway = Faulty<Management, Hand>;
type Activities = Faulty<Topic, Hand>;

/// A function of the product.
pub(crate) enum Service {
    Authorizer(Authorizer<OwnClock>),
    Connect(Connect<Tables, Gateway, OwnClock>),
    Disconnect(Disconnect<Tables, OwnClock>),
    Ingest(Ingest<Tables, Queues, Gateway, OwnClock>),
    Membership(Membership<Tables, OwnClock, Seeded>),
    Sequencer(Sequencer<Tables, Queues, OwnClock, Seeded>),
    Fanout(Fanout<(Tables, Queues, Gateway, OwnClock, Seeded)>),
    Events(Events<Tables, Queues, Gateway, OwnClock, Seeded>),
    Presence(Keeper<Tables, Queues, Activities, OwnClock, Seeded>),
    Outbox(Outbox<Tables, Queues, OwnClock>),
    Reaper(Reaper<Tables, Gateway, OwnClock>),
}

impl Service {
    /// The function with this name. Any other name stands for the membership function, which has
    /// most routes.
    pub(crate) fn of(function: &str, hands: Hands, mistake: Option<Mistake>, limits: Limits) -> Self {
        let Hands { tables, queues, gateway, topic, clock, chance } = hands;
        let endpoint = Some(Endpoint::new(ENDPOINT));
        match function {
            "authorizer" => Self::Authorizer(Authorizer::new(tokens::config(mistake), clock)),
            "connect" => Self::Connect(Connect::new(tables, gateway, clock, endpoint)),
            "disconnect" => Self::Disconnect(Disconnect::new(tables, clock)),
            "ingest" => Self::Ingest(Ingest::new(tables, queues, gateway, clock, endpoint)),
            "sequencer" => Self::Sequencer(Sequencer::new(tables, queues, clock, chance).with_limits(limits)),
            "fanout" => Self::Fanout(Fanout::new(tables, queues, gateway, clock, chance).with_limits(limits)),
            "events" => {
                let source = Source::of_queue(COMMANDS, Wrapping::Raw);
                Self::Events(Events::new(tables, queues, gateway, clock, chance, source))
            }
            "presence" => {
                let keeper = Keeper::new(tables, queues, topic, clock, chance, sources::read);
                Self::Presence(keeper.telling(Kinds::all()))
            }
            "outbox" => Self::Outbox(Outbox::new(tables, queues, clock)),
            "reaper" => Self::Reaper(Reaper::new(tables, gateway, clock, limits::STALE)),
            _ => {
                let membership = Membership::new(tables, tokens::verifier(), clock, chance, endpoint);
                Self::Membership(membership.with_limits(limits))
            }
        }
    }

    /// The context that the authorizer returns for a handshake, as the gateway repeats it on every
    /// later event, or the status of its refusal.
    pub(crate) async fn decide(&self, handshake: &Handshake) -> Result<Box<Context>, u16> {
        let Self::Authorizer(authorizer) = self else { return Err(500) };
        match authorizer.decide(handshake).await.map(|context| context.to_map()) {
            Ok(map) => Context::from_lookup(|name| map.get(name).cloned()).map(Box::new).map_err(|_| 500),
            Err(Refusal::Unauthorized(_)) => Err(401),
            Err(Refusal::Forbidden(_)) => Err(403),
        }
    }

    /// Handles the event of a route and returns the answer; `None` for a function without routes.
    pub(crate) async fn call(&self, call: Call, summary: &mut Summary) -> Option<Answer> {
        Some(match self {
            Self::Connect(connect) => connect.handle(call, summary).await,
            Self::Disconnect(disconnect) => disconnect.handle(call, summary).await,
            Self::Ingest(ingest) => ingest.handle(call, summary).await,
            Self::Membership(membership) => membership.handle(call, summary).await,
            _ => return None,
        })
    }

    /// Handles a batch and returns the messages that return to the queue.
    pub(crate) async fn batch(
        &self,
        groups: Vec<Vec<Message>>,
        deadline: Deadline,
        summary: &mut Summary,
    ) -> Vec<Failed> {
        match self {
            Self::Sequencer(sequencer) => sequencer.handle(groups, deadline, summary).await,
            Self::Fanout(fanout) => fanout.handle(groups, deadline, summary).await,
            Self::Events(events) => events.handle(groups, deadline, summary).await,
            Self::Presence(keeper) => keeper.handle(groups, deadline, summary).await,
            _ => Vec::new(),
        }
    }

    /// Handles records and returns the sequence numbers of those that failed.
    pub(crate) async fn records(&self, records: Vec<Record>, deadline: Deadline, summary: &mut Summary) -> Vec<String> {
        match self {
            Self::Outbox(outbox) => outbox.handle_records(records, deadline, summary).await,
            Self::Presence(keeper) => keeper.handle_records(records, deadline, summary).await,
            _ => Vec::new(),
        }
    }

    /// Runs the reaper once. The next run continues the work of a failed one.
    pub(crate) async fn reap(&self, deadline: Deadline, summary: &mut Summary) {
        if let Self::Reaper(reaper) = self {
            let _ = reaper.run(deadline, summary).await;
        }
    }
}

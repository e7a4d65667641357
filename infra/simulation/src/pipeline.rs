//! The functions as they are deployed, each invocation in a process of its own: nothing in memory outlives it.

use std::time::Duration;

use authorizer::{Authorizer, Handshake, Refusal};
use connect::Connect;
use disconnect::Disconnect;
use domain::ports::Clock;
use domain::{Endpoint, Kinds, limits};
use events::Events;
use fanout::Fanout;
use ingest::Ingest;
use lambda_kit::batch::{Failed, Message, report};
use lambda_kit::start::{Batches, Records, Routes};
use lambda_kit::websocket::{Answer, Call};
use membership::Membership;
use outbox::Outbox;
use presence::Keeper;
use protocol::context::Context;
use protocol::stream::Record;
use reaper::Reaper;
use sequencer::Sequencer;
use telemetry::Summary;
use testkit::chance::Seeded;
use testkit::faults::Faulty;
use testkit::memory::{Bug, Queues, Store, Topic};

use crate::backend::COMMANDS;
use crate::core::Shared;
use crate::executor::{Executor, TaskId};
use crate::faults::Fault;
use crate::hands::Hands;
use crate::mistake::Mistake;
use crate::sources::ENDPOINT;
use crate::{sources, tokens};

/// How an invocation ended.
#[derive(Debug)]
pub(crate) enum Outcome {
    /// A handshake may go on, or is refused with that status.
    Authorized(Result<Box<Context>, u16>),
    /// A route answered.
    Answered(Answer),
    /// A batch was worked off; these come back.
    Batch(Vec<Failed>),
    /// Records were worked off; these failed.
    Records(Vec<String>),
    /// A schedule's run is over.
    Run,
}

/// What every invocation is wired to.
#[derive(Clone)]
pub(crate) struct Pipeline {
    /// The run.
    pub(crate) shared: Shared,
    /// The tables.
    pub(crate) store: Store,
    /// The queues.
    pub(crate) queues: Queues,
    /// What backends hear.
    pub(crate) topic: Topic,
    /// A mistake that is made.
    pub(crate) mistake: Option<Mistake>,
    /// The same, if what functions are wired to makes it.
    pub(crate) bug: Option<Bug>,
    /// Chance of the functions.
    pub(crate) chance: Seeded,
}

impl Pipeline {
    /// Starts an invocation of the authorizer. What it says of a connection is repeated on every later event, as text.
    pub(crate) fn authorize(&self, executor: &mut Executor, task: TaskId, handshake: Handshake) {
        let Hands { hand, clock, .. } = self.hands(task, "authorizer");
        let authorizer = Authorizer::new(tokens::config(self.mistake), clock);
        let shared = self.shared.clone();
        self.run(executor, task, async move {
            hand.answers(false).await;
            let decided = authorizer.decide(&handshake).await.map(|context| context.to_map());
            hand.answers(true).await;
            let decided = match decided {
                Ok(map) => Context::from_lookup(|name| map.get(name).cloned()).map(Box::new).map_err(|_| 500),
                Err(Refusal::Unauthorized(_)) => Err(401),
                Err(Refusal::Forbidden(_)) => Err(403),
            };
            shared.lock().done.push((task, Outcome::Authorized(decided)));
        });
    }

    /// Starts an invocation of a route.
    pub(crate) fn call(&self, executor: &mut Executor, task: TaskId, function: &'static str, call: Call) {
        let Hands { tables, queues, gateway, clock, chance, .. } = self.hands(task, function);
        let endpoint = Some(Endpoint::new(ENDPOINT));
        let shared = self.shared.clone();
        let verifier = tokens::verifier();
        let answer = async move {
            let mut summary = Summary::new(function);
            match function {
                "connect" => Connect::new(tables, clock, endpoint).handle(call, &mut summary).await,
                "disconnect" => Disconnect::new(tables, clock).handle(call, &mut summary).await,
                "ingest" => Ingest::new(tables, queues, gateway, clock, endpoint).handle(call, &mut summary).await,
                _ => {
                    let membership = Membership::new(tables, verifier, clock, chance, endpoint);
                    membership.handle(call, &mut summary).await
                }
            }
        };
        self.run(executor, task, async move {
            let answer = answer.await;
            shared.lock().done.push((task, Outcome::Answered(answer)));
        });
    }

    /// Starts an invocation of a queue's function.
    pub(crate) fn batch(&self, executor: &mut Executor, task: TaskId, function: &'static str, messages: Vec<Message>) {
        let Hands { hand, tables, queues, gateway, topic, clock, chance, deadline } = self.hands(task, function);
        let retries = Faulty::new(self.queues.clone(), hand);
        let own_clock = clock.clone();
        let shared = self.shared.clone();
        let mut groups: Vec<Vec<Message>> = Vec::new();
        for message in messages {
            match groups.iter_mut().find(|group| group[0].group == message.group) {
                Some(group) => group.push(message),
                None => groups.push(vec![message]),
            }
        }
        self.run(executor, task, async move {
            let mut summary = Summary::new(function);
            let summary = &mut summary;
            let failed = match function {
                "sequencer" => Sequencer::new(tables, queues, clock, chance).handle(groups, deadline, summary).await,
                "fanout" => Fanout::new(tables, queues, gateway, clock, chance).handle(groups, deadline, summary).await,
                "events" => {
                    let events = Events::new(tables, queues, gateway, clock, chance, vec![COMMANDS.to_owned()]);
                    events.handle(groups, deadline, summary).await
                }
                _ => {
                    let keeper = Keeper::new(tables, queues, topic, clock, chance, sources::read);
                    keeper.telling(Kinds::all()).handle(groups, deadline, summary).await
                }
            };
            let kept = failed.clone();
            report(failed, &retries, deadline, &own_clock, summary).await;
            shared.lock().done.push((task, Outcome::Batch(kept)));
        });
    }

    /// Starts an invocation with records of a stream.
    pub(crate) fn records(&self, executor: &mut Executor, task: TaskId, function: &'static str, records: Vec<Record>) {
        let Hands { tables, queues, topic, clock, chance, deadline, .. } = self.hands(task, function);
        let shared = self.shared.clone();
        self.run(executor, task, async move {
            if function == "outbox" {
                let outbox = Outbox::new(tables, queues, clock);
                let failed = outbox.handle_records(records, deadline, &mut Summary::new(function)).await;
                return shared.lock().done.push((task, Outcome::Records(failed)));
            }
            let keeper = Keeper::new(tables, queues, topic, clock, chance, sources::read).telling(Kinds::all());
            let failed = keeper.handle_records(records, deadline, &mut Summary::new("presence")).await;
            shared.lock().done.push((task, Outcome::Records(failed)));
        });
    }

    /// Starts a run of the reaper.
    pub(crate) fn reap(&self, executor: &mut Executor, task: TaskId) {
        let Hands { tables, gateway, clock, deadline, .. } = self.hands(task, "reaper");
        let shared = self.shared.clone();
        self.run(executor, task, async move {
            let reaper = Reaper::new(tables, gateway, clock, limits::STALE);
            // A run that failed goes on in the next.
            let _ = reaper.run(deadline, &mut Summary::new("reaper")).await;
            shared.lock().done.push((task, Outcome::Run));
        });
    }

    /// Starts it, at once or late.
    fn run(&self, executor: &mut Executor, task: TaskId, work: impl Future<Output = ()> + Send + 'static) {
        let late_ms = {
            let mut core = self.shared.lock();
            let late = core.fires(Fault::ColdStorm, || "an invocation".to_owned());
            if late { core.dice.below(3_000) } else { core.dice.below(4) }
        };
        let clock = self.shared.clock.clone();
        executor.spawn(task, async move {
            clock.sleep(Duration::from_millis(late_ms)).await;
            work.await;
        });
    }
}

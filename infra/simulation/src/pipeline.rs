//! Invocations of the functions, each in a process of its own or in one that served others before.

use std::time::Duration;

use authorizer::Handshake;
use domain::ports::Clock;
use lambda_kit::batch::{Failed, Message, report};
use lambda_kit::websocket::{Answer, Call};
use protocol::context::Context;
use protocol::stream::Record;
use telemetry::Summary;
use testkit::chance::Seeded;
use testkit::memory::{Bug, Queues, Store, Topic};

use crate::core::Shared;
use crate::executor::{Executor, TaskId};
use crate::faults::Fault;
use crate::hands::Idle;
use crate::mistake::Mistake;
use crate::scale::Scale;

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
    /// The limits of the run.
    pub(crate) scale: Scale,
    /// Processes that may serve the next invocation.
    pub(crate) idle: Idle,
}

impl Pipeline {
    /// Starts an invocation of the authorizer. What it says of a connection is repeated on every later event, as text.
    pub(crate) fn authorize(&self, executor: &mut Executor, task: TaskId, handshake: Handshake) {
        let (process, _) = self.process(task, "authorizer");
        let (shared, idle) = (self.shared.clone(), self.idle.clone());
        self.run(executor, task, async move {
            process.hand.answers(false).await;
            let decided = process.service.decide(&handshake).await;
            process.hand.answers(true).await;
            idle.give_back(process);
            shared.lock().done.push((task, Outcome::Authorized(decided)));
        });
    }

    /// Starts an invocation of a route.
    pub(crate) fn call(&self, executor: &mut Executor, task: TaskId, function: &'static str, call: Call) {
        let (process, _) = self.process(task, function);
        let (shared, idle) = (self.shared.clone(), self.idle.clone());
        self.run(executor, task, async move {
            let answer = process.service.call(call, &mut Summary::new(function)).await;
            idle.give_back(process);
            let answer = answer.unwrap_or_else(Answer::silent);
            shared.lock().done.push((task, Outcome::Answered(answer)));
        });
    }

    /// Starts an invocation of a queue's function.
    pub(crate) fn batch(&self, executor: &mut Executor, task: TaskId, function: &'static str, messages: Vec<Message>) {
        let (process, deadline) = self.process(task, function);
        let (shared, idle, mistake) = (self.shared.clone(), self.idle.clone(), self.mistake);
        let mut groups: Vec<Vec<Message>> = Vec::new();
        for message in messages {
            match groups.iter_mut().find(|group| group[0].group == message.group) {
                Some(group) => group.push(message),
                None => groups.push(vec![message]),
            }
        }
        self.run(executor, task, async move {
            let mut summary = Summary::new(function);
            let mut failed = process.service.batch(groups, deadline, &mut summary).await;
            if mistake == Some(Mistake::LastFailureOnly) {
                failed = failed.pop().into_iter().collect();
            }
            let kept = failed.clone();
            report(failed, &process.retries, deadline, process.clock(), &mut summary).await;
            idle.give_back(process);
            shared.lock().done.push((task, Outcome::Batch(kept)));
        });
    }

    /// Starts an invocation with records of a stream.
    pub(crate) fn records(&self, executor: &mut Executor, task: TaskId, function: &'static str, records: Vec<Record>) {
        let (process, deadline) = self.process(task, function);
        let (shared, idle) = (self.shared.clone(), self.idle.clone());
        self.run(executor, task, async move {
            let failed = process.service.records(records, deadline, &mut Summary::new(function)).await;
            idle.give_back(process);
            shared.lock().done.push((task, Outcome::Records(failed)));
        });
    }

    /// Starts a run of the reaper.
    pub(crate) fn reap(&self, executor: &mut Executor, task: TaskId) {
        let (process, deadline) = self.process(task, "reaper");
        let (shared, idle) = (self.shared.clone(), self.idle.clone());
        self.run(executor, task, async move {
            process.service.reap(deadline, &mut Summary::new("reaper")).await;
            idle.give_back(process);
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

//! Invocations of the functions, each in a new process or in one that served earlier invocations.

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

/// The result of an invocation that ended by itself.
#[derive(Debug)]
pub(crate) enum Outcome {
    /// A handshake is allowed with this context, or refused with this status.
    Authorized(Result<Box<Context>, u16>),
    /// A route returned an answer.
    Answered(Answer),
    /// A batch was processed; these messages return to their queue.
    Batch(Vec<Failed>),
    /// Records were processed; these failed.
    Records(Vec<String>),
    /// A scheduled run is over.
    Run,
}

/// Everything that an invocation is wired to.
#[derive(Clone)]
pub(crate) struct Pipeline {
    /// The state that the whole run shares.
    pub(crate) shared: Shared,
    /// The memory adapters of the tables.
    pub(crate) store: Store,
    /// The memory adapters of the queues.
    pub(crate) queues: Queues,
    /// The topic on which backends receive activity.
    pub(crate) topic: Topic,
    /// The mistake that the run makes on purpose.
    pub(crate) mistake: Option<Mistake>,
    /// The same mistake, if a memory adapter makes it.
    pub(crate) bug: Option<Bug>,
    /// The random numbers that functions draw.
    pub(crate) chance: Seeded,
    /// The limits of the run.
    pub(crate) scale: Scale,
    /// Processes that may serve the next invocation.
    pub(crate) idle: Idle,
}

impl Pipeline {
    /// Starts an invocation of the authorizer. API Gateway repeats its context, as text, on every
    /// later event of the connection.
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
            if mistake == Some(Mistake::ReminderDropped) {
                failed.retain(|failed| !failed.message.group.ends_with(".reminders"));
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

    /// Starts the work of an invocation, at once or after the delay of a cold start.
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

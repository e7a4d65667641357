//! One run: members, backends and functions act step by step, until everything owed must be
//! delivered and everything closed must be removed.

use std::collections::{BTreeMap, BTreeSet};

use domain::{ConnectionId, RoomId, Timestamp};
use roomcast_client::rules::Loss;
use testkit::samples;

use crate::backend::Backend;
use crate::belonging::Belonging;
use crate::chance::Dice;
use crate::core::Shared;
use crate::due::Due;
use crate::ephemeral::Author;
use crate::executor::{Executor, TaskId};
use crate::faults::{Fault, Faults};
use crate::feeds::Feeds;
use crate::flood::Flood;
use crate::leaves::Leaves;
use crate::members::Member;
use crate::mistake::Mistake;
use crate::pipeline::Pipeline;
use crate::report::{Options, Report};
use crate::scale::Scale;
use crate::script::Script;
use crate::served::Served;
use crate::silent::{Excuses, Silent};
use crate::step::PLACES;
use crate::tokens::Token;
use crate::trouble::Trouble;
/// The time between two runs of the reaper.
pub(crate) const REAPER_EVERY_MS: u64 = 60_000;

/// The state of one run: the pipeline, the members, and what the checks remember.
pub struct Run {
    pub(crate) shared: Shared,
    pub(crate) executor: Executor,
    pub(crate) pipeline: Pipeline,
    pub(crate) feeds: Feeds,
    pub(crate) members: Vec<Member>,
    pub(crate) mistake: Option<Mistake>,
    pub(crate) connections: u64,
    pub(crate) requests: u64,
    pub(crate) published: u64,
    /// Each connection's membership of each room, as the stream of the table reported it.
    pub(crate) belonged: BTreeMap<(ConnectionId, RoomId), Belonging>,
    pub(crate) restored: BTreeSet<RoomId>,
    /// The events and commands of backends.
    pub(crate) backend: Backend,
    /// When a backend published the event or row of an id.
    pub(crate) said_at: BTreeMap<String, Timestamp>,
    /// The sender and the room of each ephemeral publication, by its text.
    pub(crate) said: BTreeMap<String, Author>,
    /// Publications that their own connection must not receive, because it asked for no echo.
    pub(crate) quiet: BTreeSet<(ConnectionId, String)>,
    /// Ids of quiet publications that were also published with an echo.
    pub(crate) loud: BTreeSet<String>,
    /// Issued tokens, by their text.
    pub(crate) issued: BTreeMap<String, Token>,
    /// No token is issued before this time.
    pub(crate) no_tokens_until: Timestamp,
    /// Connections whose end `$disconnect` has reported.
    pub(crate) said_gone: BTreeSet<ConnectionId>,
    /// The member that publishes as fast as it can.
    pub(crate) flood: Flood,
    /// Connections that received the confirmation of a leave.
    pub(crate) leaves: Leaves,
    /// The trouble of one room or one member.
    pub(crate) trouble: Option<Trouble>,
    /// Losses that a client detects only with a keep-alive.
    pub(crate) silent: Silent,
    /// The members that each publication was owed to, when it got its position.
    pub(crate) served: Served,
    /// Since when each connection is stored.
    pub(crate) opened: BTreeMap<ConnectionId, Timestamp>,
    /// Results of the comparison of members with heads, 90 s after the faults ended.
    pub(crate) excuses: Excuses,
    pub(crate) order: Dice,
    /// Chance for the sizes of publications.
    pub(crate) sizes: Dice,
    /// The number of requests for history and member lists so far.
    pub(crate) questions: u64,
    pub(crate) ended: bool,
}

/// Runs one seed and returns its report.
#[must_use]
pub fn run(seed: u64, options: &Options) -> Report {
    let faults = Faults::of(seed, &options.without);
    let chosen = faults.chosen();
    let trouble = Trouble::of(seed, &faults);
    let scale = Scale::of(seed, &faults, trouble);
    let script = Script::of(seed, &faults, trouble, &scale);
    let steps = script.steps.len();
    let mut run = Run::new(seed, faults, &script, scale, options);
    run.go();
    let conditions_failed = run.pipeline.store.conditions_failed();
    let core = &mut *run.shared.lock();
    for _ in 0..conditions_failed {
        core.faults.note(Fault::ConditionFailed);
    }
    let rooms = PLACES.map(|name| run.pipeline.store.publications(&samples::room(name)).len() as u64);
    Report {
        seed,
        broken: std::mem::take(&mut core.broken),
        fired: core.faults.fired().clone(),
        points: std::mem::take(&mut core.points),
        deliveries: run.members.iter().map(|member| member.heard_in_all()).sum(),
        publications: rooms.iter().sum(),
        stakes: std::mem::take(&mut core.stakes),
        excuses: run.excuses,
        chosen,
        steps,
        story: core.story.take().unwrap_or_default(),
    }
}

impl Run {
    fn go(&mut self) {
        let people: Vec<usize> = (0..self.members.len()).filter(|at| self.members[*at].stranger.is_none()).collect();
        people.into_iter().for_each(|at| self.begin(at));
        while !self.ended {
            if let Some((task, _)) = self.executor.step(&self.order) {
                // Immediately: a change is judged by the state at the moment of the change.
                self.tell_stream();
                self.note_positions();
                self.after_step(task);
                continue;
            }
            if self.feed() {
                continue;
            }
            let Some(next) = self.next_at() else { break };
            self.pipeline.shared.clock.set(next);
            self.shared.lock().now = next;
            loop {
                let due = self.shared.lock().pop();
                let Some(due) = due else { break };
                self.due(due);
            }
        }
    }

    /// The next time at which something can happen.
    fn next_at(&self) -> Option<Timestamp> {
        let (now, agenda) = {
            let core = self.shared.lock();
            (core.now, core.next_at())
        };
        let queues = &self.pipeline.queues;
        let checks = queues.checks.waiting().iter().map(|(at, _)| *at).filter(|at| *at > now).min();
        let times = [
            agenda,
            self.shared.clock.next_wakeup(),
            queues.events_ordered.next_visible_at(),
            queues.publications.next_visible_at(),
            queues.publications_held.next_visible_at(),
            queues.deliveries.next_visible_at(),
            queues.deliveries_wide.next_visible_at(),
            self.feeds.next_at(now),
            checks,
        ];
        times.into_iter().flatten().min()
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.shared.lock().now
    }

    pub(crate) fn now_ms(&self) -> u64 {
        let core = self.shared.lock();
        u64::try_from(core.now.since(core.began).as_millis()).unwrap_or(u64::MAX)
    }

    /// Handles the end of a step of an invocation: the invocation may have been killed there, or
    /// may have ended.
    fn after_step(&mut self, task: TaskId) {
        let (killed, done) = {
            let mut core = self.shared.lock();
            let killed = core.kills.iter().position(|one| *one == task).map(|at| core.kills.remove(at)).is_some();
            (killed, std::mem::take(&mut core.done))
        };
        if killed {
            self.executor.kill(task);
            self.came_to_nothing(task);
        }
        for (task, outcome) in done {
            self.ended(task, outcome);
        }
    }

    fn due(&mut self, due: Due) {
        match due {
            Due::Step(member, step) => self.step(member, &step),
            Due::Wake(member) => self.wake(member),
            Due::Begin(member) => self.begin(member),
            Due::Handshake(connection) => self.handshake(&connection),
            Due::FromClient(connection, text) => self.says(&connection, text),
            Due::NoToken(connection) => {
                self.lost_by_client(&connection, &Loss::Failed("no token could be got".to_owned()));
            }
            Due::Token(member, link) => self.token_arrives(member, link),
            Due::Waited(connection) => self.waited_for(&connection),
            Due::OpenedTo(connection) => self.opened_to(&connection),
            Due::RefusedTo(connection, status) => self.refused_to(&connection, status),
            Due::ToClient(connection, text) => self.hears(&connection, &text),
            Due::ClosedTo(connection) => self.closed_to(&connection),
            Due::ClosedFrom(connection) => self.closed_from(&connection),
            Due::Disconnect(connection) => self.disconnect(&connection),
            Due::Deadline(task) => {
                if self.executor.kill(task) {
                    self.shared.lock().tell(|| "an invocation ran out of time and is killed".to_owned());
                    self.came_to_nothing(task);
                }
            }
            Due::Ordered(number, began) => self.check_obeyed(number, began),
            Due::Flooded(connection) => self.check_flooder_stays(&connection),
            Due::Reap => self.reap(),
            Due::Heal => self.heal(),
            Due::Owed => self.check_what_is_owed(),
            Due::Look => {}
        }
    }
}

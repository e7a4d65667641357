//! Which process runs which invocation: a pure function from state and event to actions.
//!
//! The rules, which are AWS's for on-demand functions:
//! - a process has one invocation at a time;
//! - an invocation takes the idle process that was used last, else waits for a process that is about to be free
//!   (starting, or answered and not yet back), else starts one, else is throttled, at once;
//! - a process that dies takes its invocation with it, and one that dies at start fails one that waits.
//!
//! Invariant after every event: no more invocations wait than there are processes about to be free.

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

#[cfg(test)]
mod tests;

/// The processes of one function and the invocations that wait for one.
#[derive(Debug)]
pub(crate) struct Pool {
    rules: Rules,
    processes: BTreeMap<ProcessId, Phase>,
    /// The one used last is last.
    idle: Vec<ProcessId>,
    waiting: VecDeque<InvocationId>,
    started: u64,
    draining: bool,
}

/// What does not change.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Rules {
    /// Processes there may be at once.
    pub(crate) concurrency: u32,
    /// Kill a process when its answer is in.
    pub(crate) fresh: bool,
    /// Stop a process that has been idle for so long.
    pub(crate) keep_idle: Duration,
}

/// Counts the processes of a function from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct ProcessId(pub(crate) u64);

/// Counts the invocations of a function from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct InvocationId(pub(crate) u64);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// Has not asked for work yet.
    Starting,
    /// Asked for work and has none.
    Idle { since: Instant },
    /// Has an invocation.
    Busy(InvocationId),
    /// Answered and has not asked again.
    Finishing,
    /// Was told to go, or killed.
    Leaving,
}

/// What happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Event {
    /// Somebody invokes the function.
    Invoked(InvocationId),
    /// Somebody wants a process to exist.
    WarmUp,
    /// A process asked for work.
    Asked(ProcessId),
    /// A process answered its invocation.
    Answered(ProcessId),
    /// A process said that it cannot start.
    CannotStart(ProcessId),
    /// The time that a process had to start or to answer is over.
    TimedOut(ProcessId),
    /// A process is gone. `received`: its invocation, if any, had reached it.
    Exited { process: ProcessId, received: bool },
    /// A process is about to be killed from outside.
    Doomed(ProcessId),
    /// Time passed.
    Tick,
    /// No new invocations; what runs and waits may end.
    Drain,
    /// Everything ends now.
    Abort,
}

/// What to do about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Action {
    /// Start a process under this number.
    Start(ProcessId),
    /// Hand over the event; the time to answer begins.
    Give(ProcessId, InvocationId),
    /// Refuse: the limit is reached.
    Throttle(InvocationId),
    /// Tell the invoker that there will be no answer.
    Fail(InvocationId, Cause),
    /// End the process at once.
    Kill(ProcessId),
    /// Ask the process to end.
    Stop(ProcessId),
}

/// Why there will be no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cause {
    /// This process ended with the invocation.
    Exited(ProcessId),
    /// This process was supposed to take the invocation and did not come up.
    NotStarted(ProcessId),
    /// The process took too long.
    TimedOut,
    /// The runner is stopping.
    Stopping,
}

impl Pool {
    pub(crate) fn new(rules: Rules) -> Self {
        let (processes, idle, waiting) = (BTreeMap::new(), Vec::new(), VecDeque::new());
        Self { rules, processes, idle, waiting, started: 0, draining: false }
    }

    /// Takes an event and says what to do, in order.
    pub(crate) fn on(&mut self, event: Event, now: Instant) -> Vec<Action> {
        let mut actions = Vec::new();
        match event {
            Event::Invoked(invocation) => self.invoked(invocation, &mut actions),
            Event::WarmUp => self.warm_up(&mut actions),
            Event::Asked(process) => self.asked(process, now, &mut actions),
            Event::Answered(process) => self.answered(process, &mut actions),
            Event::CannotStart(process) => self.cannot_start(process, &mut actions),
            Event::TimedOut(process) => self.timed_out(process, &mut actions),
            Event::Exited { process, received } => self.exited(process, received, &mut actions),
            Event::Doomed(process) => self.doomed(process),
            Event::Tick => self.stop_idle(now, &mut actions),
            Event::Drain => self.drain(&mut actions),
            Event::Abort => self.abort(&mut actions),
        }
        self.replace(&mut actions);
        actions
    }

    /// Nothing new is taken.
    pub(crate) fn is_draining(&self) -> bool {
        self.draining
    }

    /// Processes that are not gone, those that run an invocation, and invocations that wait.
    pub(crate) fn counts(&self) -> (usize, usize, usize) {
        let busy = self.count(|phase| matches!(phase, Phase::Busy(_)));
        (self.processes.len(), busy, self.waiting.len())
    }

    /// The process to kill when one is to be killed: one that runs something if there is one.
    pub(crate) fn victim(&self) -> Option<ProcessId> {
        let rank = |phase: &Phase| match phase {
            Phase::Busy(_) => 0,
            Phase::Idle { .. } | Phase::Finishing => 1,
            Phase::Starting => 2,
            Phase::Leaving => 3,
        };
        let alive = self.processes.iter().filter(|(_, phase)| **phase != Phase::Leaving);
        alive.min_by_key(|(_, phase)| rank(phase)).map(|(process, _)| *process)
    }

    fn invoked(&mut self, invocation: InvocationId, actions: &mut Vec<Action>) {
        if self.draining {
            actions.push(Action::Fail(invocation, Cause::Stopping));
        } else if let Some(process) = self.idle.pop() {
            self.give(process, invocation, actions);
        } else if self.waiting.len() < self.soon_free() || self.may_start() {
            self.waiting.push_back(invocation);
        } else {
            actions.push(Action::Throttle(invocation));
        }
    }

    fn warm_up(&mut self, actions: &mut Vec<Action>) {
        if !self.draining && self.may_start() {
            self.start(actions);
        }
    }

    fn asked(&mut self, process: ProcessId, now: Instant, actions: &mut Vec<Action>) {
        if !matches!(self.phase(process), Some(Phase::Starting | Phase::Finishing)) {
            return;
        }
        if let Some(invocation) = self.waiting.pop_front() {
            self.give(process, invocation, actions);
        } else if self.draining {
            self.leave(process, Action::Stop(process), actions);
        } else {
            self.processes.insert(process, Phase::Idle { since: now });
            self.idle.push(process);
        }
    }

    fn answered(&mut self, process: ProcessId, actions: &mut Vec<Action>) {
        if !matches!(self.phase(process), Some(Phase::Busy(_))) {
            return;
        }
        if self.rules.fresh {
            self.leave(process, Action::Kill(process), actions);
        } else {
            self.processes.insert(process, Phase::Finishing);
        }
    }

    fn cannot_start(&mut self, process: ProcessId, actions: &mut Vec<Action>) {
        if self.phase(process) == Some(Phase::Starting) {
            self.leave(process, Action::Kill(process), actions);
            self.fail_one_that_waits(process, actions);
        }
    }

    fn timed_out(&mut self, process: ProcessId, actions: &mut Vec<Action>) {
        match self.phase(process) {
            Some(Phase::Starting) => self.cannot_start(process, actions),
            Some(Phase::Busy(invocation)) => {
                self.leave(process, Action::Kill(process), actions);
                actions.push(Action::Fail(invocation, Cause::TimedOut));
            }
            Some(Phase::Finishing) => self.leave(process, Action::Kill(process), actions),
            Some(Phase::Idle { .. } | Phase::Leaving) | None => {}
        }
    }

    fn exited(&mut self, process: ProcessId, received: bool, actions: &mut Vec<Action>) {
        self.idle.retain(|idle| *idle != process);
        match self.processes.remove(&process) {
            Some(Phase::Starting) => self.fail_one_that_waits(process, actions),
            // It never saw the event: another process may have it.
            Some(Phase::Busy(invocation)) if !received => self.waiting.push_front(invocation),
            Some(Phase::Busy(invocation)) => actions.push(Action::Fail(invocation, Cause::Exited(process))),
            Some(Phase::Idle { .. } | Phase::Finishing | Phase::Leaving) | None => {}
        }
    }

    /// A process that will be killed while it has no invocation must not get one any more.
    fn doomed(&mut self, process: ProcessId) {
        if matches!(self.phase(process), Some(Phase::Idle { .. } | Phase::Finishing)) {
            self.idle.retain(|idle| *idle != process);
            self.processes.insert(process, Phase::Leaving);
        }
    }

    fn stop_idle(&mut self, now: Instant, actions: &mut Vec<Action>) {
        let limit = self.rules.keep_idle;
        let is_old = |phase: &Phase| matches!(phase, Phase::Idle { since } if now.duration_since(*since) >= limit);
        let old: Vec<ProcessId> = self.processes.iter().filter(|(_, p)| is_old(p)).map(|(id, _)| *id).collect();
        for process in old {
            self.leave(process, Action::Stop(process), actions);
        }
    }

    fn drain(&mut self, actions: &mut Vec<Action>) {
        self.draining = true;
        for process in self.idle.clone() {
            self.leave(process, Action::Stop(process), actions);
        }
        let spare = self.soon_free().saturating_sub(self.waiting.len());
        let starting = self.processes.iter().filter(|(_, phase)| **phase == Phase::Starting).map(|(id, _)| *id);
        for process in starting.take(spare).collect::<Vec<_>>() {
            self.leave(process, Action::Stop(process), actions);
        }
    }

    fn abort(&mut self, actions: &mut Vec<Action>) {
        self.draining = true;
        actions.extend(self.waiting.drain(..).map(|invocation| Action::Fail(invocation, Cause::Stopping)));
        for (process, phase) in std::mem::take(&mut self.processes) {
            if let Phase::Busy(invocation) = phase {
                actions.push(Action::Fail(invocation, Cause::Stopping));
            }
            self.leave(process, Action::Kill(process), actions);
        }
    }

    /// Starts what is missing: for new invocations, and in place of processes that died.
    fn replace(&mut self, actions: &mut Vec<Action>) {
        while self.waiting.len() > self.soon_free() && self.may_start() {
            self.start(actions);
        }
    }

    fn start(&mut self, actions: &mut Vec<Action>) {
        self.started += 1;
        let process = ProcessId(self.started);
        self.processes.insert(process, Phase::Starting);
        actions.push(Action::Start(process));
    }

    fn give(&mut self, process: ProcessId, invocation: InvocationId, actions: &mut Vec<Action>) {
        self.processes.insert(process, Phase::Busy(invocation));
        actions.push(Action::Give(process, invocation));
    }

    fn leave(&mut self, process: ProcessId, how: Action, actions: &mut Vec<Action>) {
        self.idle.retain(|idle| *idle != process);
        self.processes.insert(process, Phase::Leaving);
        actions.push(how);
    }

    fn fail_one_that_waits(&mut self, process: ProcessId, actions: &mut Vec<Action>) {
        if self.waiting.len() > self.soon_free()
            && let Some(invocation) = self.waiting.pop_front()
        {
            actions.push(Action::Fail(invocation, Cause::NotStarted(process)));
        }
    }

    fn phase(&self, process: ProcessId) -> Option<Phase> {
        self.processes.get(&process).copied()
    }

    fn soon_free(&self) -> usize {
        self.count(|phase| matches!(phase, Phase::Starting | Phase::Finishing))
    }

    /// A process that is leaving does not count: it takes no more work.
    fn may_start(&self) -> bool {
        self.count(|phase| *phase != Phase::Leaving) < self.rules.concurrency as usize
    }

    fn count(&self, is: impl Fn(&Phase) -> bool) -> usize {
        self.processes.values().filter(|phase| is(phase)).count()
    }
}

//! Assigns invocations to processes: a pure function from state and event to actions.
//!
//! The rules are AWS's rules for on-demand functions:
//! - A process has one invocation at a time.
//! - An invocation takes the idle process that was used last. Without one, it waits for a process
//!   that is almost free (starting, or answered and not yet back). Without one, it starts a
//!   process. At the limit it is throttled at once.
//! - If a process dies, its invocation fails. If a process dies at its start, one waiting
//!   invocation fails.
//!
//! Invariant after every event: the number of waiting invocations is at most the number of
//! processes that are almost free.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::{Duration, Instant};

#[cfg(test)]
mod tests;

/// The processes of one function and the invocations that wait for one.
#[derive(Debug)]
pub(crate) struct Pool {
    rules: Rules,
    processes: BTreeMap<ProcessId, Phase>,
    /// Idle processes. The process that was used last is last.
    idle: Vec<ProcessId>,
    waiting: VecDeque<InvocationId>,
    /// Busy processes that were killed. Their answers may still be on the way.
    killed: BTreeSet<ProcessId>,
    started: u64,
    draining: bool,
}

/// The constant settings of a pool.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Rules {
    /// Most concurrent processes.
    pub(crate) concurrency: u32,
    /// True if a process is killed after its answer.
    pub(crate) fresh: bool,
    /// How long a process may be idle before it is stopped.
    pub(crate) keep_idle: Duration,
}

/// Number of a process of a function, from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct ProcessId(pub(crate) u64);

/// Number of an invocation of a function, from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct InvocationId(pub(crate) u64);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// The process has not requested work yet.
    Starting,
    /// The process requested work and has none.
    Idle { since: Instant },
    /// The process has an invocation.
    Busy(InvocationId),
    /// The process answered and has not requested work again.
    Finishing,
    /// The process was ordered to end or was killed.
    Leaving,
}

/// An occurrence that the pool handles.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Event {
    /// A caller invokes the function.
    Invoked(InvocationId),
    /// A caller requests a process in advance.
    WarmUp,
    /// A process requested work.
    Asked(ProcessId),
    /// A process answered its invocation.
    Answered(ProcessId),
    /// A process reported that it cannot start.
    CannotStart(ProcessId),
    /// The time for a process to start or to answer is over.
    TimedOut(ProcessId),
    /// A process has ended. `received`: its invocation, if any, had reached it.
    Exited { process: ProcessId, received: bool },
    /// A process is about to be killed from outside.
    Doomed(ProcessId),
    /// The interval of the regular check has passed.
    Tick,
    /// Accept no new invocations. Running and waiting invocations may end.
    Drain,
    /// End everything now.
    Abort,
}

/// An action that the host carries out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Action {
    /// Start a process under this number.
    Start(ProcessId),
    /// Pass the event to the process. Its timeout starts.
    Give(ProcessId, InvocationId),
    /// Refuse the invocation: the limit is reached.
    Throttle(InvocationId),
    /// Report a failure to the invoker.
    Fail(InvocationId, Cause),
    /// End the process at once.
    Kill(ProcessId),
    /// Request the process to end.
    Stop(ProcessId),
}

/// The reason of a failed invocation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cause {
    /// This process ended with the invocation.
    Exited(ProcessId),
    /// This process was started for the invocation and failed to start.
    NotStarted(ProcessId),
    /// The process exceeded the timeout.
    TimedOut,
    /// The runner is stopping.
    Stopping,
}

impl Pool {
    pub(crate) fn new(rules: Rules) -> Self {
        let (processes, idle, waiting) = (BTreeMap::new(), Vec::new(), VecDeque::new());
        Self { rules, processes, idle, waiting, killed: BTreeSet::new(), started: 0, draining: false }
    }

    /// Handles an event. Returns the actions, in order.
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

    /// Returns whether new invocations are refused.
    pub(crate) fn is_draining(&self) -> bool {
        self.draining
    }

    /// Returns the number of existing processes, of busy processes, and of waiting invocations.
    pub(crate) fn counts(&self) -> (usize, usize, usize) {
        let busy = self.count(|phase| matches!(phase, Phase::Busy(_)));
        (self.processes.len(), busy, self.waiting.len())
    }

    /// Returns the process that a kill hits: a busy process if there is one.
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
        } else if self.killed.contains(&process) {
            self.processes.insert(process, Phase::Leaving);
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
        self.killed.remove(&process);
        match self.processes.remove(&process) {
            Some(Phase::Starting) => self.fail_one_that_waits(process, actions),
            // The process never received the event, so another process may receive it.
            Some(Phase::Busy(invocation)) if !received => self.waiting.push_front(invocation),
            Some(Phase::Busy(invocation)) => actions.push(Action::Fail(invocation, Cause::Exited(process))),
            Some(Phase::Idle { .. } | Phase::Finishing | Phase::Leaving) | None => {}
        }
    }

    /// Excludes a process that will be killed, so that it receives no further invocation. A busy
    /// process may have answered already: then its invocation succeeds, and the process leaves.
    fn doomed(&mut self, process: ProcessId) {
        match self.phase(process) {
            Some(Phase::Idle { .. } | Phase::Finishing) => {
                self.idle.retain(|idle| *idle != process);
                self.processes.insert(process, Phase::Leaving);
            }
            Some(Phase::Busy(_)) => drop(self.killed.insert(process)),
            Some(Phase::Starting | Phase::Leaving) | None => {}
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

    /// Starts missing processes: for new invocations, and in place of processes that died.
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

    /// Returns whether another process may start. A process that is leaving does not count, because
    /// it takes no more work.
    fn may_start(&self) -> bool {
        self.count(|phase| *phase != Phase::Leaving) < self.rules.concurrency as usize
    }

    fn count(&self, is: impl Fn(&Phase) -> bool) -> usize {
        self.processes.values().filter(|phase| is(phase)).count()
    }
}

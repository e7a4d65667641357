//! Carries out the actions of the pool.

use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use local_invoke::Error;
use nix::sys::signal::Signal;
use tokio::sync::watch;

use super::records::{Process, Task};
use super::{Answer, Host, Note, State};
use crate::failure::{End, FunctionError, StartFailure};
use crate::logs::{Record, Report, Status};
use crate::pool::{Action, Cause, Event, InvocationId, ProcessId};
use crate::process::{self, Orders};

impl Host {
    pub(super) fn decide(self: &Arc<Self>, state: &mut State, event: Event) -> Vec<Note> {
        let actions = state.pool.on(event, Instant::now());
        self.perform(state, &actions)
    }

    pub(super) fn perform(self: &Arc<Self>, state: &mut State, actions: &[Action]) -> Vec<Note> {
        let mut notes = Vec::new();
        for action in actions {
            match *action {
                Action::Start(process) => self.start(state, process),
                Action::Give(process, invocation) => notes.extend(self.give(state, process, invocation)),
                Action::Throttle(invocation) => self.throttle(state, invocation),
                Action::Fail(invocation, cause) => notes.extend(self.fail(state, invocation, cause)),
                Action::Kill(process) => state.order(process, Signal::SIGKILL),
                Action::Stop(process) => state.order(process, Signal::SIGTERM),
            }
        }
        notes
    }

    fn start(self: &Arc<Self>, state: &mut State, id: ProcessId) {
        let started = Instant::now();
        let (orders, receiver) = watch::channel(Orders::start_by(started + self.config.start_timeout));
        state.processes.insert(id, Process::new(orders, started));
        self.tasks.spawn(process::run(Arc::clone(self), id, receiver));
    }

    fn give(&self, state: &mut State, id: ProcessId, invocation_id: InvocationId) -> Option<Note> {
        let invocation = state.invocations.get_mut(&invocation_id)?;
        let process = state.processes.get_mut(&id)?;
        let (now, timeout) = (Instant::now(), self.function.timeout);
        let request_id = Arc::clone(&invocation.request_id);
        if invocation.given.replace((id, now)).is_none() {
            state.stats.invocations += 1;
        }
        let event = invocation.payload.clone();
        let task = Task::new(invocation_id, Arc::clone(&request_id), event.clone(), timeout);
        process.take_on(task, now + timeout);
        Some(Note::Start(id, request_id, event))
    }

    fn throttle(&self, state: &mut State, id: InvocationId) {
        state.stats.throttles += 1;
        if let Some(invocation) = state.invocations.remove(&id) {
            invocation.reply(Err(Error::Throttled(self.function.name.clone())));
        }
    }

    fn fail(&self, state: &mut State, id: InvocationId, cause: Cause) -> Option<Note> {
        let request_id = Arc::clone(&state.invocations.get(&id)?.request_id);
        let (error, status) = match cause {
            Cause::Stopping => {
                state.invocations.remove(&id)?.reply(Err(Error::Stopping));
                return None;
            }
            Cause::TimedOut => {
                state.stats.timeouts += 1;
                (FunctionError::timed_out(&request_id, self.function.timeout), Status::Timeout)
            }
            Cause::Exited(process) => (state.ended(process, &request_id), Status::Error),
            Cause::NotStarted(process) => {
                state.stats.invocations += 1;
                (state.ended(process, &request_id), Status::Error)
            }
        };
        let result = self.result(Answer::Failure(error));
        self.finish(state, id, result, status, None)
    }

    /// Answers the invoker and counts the invocation. Returns no report if no process ever received
    /// the invocation.
    pub(super) fn finish(
        &self,
        state: &mut State,
        id: InvocationId,
        result: Result<Bytes, Error>,
        status: Status,
        max_memory_mb: Option<u32>,
    ) -> Option<Note> {
        let invocation = state.invocations.remove(&id)?;
        let (request_id, given) = (invocation.request_id.to_string(), invocation.given);
        invocation.reply(result);
        state.stats.errors += u64::from(status != Status::Success);
        let (process, since) = given?;
        let duration = since.elapsed();
        state.stats.busy += duration;
        let init_duration = state.processes.get_mut(&process).and_then(Process::take_init_duration);
        let memory_mb = self.function.memory_mb;
        let report = Report { request_id, duration, init_duration, memory_mb, max_memory_mb, status };
        Some(Note::Report(process, report))
    }

    /// Removes a process that has ended, and notifies the callers that waited for its start.
    pub(super) fn bury(&self, id: ProcessId) {
        let mut state = self.lock();
        let Some(process) = state.processes.remove(&id) else { return };
        state.stats.start_failures += u64::from(!process.is_up());
        let reason = process.ended.map_or_else(String::new, |end| end.reason());
        let (function, last_lines) = (self.function.name.clone(), process.last_lines);
        let failure = StartFailure::Died { function, reason, last_lines };
        for warm in process.warming {
            drop(warm.send(Err(failure.clone())));
        }
    }

    pub(super) fn note(&self, notes: Vec<Note>) {
        let (sink, function) = (&self.config.sink, &self.function.name);
        for note in notes {
            match note {
                Note::Start(process, request_id, event) => {
                    sink.record(function, process.0, Record::Start { request_id: &request_id, event: &event });
                }
                Note::Report(process, report) => sink.record(function, process.0, Record::Report(&report)),
            }
        }
    }
}

impl State {
    fn order(&self, id: ProcessId, signal: Signal) {
        if let Some(process) = self.processes.get(&id) {
            process.order(signal);
        }
    }

    /// Returns the error that the invoker receives when a process ends.
    fn ended(&self, id: ProcessId, request_id: &str) -> FunctionError {
        let end = self.processes.get(&id).and_then(|process| process.ended.as_ref());
        FunctionError::ended(request_id, end.unwrap_or(&End::Exit(None)))
    }
}

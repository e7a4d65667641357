//! One function: its pool, its processes' sessions and its invocations, under one lock.
//!
//! Every occurrence becomes an event of the [`Pool`]; [`actions`] carries out the pool's actions.
//! No code waits while it holds the lock. The sink is called after the lock is released.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use local_invoke::Error;
use nix::sys::signal::Signal;
use tokio::sync::oneshot;
use tokio_util::task::TaskTracker;

use crate::config::{Config, Function};
use crate::failure::{End, FunctionError, StartFailure};
use crate::lambda::CutShort;
use crate::logs::{Record, Report, Status};
use crate::pool::{Action, Event, InvocationId, Pool, ProcessId, Rules};
use crate::process;
use crate::session::{Asked, Refusal};
use crate::spawner::Spawner;
use crate::stats::FunctionStats;

mod actions;
mod records;

pub(crate) use records::Task;
use records::{Invocation, Process, Reply};

/// One function with its processes and invocations.
pub(crate) struct Host {
    pub(crate) function: Function,
    pub(crate) config: Arc<Config>,
    pub(crate) spawner: Spawner,
    /// The tasks that supervise processes. When all have ended, no process is left.
    pub(crate) tasks: TaskTracker,
    /// Variables that were changed since the start. They replace the function's own variables.
    variables: Mutex<BTreeMap<String, String>>,
    state: Mutex<State>,
}

struct State {
    pool: Pool,
    processes: HashMap<ProcessId, Process>,
    invocations: HashMap<InvocationId, Invocation>,
    invoked: u64,
    stats: FunctionStats,
}

/// A record for the sink, which is called when the lock is released.
enum Note {
    Start(ProcessId, Arc<str>, Bytes),
    Report(ProcessId, Report),
}

/// The answer of a process.
pub(crate) enum Answer {
    Response(Bytes),
    Failure(FunctionError),
}

impl Host {
    pub(crate) fn new(function: Function, config: Arc<Config>, spawner: Spawner, tasks: TaskTracker) -> Self {
        let fresh = config.fresh_process_per_invocation;
        let rules = Rules { concurrency: function.concurrency, fresh, keep_idle: config.keep_idle };
        let stats = FunctionStats { function: function.name.clone(), ..FunctionStats::default() };
        let (processes, invocations) = (HashMap::new(), HashMap::new());
        let state = State { pool: Pool::new(rules), processes, invocations, invoked: 0, stats };
        let variables = Mutex::default();
        Self { function, config, spawner, tasks, variables, state: Mutex::new(state) }
    }

    /// Sets a variable for every process that starts from now on.
    pub(crate) fn set_variable(&self, name: &str, value: &str) {
        let mut variables = self.variables.lock().unwrap_or_else(PoisonError::into_inner);
        variables.insert(name.to_owned(), value.to_owned());
    }

    pub(crate) fn variables(&self) -> BTreeMap<String, String> {
        self.variables.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Starts an invocation. The result is sent to `reply`, even if the receiver no longer waits.
    pub(crate) fn invoke(self: &Arc<Self>, payload: Bytes, reply: Reply) -> InvocationId {
        let mut id = InvocationId(0);
        self.happen(|state| {
            state.invoked += 1;
            id = InvocationId(state.invoked);
            state.invocations.insert(id, Invocation::new(payload, reply));
            Some(Event::Invoked(id))
        });
        id
    }

    /// Starts a process if the limit allows it. Notifies `warm` when the process requests work.
    pub(crate) fn warm_up(self: &Arc<Self>, warm: oneshot::Sender<Result<Duration, StartFailure>>) {
        let mut state = self.lock();
        let is_draining = state.pool.is_draining();
        let actions = state.pool.on(Event::WarmUp, Instant::now());
        let notes = self.perform(&mut state, &actions);
        let started = actions.first().and_then(|action| match action {
            Action::Start(process) => state.processes.get_mut(process),
            _ => None,
        });
        match started {
            Some(process) => process.warming.push(warm),
            None if is_draining => drop(warm.send(Err(StartFailure::Stopping))),
            None => drop(warm.send(Err(StartFailure::Throttled(self.function.name.clone())))),
        }
        drop(state);
        self.note(notes);
    }

    /// Passes an event to the pool, such as a tick or the stop of the runner.
    pub(crate) fn tell(self: &Arc<Self>, event: Event) {
        self.happen(|_| Some(event));
    }

    /// Handles `GET next`. The returned channel receives the task when there is one.
    pub(crate) fn ask(self: &Arc<Self>, id: ProcessId) -> Result<oneshot::Receiver<Task>, Refusal> {
        let (asking, task) = oneshot::channel();
        self.happen_if(|state| {
            let Some(process) = state.processes.get_mut(&id) else { return Ok(None) };
            match process.session.ask()? {
                Asked::Again => {
                    process.wait_for_task(asking);
                    Ok(None)
                }
                Asked::Free { first } => {
                    process.wait_for_task(asking);
                    process.disarm();
                    if first {
                        process.came_up();
                        state.stats.cold_starts += 1;
                    }
                    Ok(Some(Event::Asked(id)))
                }
            }
        })?;
        Ok(task)
    }

    /// Records that the task of a `next` is being sent to the process.
    pub(crate) fn received(&self, id: ProcessId) {
        if let Some(process) = self.lock().processes.get_mut(&id) {
            process.received = true;
        }
    }

    /// Checks whether the process may answer. Called before the body of the answer is read.
    pub(crate) fn may_answer(&self, id: ProcessId, request_id: &str, is_error: bool) -> Result<(), Refusal> {
        let state = self.lock();
        let process = state.processes.get(&id).ok_or(Refusal::InvalidRequestId)?;
        process.session.may_answer(request_id, is_error)
    }

    /// Handles `POST response`, `POST error`, and a response that is too large.
    pub(crate) fn answer(self: &Arc<Self>, id: ProcessId, request_id: &str, answer: Answer) -> Result<(), Refusal> {
        let max_memory_mb = self.pid(id).and_then(process::max_memory_mb);
        let status = if matches!(answer, Answer::Failure(_)) { Status::Error } else { Status::Success };
        let mut report = None;
        self.happen_if(|state| {
            let process = state.processes.get_mut(&id).ok_or(Refusal::InvalidRequestId)?;
            process.session.answer(request_id, status == Status::Error)?;
            if let Some(task) = process.task.take() {
                report = self.finish(state, task.invocation, self.result(answer), status, max_memory_mb);
            }
            Ok(Some(Event::Answered(id)))
        })?;
        self.note(report.into_iter().collect());
        Ok(())
    }

    /// Handles `POST init/error`.
    pub(crate) fn cannot_start(self: &Arc<Self>, id: ProcessId, error: FunctionError) -> Result<(), Refusal> {
        self.happen_if(|state| {
            let Some(process) = state.processes.get_mut(&id) else { return Ok(None) };
            process.session.cannot_start()?;
            process.ended = Some(End::InitError(error));
            Ok(Some(Event::CannotStart(id)))
        })
    }

    /// Records the start of the process.
    pub(crate) fn born(&self, id: ProcessId, pid: u32) {
        if let Some(process) = self.lock().processes.get_mut(&id) {
            process.pid = Some(pid);
        }
        self.config.sink.record(&self.function.name, id.0, Record::ProcessStarted { pid });
    }

    /// Handles a process that did not start or did not answer in time.
    pub(crate) fn timed_out(self: &Arc<Self>, id: ProcessId) {
        let start_timeout = self.config.start_timeout;
        self.happen(|state| {
            let process = state.processes.get_mut(&id)?;
            process.disarm();
            if !process.is_up() {
                process.ended.get_or_insert(End::StartTimeout(start_timeout));
            }
            Some(Event::TimedOut(id))
        });
    }

    /// Handles the end of a process. `last_lines` are the last lines that it wrote.
    pub(crate) fn exited(self: &Arc<Self>, id: ProcessId, end: End, last_lines: Vec<String>) {
        let reason = end.reason();
        self.happen(|state| {
            let process = state.processes.get_mut(&id)?;
            process.ended.get_or_insert(end);
            process.last_lines = last_lines;
            Some(Event::Exited { process: id, received: process.received })
        });
        self.bury(id);
        self.config.sink.record(&self.function.name, id.0, Record::ProcessEnded { reason: &reason });
    }

    /// Kills one process without the pool's decision, as an external cause would. Returns its
    /// process id.
    pub(crate) fn kill(self: &Arc<Self>) -> Option<u32> {
        let mut pid = None;
        self.happen(|state| {
            let victim = state.pool.victim()?;
            let process = state.processes.get(&victim)?;
            pid = process.pid;
            process.order(Signal::SIGKILL);
            Some(Event::Doomed(victim))
        });
        pid
    }

    /// Kills every process.
    pub(crate) fn kill_all(self: &Arc<Self>) {
        let processes: Vec<ProcessId> = self.lock().processes.keys().copied().collect();
        for id in processes {
            self.happen(|state| {
                state.processes.get(&id)?.order(Signal::SIGKILL);
                Some(Event::Doomed(id))
            });
        }
    }

    /// Ends an invocation early if a process works on it. Returns whether it did.
    pub(crate) fn cut_short(self: &Arc<Self>, id: InvocationId, cut: CutShort) -> bool {
        let mut is_cut = false;
        self.happen(|state| {
            let (victim, _) = state.invocations.get(&id)?.given?;
            let process = state.processes.get(&victim)?;
            let works_on_it = process.received && process.task.as_ref().is_some_and(|task| task.invocation == id);
            if !works_on_it {
                return None;
            }
            is_cut = true;
            process.disarm();
            Some(match cut {
                CutShort::Killed => {
                    process.order(Signal::SIGKILL);
                    Event::Doomed(victim)
                }
                CutShort::TimedOut => Event::TimedOut(victim),
            })
        });
        is_cut
    }

    /// Returns the operating system's ids of the processes.
    pub(crate) fn pids(&self) -> Vec<u32> {
        self.lock().processes.values().filter_map(|process| process.pid).collect()
    }

    pub(crate) fn stats(&self) -> FunctionStats {
        let state = self.lock();
        let (processes, busy, waiting) = state.pool.counts();
        let count = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
        FunctionStats {
            processes: count(processes),
            processes_busy: count(busy),
            waiting: count(waiting),
            ..state.stats.clone()
        }
    }

    fn pid(&self, id: ProcessId) -> Option<u32> {
        self.lock().processes.get(&id)?.pid
    }

    /// Converts an occurrence to an event, and carries out the pool's actions.
    fn happen(self: &Arc<Self>, what: impl FnOnce(&mut State) -> Option<Event>) {
        let notes = {
            let mut state = self.lock();
            match what(&mut state) {
                Some(event) => self.decide(&mut state, event),
                None => return,
            }
        };
        self.note(notes);
    }

    /// Like [`Self::happen`], for a call of a process that may be refused.
    fn happen_if(
        self: &Arc<Self>,
        what: impl FnOnce(&mut State) -> Result<Option<Event>, Refusal>,
    ) -> Result<(), Refusal> {
        let mut refusal = None;
        self.happen(|state| {
            what(state).unwrap_or_else(|refused| {
                refusal = Some(refused);
                None
            })
        });
        refusal.map_or(Ok(()), Err)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Only a defect of this crate can panic while the lock is held. The state is still the best
        // available.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Converts an answer to the result for the invoker.
    fn result(&self, answer: Answer) -> Result<Bytes, Error> {
        match answer {
            Answer::Response(body) => Ok(body),
            Answer::Failure(FunctionError { error_type, message }) => {
                Err(Error::Failed { function: self.function.name.clone(), error_type, message })
            }
        }
    }
}

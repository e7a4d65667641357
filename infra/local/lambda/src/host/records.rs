//! The state of one invocation and of one process.

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use local_invoke::Error;
use nix::sys::signal::Signal;
use tokio::sync::{oneshot, watch};
use uuid::Uuid;

use crate::failure::{End, StartFailure};
use crate::pool::{InvocationId, ProcessId};
use crate::process::Orders;
use crate::session::Session;

/// The channel on which the invoker waits.
pub(crate) type Reply = oneshot::Sender<Result<Bytes, Error>>;

/// An invocation without an answer so far.
pub(super) struct Invocation {
    pub(super) request_id: Arc<str>,
    pub(super) payload: Bytes,
    /// The process that received the invocation, and the time.
    pub(super) given: Option<(ProcessId, Instant)>,
    reply: Reply,
}

impl Invocation {
    pub(super) fn new(payload: Bytes, reply: Reply) -> Self {
        Self { request_id: Uuid::new_v4().to_string().into(), payload, given: None, reply }
    }

    pub(super) fn reply(self, result: Result<Bytes, Error>) {
        // The receiver may be dropped. On AWS too, an invocation continues without its invoker.
        drop(self.reply.send(result));
    }
}

/// The task that a process receives when it requests work.
#[derive(Debug, Clone)]
pub(crate) struct Task {
    pub(crate) invocation: InvocationId,
    pub(crate) request_id: Arc<str>,
    pub(crate) payload: Bytes,
    /// Milliseconds since 1970.
    pub(crate) deadline_ms: u64,
}

impl Task {
    pub(super) fn new(invocation: InvocationId, request_id: Arc<str>, payload: Bytes, timeout: Duration) -> Self {
        let deadline = (SystemTime::now() + timeout).duration_since(UNIX_EPOCH).unwrap_or_default();
        let deadline_ms = u64::try_from(deadline.as_millis()).unwrap_or(u64::MAX);
        Self { invocation, request_id, payload, deadline_ms }
    }
}

/// The host's state of one process.
pub(super) struct Process {
    pub(super) session: Session,
    pub(super) pid: Option<u32>,
    /// The current task, for a repeated `next`.
    pub(super) task: Option<Task>,
    /// True if the task was sent to the process. If so, no other process may receive it.
    pub(super) received: bool,
    pub(super) ended: Option<End>,
    pub(super) last_lines: Vec<String>,
    /// Channels of the callers that wait for the process's start.
    pub(super) warming: Vec<oneshot::Sender<Result<Duration, StartFailure>>>,
    orders: watch::Sender<Orders>,
    started: Instant,
    /// Time from the start to the first `next`.
    start_duration: Option<Duration>,
    is_first_invocation: bool,
    /// Channel of a pending `next`.
    asking: Option<oneshot::Sender<Task>>,
}

impl Process {
    pub(super) fn new(orders: watch::Sender<Orders>, started: Instant) -> Self {
        Self {
            session: Session::default(),
            pid: None,
            task: None,
            received: false,
            ended: None,
            last_lines: Vec::new(),
            warming: Vec::new(),
            orders,
            started,
            start_duration: None,
            is_first_invocation: true,
            asking: None,
        }
    }

    /// Records the first request for work.
    pub(super) fn came_up(&mut self) {
        let took = self.started.elapsed();
        self.start_duration = Some(took);
        for warm in self.warming.drain(..) {
            drop(warm.send(Ok(took)));
        }
    }

    pub(super) fn is_up(&self) -> bool {
        self.start_duration.is_some()
    }

    /// Returns the init duration once, for the report of the first invocation.
    pub(super) fn take_init_duration(&mut self) -> Option<Duration> {
        let first = std::mem::replace(&mut self.is_first_invocation, false);
        self.start_duration.filter(|_| first)
    }

    /// Sends the current task again if there is one. Otherwise the process waits for a task.
    pub(super) fn wait_for_task(&mut self, asking: oneshot::Sender<Task>) {
        match self.task.clone() {
            Some(task) => drop(asking.send(task)),
            None => self.asking = Some(asking),
        }
    }

    /// Assigns a task that must be answered by `deadline`.
    pub(super) fn take_on(&mut self, task: Task, deadline: Instant) {
        self.received = false;
        self.session.given(Arc::clone(&task.request_id));
        self.orders.send_modify(|orders| orders.deadline = Some(deadline));
        if let Some(asking) = self.asking.take() {
            // If the connection is gone, the process requests the task again, or it is dying and
            // another process receives the task.
            drop(asking.send(task.clone()));
        }
        self.task = Some(task);
    }

    /// Removes the deadline. The task that watches it is not notified, because an expired deadline
    /// is checked again.
    pub(super) fn disarm(&self) {
        self.orders.send_if_modified(|orders| {
            orders.deadline = None;
            false
        });
    }

    /// Orders a signal. SIGKILL is never replaced by a weaker signal.
    pub(super) fn order(&self, signal: Signal) {
        self.orders.send_modify(|orders| {
            if orders.signal != Some(Signal::SIGKILL) {
                orders.signal = Some(signal);
            }
        });
    }
}

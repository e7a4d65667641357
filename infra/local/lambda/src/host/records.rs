//! What is known of one invocation and of one process.

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

/// Where the invoker waits.
pub(crate) type Reply = oneshot::Sender<Result<Bytes, Error>>;

/// An invocation that has no answer yet.
pub(super) struct Invocation {
    pub(super) request_id: Arc<str>,
    pub(super) payload: Bytes,
    /// To whom and since when.
    pub(super) given: Option<(ProcessId, Instant)>,
    reply: Reply,
}

impl Invocation {
    pub(super) fn new(payload: Bytes, reply: Reply) -> Self {
        Self { request_id: Uuid::new_v4().to_string().into(), payload, given: None, reply }
    }

    pub(super) fn reply(self, result: Result<Bytes, Error>) {
        // The invoker may have gone away; on AWS the invocation goes on without it too.
        drop(self.reply.send(result));
    }
}

/// What a process gets when it asks for work.
#[derive(Debug, Clone)]
pub(crate) struct Task {
    pub(crate) invocation: InvocationId,
    pub(crate) request_id: Arc<str>,
    pub(crate) payload: Bytes,
    /// Since 1970.
    pub(crate) deadline_ms: u64,
}

impl Task {
    pub(super) fn new(invocation: InvocationId, request_id: Arc<str>, payload: Bytes, timeout: Duration) -> Self {
        let deadline = (SystemTime::now() + timeout).duration_since(UNIX_EPOCH).unwrap_or_default();
        let deadline_ms = u64::try_from(deadline.as_millis()).unwrap_or(u64::MAX);
        Self { invocation, request_id, payload, deadline_ms }
    }
}

/// One process as the host sees it.
pub(super) struct Process {
    pub(super) session: Session,
    pub(super) pid: Option<u32>,
    /// What it works on, for a `next` that is repeated.
    pub(super) task: Option<Task>,
    /// Its task is on its way, so nobody else may have it.
    pub(super) received: bool,
    pub(super) ended: Option<End>,
    pub(super) last_lines: Vec<String>,
    /// Who wants to know when it is up.
    pub(super) warming: Vec<oneshot::Sender<Result<Duration, StartFailure>>>,
    orders: watch::Sender<Orders>,
    started: Instant,
    /// From start to the first `next`.
    start_duration: Option<Duration>,
    is_first_invocation: bool,
    /// A pending `next`.
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

    /// It asked for the first time.
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

    /// For the report of its first invocation only.
    pub(super) fn take_init_duration(&mut self) -> Option<Duration> {
        let first = std::mem::replace(&mut self.is_first_invocation, false);
        self.start_duration.filter(|_| first)
    }

    /// It waits for a task, or gets the one it has once more.
    pub(super) fn wait_for_task(&mut self, asking: oneshot::Sender<Task>) {
        match self.task.clone() {
            Some(task) => drop(asking.send(task)),
            None => self.asking = Some(asking),
        }
    }

    /// Hands over a task, to be answered by `deadline`.
    pub(super) fn take_on(&mut self, task: Task, deadline: Instant) {
        self.received = false;
        self.session.given(Arc::clone(&task.request_id));
        self.orders.send_modify(|orders| orders.deadline = Some(deadline));
        if let Some(asking) = self.asking.take() {
            // If its connection is gone it asks again, or it is dying and the task goes to another process.
            drop(asking.send(task.clone()));
        }
        self.task = Some(task);
    }

    /// Nothing is due any more. Whoever watches the clock need not be woken for that.
    pub(super) fn disarm(&self) {
        self.orders.send_if_modified(|orders| {
            orders.deadline = None;
            false
        });
    }

    /// A process that was told to go at once is not asked to.
    pub(super) fn order(&self, signal: Signal) {
        self.orders.send_modify(|orders| {
            if orders.signal != Some(Signal::SIGKILL) {
                orders.signal = Some(signal);
            }
        });
    }
}

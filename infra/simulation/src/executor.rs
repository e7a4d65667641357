//! Tasks of a single thread, polled in a random order that depends only on the seed.

use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Wake, Waker};

use crate::chance::Dice;

/// The number of a task, which is never reused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct TaskId(u64);

type Boxed = Pin<Box<dyn Future<Output = ()> + Send>>;

/// All tasks, and the set of those that are ready.
#[derive(Default)]
pub(crate) struct Executor {
    tasks: BTreeMap<TaskId, Boxed>,
    ready: Arc<Mutex<BTreeSet<TaskId>>>,
    next: u64,
}

struct Ready {
    task: TaskId,
    ready: Arc<Mutex<BTreeSet<TaskId>>>,
}

impl Wake for Ready {
    fn wake(self: Arc<Self>) {
        self.ready.lock().unwrap_or_else(PoisonError::into_inner).insert(self.task);
    }
}

impl Executor {
    /// Reserves the number of the next task.
    pub(crate) fn reserve(&mut self) -> TaskId {
        self.next += 1;
        TaskId(self.next)
    }

    /// Starts a task under a reserved number.
    pub(crate) fn spawn(&mut self, task: TaskId, future: impl Future<Output = ()> + Send + 'static) {
        self.tasks.insert(task, Box::pin(future));
        self.ready().insert(task);
    }

    /// Polls one ready task. Returns its number and whether it has ended; `None` if no task is
    /// ready.
    pub(crate) fn step(&mut self, dice: &Dice) -> Option<(TaskId, bool)> {
        let task = {
            let mut ready = self.ready();
            let at = usize::try_from(dice.below(ready.len() as u64)).unwrap_or_default();
            let task = *ready.iter().nth(at)?;
            ready.remove(&task);
            task
        };
        let Some(future) = self.tasks.get_mut(&task) else { return Some((task, false)) };
        let waker = Waker::from(Arc::new(Ready { task, ready: Arc::clone(&self.ready) }));
        match future.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(()) => {
                self.tasks.remove(&task);
                Some((task, true))
            }
            Poll::Pending => Some((task, false)),
        }
    }

    /// Drops a task at its current await point, as a killed process does. Returns whether the task
    /// existed.
    pub(crate) fn kill(&mut self, task: TaskId) -> bool {
        self.tasks.remove(&task).is_some()
    }

    fn ready(&self) -> std::sync::MutexGuard<'_, BTreeSet<TaskId>> {
        self.ready.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

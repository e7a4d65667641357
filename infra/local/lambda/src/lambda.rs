//! The functions of a runner: start, invoke, observe, stop.

use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use local_invoke::{Error, Invoke};
use tokio::runtime::Handle;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::MissedTickBehavior;
use tokio_util::task::TaskTracker;

use crate::config::{Config, Function};
use crate::environment;
use crate::failure::StartFailure;
use crate::host::Host;
use crate::pool::{Event, InvocationId};
use crate::session::MAX_PAYLOAD;
use crate::spawner::Spawner;
use crate::stats::FunctionStats;

/// Longest name of a function on AWS.
const MAX_NAME_LENGTH: usize = 64;

/// Interval of the check for idle processes.
const TICK: Duration = Duration::from_millis(500);

/// A started invocation: its host, its id, and the channel for its answer.
type Begun<'a> = (&'a Arc<Host>, InvocationId, oneshot::Receiver<Result<Bytes, Error>>);

/// The way in which an invocation is ended early.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CutShort {
    /// The process of the invocation is killed as in a crash: `Runtime.ExitError`.
    Killed,
    /// The invocation ends as at its deadline, but earlier: `Sandbox.Timedout`.
    TimedOut,
}

/// All functions. Clones are cheap handles to the same functions.
#[derive(Clone)]
pub struct Lambda {
    hosts: Arc<BTreeMap<String, Arc<Host>>>,
    tasks: TaskTracker,
    ticker: Arc<Ticker>,
}

/// The reason why the functions cannot run.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// AWS would refuse the name.
    #[error("function name {0:?} must be 1 to 64 letters, digits, '-' or '_'")]
    Name(String),
    /// Two functions have the same name.
    #[error("there are two functions named {0}")]
    Duplicate(String),
    /// The program of a function does not exist.
    #[error("function {function}: cannot find its program {}: {source}", path.display())]
    Program {
        /// Name of the function.
        function: String,
        /// The path from the configuration.
        path: PathBuf,
        /// The error of the operating system.
        source: io::Error,
    },
    /// AWS reserves the variable, so a function cannot set it.
    #[error("function {function}: the variable {variable} is reserved by Lambda")]
    Reserved {
        /// Name of the function.
        function: String,
        /// Name of the variable.
        variable: String,
    },
    /// The thread that starts processes could not be created.
    #[error("cannot start the thread that starts processes: {0}")]
    Thread(#[source] io::Error),
}

/// The result of stopping.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shutdown {
    /// Number of processes that were killed at the deadline.
    pub killed: usize,
}

impl Lambda {
    /// Prepares the functions of `config`. No process starts yet.
    ///
    /// Must be called inside a tokio runtime, which must outlive the returned value.
    ///
    /// # Errors
    /// See [`StartError`]. No function runs then.
    pub fn start(mut config: Config) -> Result<Self, StartError> {
        let functions = std::mem::take(&mut config.functions);
        let spawner = Spawner::start(Handle::current()).map_err(StartError::Thread)?;
        let (config, tasks) = (Arc::new(config), TaskTracker::new());
        let mut hosts = BTreeMap::new();
        for function in functions {
            let function = checked(function)?;
            let name = function.name.clone();
            let host = Host::new(function, Arc::clone(&config), spawner.clone(), tasks.clone());
            if hosts.insert(name.clone(), Arc::new(host)).is_some() {
                return Err(StartError::Duplicate(name));
            }
        }
        let hosts = Arc::new(hosts);
        let ticker = Arc::new(Ticker::start(Arc::clone(&hosts)));
        Ok(Self { hosts, tasks, ticker })
    }

    /// Runs `function` with a JSON `payload` and waits for its answer.
    ///
    /// An invocation continues when the caller stops waiting for it, as on AWS.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn invoke(&self, function: &str, payload: Bytes) -> Result<Bytes, Error> {
        let (_, _, answer) = self.begin(function, payload)?;
        answer.await.unwrap_or(Err(Error::Stopping))
    }

    /// Like [`Self::invoke`], but kills the process of the invocation `after` this time, if it
    /// still works on the invocation. Also returns whether the invocation failed because of it: an
    /// answer that was on its way when its process was killed still counts.
    ///
    /// This is a fault for tests. An invocation that no process has received yet is not affected.
    ///
    /// # Errors
    /// See [`Error`]: an invocation that is cut short has [failed](Error::Failed).
    pub async fn invoke_cut_short(
        &self,
        function: &str,
        payload: Bytes,
        after: Duration,
        cut: CutShort,
    ) -> (Result<Bytes, Error>, bool) {
        let (host, id, mut answer) = match self.begin(function, payload) {
            Ok(begun) => begun,
            Err(error) => return (Err(error), false),
        };
        let is_cut = tokio::select! {
            answer = &mut answer => return (answer.unwrap_or(Err(Error::Stopping)), false),
            () = tokio::time::sleep(after) => host.cut_short(id, cut),
        };
        let answer = answer.await.unwrap_or(Err(Error::Stopping));
        let has_failed = is_cut && answer.is_err();
        (answer, has_failed)
    }

    fn begin(&self, function: &str, payload: Bytes) -> Result<Begun<'_>, Error> {
        let host = self.hosts.get(function).ok_or_else(|| Error::NotFound(function.to_owned()))?;
        if payload.len() > MAX_PAYLOAD {
            return Err(Error::TooLarge(function.to_owned()));
        }
        let (reply, answer) = oneshot::channel();
        let id = host.invoke(payload, reply);
        Ok((host, id, answer))
    }

    /// Starts one process of `function` and waits until it requests work. Returns the duration.
    ///
    /// # Errors
    /// [`StartFailure::Died`] explains in one sentence why a function does not start.
    pub async fn warm_up(&self, function: &str) -> Result<Duration, StartFailure> {
        let host = self.hosts.get(function).ok_or_else(|| StartFailure::NotFound(function.to_owned()))?;
        let (warm, warmed) = oneshot::channel();
        host.warm_up(warm);
        warmed.await.unwrap_or(Err(StartFailure::Stopping))
    }

    /// Kills one process of `function` now, a busy one if there is one. Returns its process id.
    ///
    /// This is a fault for tests: its invocation fails with `Runtime.ExitError`.
    #[must_use]
    pub fn kill(&self, function: &str) -> Option<u32> {
        self.hosts.get(function)?.kill()
    }

    /// Sets a variable of `function`, like a change of its configuration. Processes that start from
    /// now on have it. Running processes are killed, and their invocations fail.
    pub fn set_variable(&self, function: &str, name: &str, value: &str) {
        let Some(host) = self.hosts.get(function) else { return };
        host.set_variable(name, value);
        host.kill_all();
    }

    /// Returns the process ids of `function`.
    #[must_use]
    pub fn pids(&self, function: &str) -> Vec<u32> {
        self.hosts.get(function).map(|host| host.pids()).unwrap_or_default()
    }

    /// Returns the counters of every function, by name.
    #[must_use]
    pub fn stats(&self) -> Vec<FunctionStats> {
        self.hosts.values().map(|host| host.stats()).collect()
    }

    /// Refuses new invocations, lets running and waiting ones end, and stops every process.
    ///
    /// After `deadline` the remaining processes are killed, and their invocations end with
    /// [`Error::Stopping`]. When this returns, no process is left and all are reaped.
    pub async fn shutdown(&self, deadline: Duration) -> Shutdown {
        self.ticker.0.abort();
        self.tell(Event::Drain);
        self.tasks.close();
        if tokio::time::timeout(deadline, self.tasks.wait()).await.is_ok() {
            return Shutdown { killed: 0 };
        }
        let killed = self.tasks.len();
        self.tell(Event::Abort);
        self.tasks.wait().await;
        Shutdown { killed }
    }

    fn tell(&self, event: Event) {
        self.hosts.values().for_each(|host| host.tell(event));
    }
}

impl Invoke for Lambda {
    async fn invoke(&self, function: &str, payload: Bytes) -> Result<Bytes, Error> {
        Self::invoke(self, function, payload).await
    }
}

/// Stops idle processes until it is dropped.
struct Ticker(JoinHandle<()>);

impl Ticker {
    fn start(hosts: Arc<BTreeMap<String, Arc<Host>>>) -> Self {
        Self(tokio::spawn(async move {
            let mut ticks = tokio::time::interval(TICK);
            ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
            loop {
                ticks.tick().await;
                hosts.values().for_each(|host| host.tell(Event::Tick));
            }
        }))
    }
}

impl Drop for Ticker {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Checks the function as AWS does. Returns it with an absolute path to its program.
fn checked(mut function: Function) -> Result<Function, StartError> {
    let name = &function.name;
    let is_allowed = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    if name.is_empty() || name.len() > MAX_NAME_LENGTH || !name.chars().all(is_allowed) {
        return Err(StartError::Name(name.clone()));
    }
    if let Some(variable) = environment::reserved(&function) {
        return Err(StartError::Reserved { function: name.clone(), variable: variable.to_owned() });
    }
    match function.program.canonicalize() {
        Ok(program) => function.program = program,
        Err(source) => {
            return Err(StartError::Program { function: name.clone(), path: function.program, source });
        }
    }
    Ok(function)
}

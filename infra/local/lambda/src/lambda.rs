//! The functions of a runner: start, invoke, watch, stop.

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

/// AWS's limit for a function's name.
const MAX_NAME_LENGTH: usize = 64;

/// How often idle processes are looked at.
const TICK: Duration = Duration::from_millis(500);

/// An invocation that has begun, and where its answer comes.
type Begun<'a> = (&'a Arc<Host>, InvocationId, oneshot::Receiver<Result<Bytes, Error>>);

/// How an invocation is cut short.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CutShort {
    /// Its process is killed, as by a crash: `Runtime.ExitError`.
    Killed,
    /// As at its deadline, before it: `Sandbox.Timedout`.
    TimedOut,
}

/// All functions. Cheap to clone; every copy is the same.
#[derive(Clone)]
pub struct Lambda {
    hosts: Arc<BTreeMap<String, Arc<Host>>>,
    tasks: TaskTracker,
    ticker: Arc<Ticker>,
}

/// Why the functions cannot be run.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// Not a name that AWS would take.
    #[error("function name {0:?} must be 1 to 64 letters, digits, '-' or '_'")]
    Name(String),
    /// Two functions of one name.
    #[error("there are two functions named {0}")]
    Duplicate(String),
    /// There is no such program.
    #[error("function {function}: cannot find its program {}: {source}", path.display())]
    Program {
        /// The function's name.
        function: String,
        /// Where it should be.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// A variable that AWS sets and does not let a function set.
    #[error("function {function}: the variable {variable} is reserved by Lambda")]
    Reserved {
        /// The function's name.
        function: String,
        /// The variable's name.
        variable: String,
    },
    /// No thread to start processes from.
    #[error("cannot start the thread that starts processes: {0}")]
    Thread(#[source] io::Error),
}

/// How stopping went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shutdown {
    /// Processes that had to be killed because they were not done in time.
    pub killed: usize,
}

impl Lambda {
    /// Gets ready to run the functions of `config`; no process is started yet.
    ///
    /// Must be called inside a tokio runtime, which must outlive it.
    ///
    /// # Errors
    /// See [`StartError`]; nothing runs then.
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
    /// An invocation goes on when the caller stops waiting for it, as on AWS.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn invoke(&self, function: &str, payload: Bytes) -> Result<Bytes, Error> {
        let (_, _, answer) = self.begin(function, payload)?;
        answer.await.unwrap_or(Err(Error::Stopping))
    }

    /// The same, and `after` this time the process that works on it is killed, if it still does. Says also whether.
    ///
    /// This is a fault for tests. An invocation that no process has yet is left alone.
    ///
    /// # Errors
    /// See [`Error`]: what is cut short has [failed](Error::Failed).
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
        (answer.await.unwrap_or(Err(Error::Stopping)), is_cut)
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

    /// Starts one process of `function` and waits until it asks for work; says how long that took.
    ///
    /// # Errors
    /// [`StartFailure::Died`] is the one sentence that a person needs when a function does not come up.
    pub async fn warm_up(&self, function: &str) -> Result<Duration, StartFailure> {
        let host = self.hosts.get(function).ok_or_else(|| StartFailure::NotFound(function.to_owned()))?;
        let (warm, warmed) = oneshot::channel();
        host.warm_up(warm);
        warmed.await.unwrap_or(Err(StartFailure::Stopping))
    }

    /// Kills one process of `function` now, a running one if there is one, and says which it was.
    ///
    /// This is a fault for tests: its invocation fails with `Runtime.ExitError`.
    #[must_use]
    pub fn kill(&self, function: &str) -> Option<u32> {
        self.hosts.get(function)?.kill()
    }

    /// Changes a variable of `function`, as a change of its configuration does. Processes that start from now on have it; those
    /// that run are killed, and their invocations fail.
    pub fn set_variable(&self, function: &str, name: &str, value: &str) {
        let Some(host) = self.hosts.get(function) else { return };
        host.set_variable(name, value);
        host.kill_all();
    }

    /// The process ids of `function`.
    #[must_use]
    pub fn pids(&self, function: &str) -> Vec<u32> {
        self.hosts.get(function).map(|host| host.pids()).unwrap_or_default()
    }

    /// Numbers of every function, by name.
    #[must_use]
    pub fn stats(&self) -> Vec<FunctionStats> {
        self.hosts.values().map(|host| host.stats()).collect()
    }

    /// Refuses new invocations, lets running and waiting ones end, and stops every process.
    ///
    /// After `deadline` what is left is killed and its invocations end with [`Error::Stopping`]. When this returns no
    /// process is left and all are reaped.
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

/// Stops idle processes, until it is dropped.
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

/// The function with an absolute path, if AWS would take it and it exists.
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

//! One operating system process: starts it, serves its Runtime API, enforces its deadline, reads
//! its output, and cleans up after its end.
//!
//! Each process has its own listener, which identifies the process. A path in
//! `AWS_LAMBDA_RUNTIME_API` could not do that: the variable contains a host and a port
//! (`http://$AWS_LAMBDA_RUNTIME_API/2018-06-01/…`), and not every runtime accepts a path in it. The
//! listener serves only this process and those that it started ([`crate::peer`]).

use std::collections::VecDeque;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::process::Stdio;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::net::TcpListener;
use tokio::process::{Child, Command};
use tokio::sync::watch;
use tokio::task::JoinSet;
use uuid::Uuid;

use crate::environment;
use crate::failure::End;
use crate::host::Host;
use crate::lines::Lines;
use crate::logs::{Output, Record};
use crate::pool::ProcessId;
use crate::runtime_api;

/// How long a process may take to end on request. It is killed after this time.
const STOP_GRACE: Duration = Duration::from_millis(500);

/// How long to wait for the rest of the output and requests of a dead process. They are already
/// buffered; the limit is for a pipe that another process still holds.
const LAST_WORDS: Duration = Duration::from_millis(500);

/// Number of last lines that are kept to explain a failed start, and the length of each.
const LAST_LINES: usize = 8;
const LAST_LINE_CHARS: usize = 400;

/// Bytes read from a pipe at once.
const PIPE_READ: usize = 16 * 1024;

/// The host's current orders for a process. Only the latest value counts.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Orders {
    /// Time at which the host must be notified.
    pub(crate) deadline: Option<Instant>,
    pub(crate) signal: Option<Signal>,
}

impl Orders {
    pub(crate) fn start_by(deadline: Instant) -> Self {
        Self { deadline: Some(deadline), signal: None }
    }
}

/// Runs a process from its start to its end. The host is notified of both.
pub(crate) async fn run(host: Arc<Host>, id: ProcessId, mut orders: watch::Receiver<Orders>) {
    match Running::start(&host, id).await {
        Ok(mut running) => {
            let end = running.until_exit(&host, id, &mut orders).await;
            let last_lines = running.bury().await;
            host.exited(id, end, last_lines);
        }
        Err(error) => {
            let why = format!("cannot run {}: {error}", host.function.program.display());
            host.exited(id, End::CannotRun(why), Vec::new());
        }
    }
}

struct Running {
    child: Child,
    group: Pid,
    listener: TcpListener,
    connections: JoinSet<()>,
    readers: JoinSet<()>,
    last_lines: LastLines,
}

impl Running {
    async fn start(host: &Arc<Host>, id: ProcessId) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let mut child = host.spawner.spawn(command(host, listener.local_addr()?)).await?;
        let pid = child.id().ok_or_else(|| io::Error::other("it was gone at once"))?;
        host.born(id, pid);
        let group = Pid::from_raw(pid.try_into().map_err(io::Error::other)?);
        let (mut readers, last_lines) = (JoinSet::new(), LastLines::default());
        if let Some(pipe) = child.stdout.take() {
            readers.spawn(listen(pipe, Arc::clone(host), id, Output::Stdout, last_lines.clone()));
        }
        if let Some(pipe) = child.stderr.take() {
            readers.spawn(listen(pipe, Arc::clone(host), id, Output::Stderr, last_lines.clone()));
        }
        Ok(Self { child, group, listener, connections: JoinSet::new(), readers, last_lines })
    }

    async fn until_exit(&mut self, host: &Arc<Host>, id: ProcessId, orders: &mut watch::Receiver<Orders>) -> End {
        let mut sent = None;
        let mut kill_at: Option<Instant> = None;
        loop {
            let Orders { deadline, signal } = *orders.borrow_and_update();
            if signal.is_some() && signal != sent {
                sent = signal;
                self.signal(signal);
                kill_at = (signal == Some(Signal::SIGTERM)).then(|| Instant::now() + STOP_GRACE);
            }
            tokio::select! {
                status = self.child.wait() => return status.map_or(End::Exit(None), End::of),
                accepted = self.listener.accept() => if let Ok((stream, _)) = accepted {
                    self.connections.spawn(runtime_api::serve(Arc::clone(host), id, self.group, stream));
                },
                Ok(()) = orders.changed() => {}
                () = at(kill_at) => {
                    self.signal(Some(Signal::SIGKILL));
                    kill_at = None;
                }
                () = at(deadline) => if orders.borrow().deadline.is_some_and(|due| due <= Instant::now()) {
                    host.timed_out(id);
                },
                Some(_) = self.connections.join_next() => {}
            }
        }
    }

    /// Cleans up after a process: its group, its sockets, its pipes.
    async fn bury(mut self) -> Vec<String> {
        self.signal(Some(Signal::SIGKILL));
        drop(self.listener);
        let empty = async {
            while self.connections.join_next().await.is_some() {}
            while self.readers.join_next().await.is_some() {}
        };
        // Dropping the sets aborts the tasks that are left.
        let _over = tokio::time::timeout(LAST_WORDS, empty).await;
        self.last_lines.take()
    }

    /// Sends a signal to the process and to the processes that it started.
    fn signal(&self, signal: Option<Signal>) {
        // The process may have ended already.
        let _gone = killpg(self.group, signal);
    }
}

/// Builds the command line, environment, folder and pipes of a process.
fn command(host: &Host, runtime_api: SocketAddr) -> Command {
    let (config, function) = (&host.config, &host.function);
    let mut command = match &config.supervisor {
        Some(supervisor) => {
            let mut command = Command::new(&supervisor.program);
            command.args(&supervisor.args).arg(std::process::id().to_string()).arg(&function.program);
            command
        }
        None => Command::new(&function.program),
    };
    command.args(&function.args);
    command.env_clear().envs(environment::of(config, function, runtime_api, &log_stream()));
    command.envs(host.variables());
    command.current_dir(environment::task_root(&function.program));
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    // The process has its own group. The terminal's Ctrl-C reaches only the runner, and a kill
    // reaches all processes that the function started.
    command.process_group(0).kill_on_drop(true);
    command
}

/// Returns a name such as `2026/11/21/[$LATEST]0123456789abcdef0123456789abcdef`.
fn log_stream() -> String {
    let today = jiff::Timestamp::now().strftime("%Y/%m/%d");
    format!("{today}/[$LATEST]{}", Uuid::new_v4().simple())
}

/// Passes the output of a process to the sink, line by line, until its pipe is closed.
async fn listen(mut pipe: impl AsyncRead + Unpin, host: Arc<Host>, id: ProcessId, output: Output, last: LastLines) {
    let mut lines = Lines::default();
    let mut buffer = vec![0; PIPE_READ];
    let tell = |text: &str| {
        last.push(text);
        host.config.sink.record(&host.function.name, id.0, Record::Line { output, text });
    };
    while let Ok(count @ 1..) = pipe.read(&mut buffer).await {
        lines.push(&buffer[..count], tell);
    }
    lines.finish(tell);
}

/// Waits until `when`, or for ever without it.
async fn at(when: Option<Instant>) {
    match when {
        Some(when) => tokio::time::sleep_until(when.into()).await,
        None => std::future::pending().await,
    }
}

/// Returns the peak resident memory in MB. Only Linux reports it.
pub(crate) fn max_memory_mb(pid: u32) -> Option<u32> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kilobytes: u32 = line.split_whitespace().next()?.parse().ok()?;
    Some(kilobytes.div_ceil(1024))
}

/// The last lines of a process. They explain its death.
#[derive(Debug, Clone, Default)]
struct LastLines(Arc<Mutex<VecDeque<String>>>);

impl LastLines {
    fn push(&self, line: &str) {
        let mut lines = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if lines.len() == LAST_LINES {
            lines.pop_front();
        }
        lines.push_back(line.chars().take(LAST_LINE_CHARS).collect());
    }

    fn take(&self) -> Vec<String> {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner)).into()
    }
}
